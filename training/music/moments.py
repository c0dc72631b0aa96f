"""How far made phrases' counted figures are from real ones' in mean and spread, over many batches.

A batch is too small to say what is rare, so means are running ones: what earlier batches held is
kept, and the gradient flows through the present batch's part.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from models.music.statistics import SIZE

_RARE = 0.05  # added to every spread: a figure that hardly ever moves must not outweigh the others


class Moments:
    """Running means of figures and of their squares, for made and real phrases."""

    def __init__(self, device: torch.device, size: int = SIZE, keep: float = 0.95) -> None:
        self.keep = keep
        self._running = torch.zeros(4, size, device=device)  # made, made squared, real, ...
        self._batches = 0

    def gap(self, made: Tensor, real: Tensor) -> tuple[Tensor, Tensor]:
        """Take in figures [batch, size]; give the gap, and a loss with a whole batch's gradient."""
        batch = torch.stack([f for x in (made, real) for f in (x.mean(0), x.square().mean(0))])
        running = self.keep * self._running + (1 - self.keep) * batch
        self._running = running.detach()
        self._batches += 1
        part = 1 - self.keep**self._batches
        made_mean, made_square, real_mean, real_square = running / part
        made_spread, real_spread = (
            ((square - mean.square()).clamp(min=0) + _RARE**2).sqrt()
            for mean, square in ((made_mean, made_square), (real_mean, real_square))
        )
        means = ((made_mean - real_mean) / real_spread).square().log1p()
        spreads = (made_spread.log() - real_spread.log()).square()
        gap = (means + spreads).mean()
        return gap.detach(), gap * part / (1 - self.keep)

    def tensors(self) -> dict[str, Tensor]:
        """Give what a resumed run needs."""
        return {"running": self._running, "batches": torch.tensor(self._batches)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Go on from ``tensors``."""
        self._running = tensors["running"].to(self._running.device, copy=True)
        self._batches = int(tensors["batches"])
