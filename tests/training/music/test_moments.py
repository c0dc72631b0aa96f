import numpy as np
import pytest
import torch
from torch import Tensor

from training.music.moments import Moments

CPU = torch.device("cpu")


def drawn(seed: int, count: int = 4000) -> Tensor:
    return torch.randn(count, 3, generator=torch.Generator().manual_seed(seed))


def gap(made: Tensor, real: Tensor) -> float:
    return Moments(CPU, 3).gap(made, real)[0].item()


def test_the_same_has_no_gap_and_mean_and_spread_are_seen() -> None:
    real = drawn(1)
    assert gap(real, real) == pytest.approx(0, abs=1e-6)
    spread = (real.var(0, correction=0) + 0.05**2).sqrt()
    # A mean one spread away, then a spread twice as wide, of one figure in three.
    moved = real + torch.tensor([1.0, 0.0, 0.0]) * spread
    assert gap(moved, real) == pytest.approx(np.log(2) / 3, rel=1e-3)
    centred = real - real.mean(0)
    wide = centred * torch.tensor([1.0, 2.0, 1.0])
    assert gap(wide, centred) == pytest.approx(np.log(2) ** 2 / 3, rel=0.01)


def test_many_small_batches_say_what_one_large_one_says() -> None:
    moments = Moments(CPU, 3, keep=0.99)
    made, real = drawn(1) * 1.5, drawn(2)
    for at in range(0, 4000, 8):
        found, _ = moments.gap(made[at : at + 8], real[at : at + 8])
    truth = gap(made, real)
    assert found.item() == pytest.approx(truth, rel=0.1)
    assert gap(made[:8], real[:8]) > 1.3 * truth, "a batch alone is mostly noise"


def test_the_loss_pulls_made_figures_towards_real_ones_at_any_time() -> None:
    moments, real = Moments(CPU, 3), drawn(2, 64)
    pulls = []
    for _ in range(50):
        made = (real + 1).requires_grad_()
        _, loss = moments.gap(made, real)
        loss.backward()  # type: ignore[no-untyped-call]
        assert made.grad is not None
        pulls.append(made.grad.mean().item())
    assert min(pulls) > 0 and pulls[-1] == pytest.approx(pulls[0], rel=0.02)


def test_figures_that_never_move_stay_finite() -> None:
    made = torch.zeros(8, 3, requires_grad=True)
    found, loss = Moments(CPU, 3).gap(made, torch.zeros(8, 3))
    loss.backward()  # type: ignore[no-untyped-call]
    assert found.item() == 0 and made.grad is not None and torch.isfinite(made.grad).all()


def test_restored_moments_go_on_as_if_nothing_had_been() -> None:
    whole, cut = Moments(CPU, 3), Moments(CPU, 3)
    for seed in range(3):
        whole.gap(drawn(seed, 8), drawn(seed + 9, 8))
        cut.gap(drawn(seed, 8), drawn(seed + 9, 8))
        fresh = Moments(CPU, 3)
        fresh.restore(cut.tensors())
        cut = fresh
    assert all(torch.equal(whole.tensors()[k], v) for k, v in cut.tensors().items())
