"""Go part of the way from a parent to a small collection: the last of it is learnt by heart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from models.essay.lstm import EssayLSTM
from training.essays.pack import Packed
from training.essays.scoring import likelihood

#: How much of the way is tried; all of it first, which stays where nothing is better.
SHARES = (1.0, 0.9, 0.8, 0.7, 0.6)
HeldOut = tuple[Packed, Sequence[int]]


@torch.no_grad()
def temper(model: EssayLSTM, parent: Mapping[str, Tensor], held_out: HeldOut) -> dict[float, float]:
    """Leave a model the mean of its own weights and its parent's that scores best.

    Gives bits per byte of the held-out essays by the share of the way that was gone. After
    Wortsman et al. (2022), who did it against forgetting.
    """
    own = {name: value.clone() for name, value in model.named_parameters()}
    scores = {}
    for share in SHARES:
        _go(model, parent, own, share)
        scores[share] = likelihood(model, *held_out).bits_per_byte
    _go(model, parent, own, min(scores, key=lambda share: scores[share]))
    return scores


def _go(
    model: EssayLSTM, parent: Mapping[str, Tensor], own: Mapping[str, Tensor], share: float
) -> None:
    for name, value in model.named_parameters():
        value.copy_(torch.lerp(parent[name].to(value), own[name], share))
