from __future__ import annotations

import pytest
import torch

from models.essay.kernel import Kernel, exact_buckets, padded
from models.essay.linear import PackedLinear, WholeLinear, whole_numbers_work
from models.essay.prompt import Condition, condition_arrays
from tests.models.essay import tiny


def test_the_fused_step_is_the_model() -> None:
    model = tiny.model(3)
    kernel = Kernel(model, torch.device("cpu"))
    arrays = condition_arrays([Condition((50, 60), (70,), 1, 2, 1, n) for n in range(8)])
    state = tuple(torch.randn(2, 8, 64) for _ in range(2))
    ids = torch.arange(40, 48)
    with torch.inference_mode():
        condition = model.condition(
            **{n: torch.tensor(getattr(arrays, n)) for n in arrays.__dataclass_fields__}
        )
        truth, (h, c) = model.step(ids, condition, (state[0], state[1]))
        y, new_h, new_c = kernel.step(ids, kernel.felt(arrays), state[0], state[1])
        log_probs = kernel.log_probs(y)
    for got, wanted in ((log_probs, truth), (new_h, h), (new_c, c)):
        assert torch.allclose(got, wanted, atol=1e-5)
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(8), atol=1e-5)


def test_exact_buckets_keep_every_bit() -> None:
    kernel = Kernel(tiny.model(3), torch.device("cpu"))
    buckets = exact_buckets(kernel, 64)
    assert buckets and buckets[-1] == 64
    draw = torch.Generator().manual_seed(9)
    rows = buckets[-1]
    ids = torch.randint(0, kernel.vocabulary, (rows,), generator=draw)
    felt = torch.randn(rows, kernel.felt_size, generator=draw)
    h, c = (torch.randn(2, rows, kernel.hidden, generator=draw) for _ in range(2))
    with torch.inference_mode():
        whole = kernel.log_probs(kernel.step(ids, felt, h, c)[0])
        for size in buckets:
            part = slice(rows - size, rows)
            y, _, _ = kernel.step(ids[part], felt[part], h[:, part], c[:, part])
            assert torch.equal(kernel.log_probs(y), whole[part]), size


def test_padding_takes_the_smallest_bucket_that_holds() -> None:
    assert [padded(n, (8, 16, 32)) for n in (1, 8, 9, 32, 33, 70)] == [8, 8, 16, 32, 64, 96]


def test_packed_products_are_the_plain_ones_bit_for_bit() -> None:
    if not whole_numbers_work(PackedLinear):
        pytest.skip("this processor has no eight-bit products")
    draw = torch.Generator().manual_seed(4)
    weight, bias = torch.randn(65, 96, generator=draw), torch.randn(65, generator=draw)
    packed, plain = PackedLinear(weight, bias), WholeLinear(weight, bias)
    for rows in (1, 7, 8, 40):
        x = torch.randn(rows, 96, generator=draw)
        assert torch.equal(packed(x), plain(x)), rows
