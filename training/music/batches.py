"""What one training step is fed: phrases, their conditions and which tracks are given.

Every draw comes from a stream seeded by (seed, step), so a resumed run sees what an uninterrupted
one would have seen and no random state needs to be saved.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from models.music.gan import GanConfig, conditions
from models.music.pianoroll import REGISTER, REGISTERS, TRACKS, Cells
from training.music.corpus import Corpus, DrumTakes, Ints


@dataclass(frozen=True, eq=False)
class Batch:
    """Real phrases with what the generator is told about them."""

    roll: Tensor  # [batch, 64, 144]
    onset: Tensor
    condition: Tensor
    active: Tensor  # [batch, 5]
    given: Tensor  # [batch, 5]: tracks the generator plays around

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        return Batch(
            self.roll.to(device), self.onset.to(device), self.condition.to(device),
            self.active.to(device), self.given.to(device),
        )  # fmt: skip


@dataclass(frozen=True)
class Mixing:
    """How batches are drawn."""

    size: int = 64
    given: float = 0.3  # share of phrases with one track given
    other_drums: float = 0.3  # share of phrases whose drums come from another take of the style
    balance: float = 0.5  # 0 draws phrases evenly, 1 draws styles evenly


def draw(
    corpus: Corpus, takes: DrumTakes, config: GanConfig, mixing: Mixing,
    random: np.random.Generator,
) -> Batch:  # fmt: skip
    """Draw a training batch."""
    rows = random.choice(len(corpus), mixing.size, p=_weights(corpus.style, mixing.balance))
    roll, onset = corpus.cells(rows)
    _swap_drums(roll, onset, corpus.style[rows], takes, mixing.other_drums, random)
    batch = _batch(corpus, config, rows, roll, onset)
    track = random.integers(len(TRACKS), size=mixing.size)
    original = np.array([corpus.originals.get(str(g), -1) for g in corpus.group[rows]])
    pick = np.eye(len(TRACKS))[np.where(original >= 0, original, track)]
    told = pick * (random.random((mixing.size, 1)) < mixing.given)
    given = torch.from_numpy(told).float() * batch.active
    return Batch(batch.roll, batch.onset, batch.condition, batch.active, given)


def whole(corpus: Corpus, config: GanConfig, rows: Ints) -> Batch:
    """Take phrases as they are, with nothing given."""
    return _batch(corpus, config, rows, *corpus.cells(rows))


def _batch(
    corpus: Corpus, config: GanConfig, rows: Ints, roll: NDArray[np.uint8],
    onset: NDArray[np.uint8],
) -> Batch:  # fmt: skip
    used: Cells = np.any(onset, axis=1)
    active = np.stack([used[:, r.columns].any(1) for r in REGISTERS], -1)
    told = (corpus.style, corpus.energy, corpus.section, corpus.tempo_bands, corpus.mode)
    style, energy, section, tempo, mode = (torch.from_numpy(field[rows]) for field in told)
    playing = torch.from_numpy(active).float()
    condition = conditions(config, style, energy, section, tempo, mode, playing)
    rolls, onsets = (torch.from_numpy(plane).float() for plane in (roll, onset))
    return Batch(rolls, onsets, condition, playing, torch.zeros_like(playing))


def _weights(style: Ints, balance: float) -> NDArray[np.float64]:
    share = np.bincount(style).astype(np.float64)[style] ** -balance
    return np.asarray(share / share.sum(), np.float64)


def _swap_drums(
    roll: NDArray[np.uint8], onset: NDArray[np.uint8], style: Ints, takes: DrumTakes,
    share: float, random: np.random.Generator,
) -> None:  # fmt: skip
    """Put other takes of the same style under some phrases that have drums."""
    columns = REGISTER["drums"].columns
    chosen = random.random(len(style)) < share
    for row in np.flatnonzero(chosen & onset[:, :, columns].any((1, 2))).tolist():
        fitting = np.flatnonzero(takes.style == style[row])
        if len(fitting):
            take = takes.onset[random.choice(fitting)]
            roll[row, :, columns] = take
            onset[row, :, columns] = take
