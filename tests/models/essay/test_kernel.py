from __future__ import annotations

from collections.abc import Iterator

import pytest
import torch
from torch import Tensor

from models.essay.eightbit import EightBitKernel, kernel_for
from models.essay.kernel import Kernel, PlainKernel, exact_buckets, padded
from models.essay.onnxgraph import Bytes, Graph, exact_weights
from models.essay.precision import Precision
from models.essay.prompt import Condition, condition_arrays
from tests.models.essay import tiny

CPU = torch.device("cpu")
needs_eight_bits = pytest.mark.skipif(
    exact_weights() is None, reason="this processor has no exact products in eight bits"
)


def distance(got: Tensor, wanted: Tensor) -> float:
    """Give the error as a share of the norm."""
    return float((got - wanted).norm() / wanted.norm())


@pytest.mark.parametrize(
    ("precision", "error"),
    [(Precision.FP32, 1e-5), pytest.param(Precision.INT8, 0.03, marks=needs_eight_bits)],
)
def test_the_fused_step_is_the_model(precision: Precision, error: float) -> None:
    model, kernel = tiny.model(3), kernel_for(tiny.model(3), CPU, precision)
    assert isinstance(kernel, PlainKernel) == (precision == Precision.FP32)
    arrays = condition_arrays([Condition((50, 60), (70,), 1, 2, 1, n) for n in range(8)])
    memory = torch.randn(8, kernel.memory_size).clamp(-1, 1)
    state = memory.view(8, 2, 2, 64).transpose(0, 2)  # (L, 2, R, H)
    ids = torch.arange(40, 48)
    with torch.inference_mode():
        condition = model.condition(
            **{n: torch.tensor(getattr(arrays, n)) for n in arrays.__dataclass_fields__}
        )
        truth, (h, c) = model.step(ids, condition, (state[:, 0], state[:, 1]))
        y, after = kernel.step(ids, kernel.felt(arrays), memory)
        log_probs = kernel.log_probs(y)
    told = after.view(8, 2, 2, 64).transpose(0, 2)
    for got, wanted in ((log_probs, truth), (told[:, 0], h), (told[:, 1], c)):
        assert distance(got, wanted) < error
    assert torch.allclose(log_probs.exp().sum(1), torch.ones(8), atol=1e-5)


@pytest.mark.parametrize(
    "precision", [Precision.FP32, pytest.param(Precision.INT8, marks=needs_eight_bits)]
)
def test_exact_buckets_keep_every_bit(precision: Precision) -> None:
    kernel = kernel_for(tiny.model(3), CPU, precision)
    buckets = exact_buckets(kernel, 64)
    assert buckets and buckets[-1] == 64
    draw = torch.Generator().manual_seed(9)
    rows = buckets[-1]
    ids = torch.randint(0, kernel.vocabulary, (rows,), generator=draw)
    felt = torch.randn(rows, kernel.felt_size, generator=draw)
    memory = torch.randn(rows, kernel.memory_size, generator=draw)

    def scores(part: slice) -> Tensor:
        y, _ = kernel.step(ids[part], felt[part], memory[part])
        return kernel.log_probs(y)

    with torch.inference_mode():
        whole = scores(slice(0, rows))
        for size in buckets:
            part = slice(rows - size, rows)
            assert torch.equal(scores(part), whole[part]), size


@needs_eight_bits
def test_eight_bits_are_exact_for_any_number_of_rows() -> None:
    kernel = kernel_for(tiny.model(3), CPU, Precision.INT8)
    assert {1, 2, 3, 5, 7, 8, 13, 16, 64} <= set(exact_buckets(kernel, 64))


@needs_eight_bits
def test_a_kernel_of_bytes_is_smaller() -> None:
    plain, bytes_ = (kernel_for(tiny.model(3), CPU, p) for p in (Precision.FP32, Precision.INT8))
    assert isinstance(bytes_, EightBitKernel) and bytes_.size < 0.7 * plain.size


def test_without_exact_products_the_step_is_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.essay.eightbit.exact_weights", lambda: None)
    kernel: Kernel = kernel_for(tiny.model(3), CPU, Precision.INT8)
    assert isinstance(kernel, PlainKernel) and kernel.dtype == torch.float32


@needs_eight_bits
def test_unsigned_bytes_are_exact_wherever_any_are() -> None:
    graph = Graph(Bytes.UNSIGNED)
    weight, rows = torch.randn(24, 512), torch.randn(5, 512)
    weight[:4], rows[:2] = 1.0, 1.0  # the largest sums there are
    session = graph.session(1, y=graph.product(graph.input("x", 512), weight))
    (result,) = session.run(None, {"x": rows.numpy()})
    assert distance(torch.from_numpy(result), rows @ weight.t()) < 0.03


@pytest.fixture
def carries_are_lost(monkeypatch: pytest.MonkeyPatch) -> Iterator[set[Bytes]]:
    """Make the kinds of bytes in the set lose the carries of large sums."""
    right, losing = Graph.product, set(Bytes)

    def product(graph: Graph, rows: str, weight: Tensor, bias: Tensor | None = None) -> str:
        result = right(graph, rows, weight, bias)
        most = graph.constant(torch.tensor(400.0).numpy())
        return graph("Min", result, most) if graph.weights in losing else result

    monkeypatch.setattr(Graph, "product", product)
    exact_weights.cache_clear()
    yield losing
    exact_weights.cache_clear()


def test_a_processor_that_loses_carries_is_found_out(carries_are_lost: set[Bytes]) -> None:
    assert exact_weights() is None


@needs_eight_bits
def test_unsigned_bytes_serve_where_signed_ones_lose_carries(carries_are_lost: set[Bytes]) -> None:
    carries_are_lost.remove(Bytes.UNSIGNED)
    assert exact_weights() is Bytes.UNSIGNED


def test_padding_takes_the_smallest_bucket_that_holds() -> None:
    assert [padded(n, (8, 16, 32)) for n in (1, 8, 9, 32, 33, 70)] == [8, 8, 16, 32, 64, 96]
