"""What a musician would count in a phrase, so that gradients can reach the notes.

A network that sees cells finds it hard to tell that two bars are the same, or that a bar has one
note more than its neighbours; these figures say so.
"""

from __future__ import annotations

import itertools

import torch
from torch import Tensor

from models.music.pianoroll import BARS, LENGTH, REGISTERS, STEPS

PAIRS = tuple(itertools.combinations(range(BARS), 2))
_HALVES = LENGTH // (STEPS // 2)
#: Figures of a phrase: per track notes of each bar, where in the bar they start, likeness of each
#: two bars in notes and in rhythm; drums by row; classes, what sounds and how thickly of others;
#: and the agreement of each two pitched tracks.
_COMMON = BARS + STEPS + 2 * len(PAIRS)
SIZE = len(REGISTERS) * _COMMON + REGISTERS[0].size + 4 * (12 + 2) + 6


def statistics(roll: Tensor, onset: Tensor) -> Tensor:
    """Count what is in phrases [batch, 64, 144]: [batch, SIZE], each figure of the order of one."""
    figures, chromas = [], []
    for register in REGISTERS:
        starts = onset[:, :, register.columns]
        figures.append(_common(starts))
        if register.track == "drums":
            figures.append(starts.sum(1) / 16)
            continue
        sounding = roll[:, :, register.columns]
        count = sounding.sum(2)
        playing = count.clamp(max=1.0).sum(1)
        figures.append(_classes(starts, register.low).sum(1) / 8)
        figures.append(torch.stack([count.mean(1), count.sum(1) / (playing + 1)], -1))
        chromas.append(_halves(_classes(sounding, register.low)))
    agreement = [_cosine(one, other).mean(1) for one, other in itertools.combinations(chromas, 2)]
    return torch.cat([*figures, torch.stack(agreement, -1)], -1)


def _common(starts: Tensor) -> Tensor:
    """Count one track's bars and compare them: [batch, steps, rows] to [batch, _COMMON]."""
    bars = starts.reshape(len(starts), BARS, -1)
    notes = bars.sum(-1)
    rhythm = starts.sum(-1).reshape(len(starts), BARS, STEPS).clamp(max=1.0)
    first, second = ([pair[i] for pair in PAIRS] for i in (0, 1))
    both = (bars[:, first] * bars[:, second]).sum(-1)
    either = notes[:, first] + notes[:, second] - both
    alike = (both + 1) / (either + 1)  # two empty bars are alike; one note more is no cliff
    agree = 1 - (rhythm[:, first] - rhythm[:, second]).abs().mean(-1)
    return torch.cat([notes / 8, rhythm.mean(1), alike, agree], -1)


def _classes(cells: Tensor, low: int) -> Tensor:
    """Fold pitched rows [batch, steps, rows] to pitch classes [batch, steps, 12], C first."""
    folded = cells.reshape(*cells.shape[:2], cells.shape[2] // 12, 12).sum(2)
    return folded.roll(low % 12, -1)


def _halves(classes: Tensor) -> Tensor:
    return classes.reshape(len(classes), _HALVES, -1, 12).sum(2)


def _cosine(one: Tensor, other: Tensor) -> Tensor:
    """Compare directions along the last axis; nothing is unlike everything."""
    norms = one.square().sum(-1) * other.square().sum(-1)
    return (one * other).sum(-1) / (norms + 1.0).sqrt()
