"""Set how a finished generator is played, so that its phrases have the training songs' figures.

A generator makes its bars a little too unlike one another, and codes that no real phrase has decode
to notes that were not quite meant. Neither needs training. First the latents of single bars are
weakened as far as brings the figures nearest to those of training songs. Then the band's habits
(``models.music.habits``) follow one figure each, round by round: a row that plays too rarely starts
more readily, a voice whose bars are too seldom the same takes more of them for a repeat. The round
nearest to the training songs is kept. Held-out songs are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.music.gan import Calibration, Generator
from models.music.habits import PAIRS, Habits, rhythms
from models.music.pianoroll import REGISTERS, SCALE, TONES
from training.music import metrics
from training.music.batches import Batch, whole
from training.music.corpus import Corpus

_BARS = (1.0, 0.85, 0.7, 0.6, 0.5)
_ROUNDS = 24
_RARE = 1e-4  # a cell's chance below which a row's own is not looked at
_SELDOM = 0.03  # the same of a voice's repeats
_SLIGHT = 0.004  # and of a voice's step
Table = dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Figures:
    """What habits are judged by."""

    tracks: Table
    rows: Tensor  # [144]: how often a note starts in a cell of each row
    steps: Tensor  # [voices, 16]: how often a voice starts at each step of the bar
    repeats: Tensor  # [pairs, voices]: how often two bars have the same rhythm

    @classmethod
    def of(cls, roll: Tensor, onset: Tensor) -> Figures:
        """Count phrases."""
        table = metrics.track_figures(*(plane.bool().numpy() for plane in (roll, onset)))
        rhythm = rhythms(onset) > 0
        steps = rhythm.float().mean((0, 1)).T
        return cls(table, onset.mean((0, 1)), steps, _repeats(rhythm))


def calibrate(generator: Generator, corpus: Corpus, *, count: int = 768, seed: int = 1) -> None:
    """Find the calibration of a generator on a corpus's training songs and give it to it."""
    known = corpus.part(~corpus.held_out)
    rows = np.random.default_rng([seed, 5]).permutation(len(known))[:count]
    batch = whole(known, generator.config, rows)
    want = Figures.of(batch.roll, batch.onset)
    tried = []
    for bars in _BARS:
        codes = _codes(generator, batch, Calibration(bars), seed)
        got = _played(generator, batch, codes, Calibration(bars))
        tried.append((_distance(got, want), bars, codes))
    _, bars, codes = min(tried, key=lambda one: one[:2])
    habits, found = Habits.plain(), []
    for number in range(_ROUNDS):
        calibration = Calibration(bars, habits=habits)
        got = _played(generator, batch, codes, calibration)
        found.append((_distance(got, want), number, calibration))
        habits = _followed(habits, got, want, pace=1.0 if number < _ROUNDS // 2 else 0.5)
    generator.config = replace(generator.config, calibration=min(found)[-1])


@torch.inference_mode()
def _codes(generator: Generator, batch: Batch, calibration: Calibration, seed: int) -> Tensor:
    """Make codes for a batch's conditions."""
    generator.config = replace(generator.config, calibration=calibration)
    return generator.codes(generator.latent(seed, len(batch.roll)), batch.condition)


@torch.inference_mode()
def _played(generator: Generator, batch: Batch, codes: Tensor, calibration: Calibration) -> Figures:
    """Give the figures of phrases of these codes, played in one way."""
    generator.config = replace(generator.config, calibration=calibration)
    return Figures.of(*generator.rolls(codes, batch.active, calibrated=True))


def _distance(got: Figures, want: Figures) -> float:
    """Join the margins missed with how far repeats and steps are off, a tenth of them a margin."""
    repeats = (got.repeats - want.repeats).abs().mean()
    steps = (got.steps - want.steps).abs().sum(1).mean()
    return metrics.distance(got.tracks, want.tracks) + 10 * float(repeats) + 2 * float(steps)


def _followed(habits: Habits, got: Figures, want: Figures, pace: float) -> Habits:
    """Move each habit against what its figure misses."""
    rows = torch.log((want.rows + _RARE) / (got.rows + _RARE)).clamp(-1, 1)
    moved = {"rows": _diatonic((torch.tensor(habits.rows) + pace * rows).clamp(-3, 4))}
    more = torch.log((want.repeats + _SELDOM) / (got.repeats + _SELDOM)).clamp(-1, 1)
    moved["limits"] = (torch.tensor(habits.limits) * (0.7 * pace * more).exp()).clamp(0.05, 8)
    steps = torch.log((want.steps + _SLIGHT) / (got.steps + _SLIGHT)).clamp(-1, 1)
    moved["steps"] = (torch.tensor(habits.steps) + 0.7 * pace * steps).clamp(-3, 3)
    focus, steady, holds = (torch.tensor(x) for x in (habits.focus, habits.steady, habits.holds))
    moved["focus"] = (focus + 2 * pace * _misses(got, want, "polyphony")).clamp(-1, 1.5)
    moved["steady"] = (steady + 3 * pace * _misses(got, want, "pitch_classes")).clamp(-0.5, 3)
    moved["holds"] = (holds - 6 * pace * _misses(got, want, "qualified_notes")).clamp(-3, 6)
    return Habits.read(
        {name: np.round(value.double().numpy(), 3).tolist() for name, value in moved.items()}
    )


def _diatonic(rows: Tensor) -> Tensor:
    """Lift no pitch outside the scale more than the track's others are on the whole.

    Songs have their accidentals together in a few phrases; lifted one by one they would be strewn.
    """
    for register in REGISTERS[1:]:
        part = rows[register.columns]
        inside = torch.tensor([register.pitch(row) % 12 in SCALE for row in range(register.size)])
        part[~inside] = part[~inside].clamp(max=float(part[inside].mean()))
    return rows


def _misses(got: Figures, want: Figures, figure: str) -> Tensor:
    """Say by how much each pitched track has too much of a figure, as a logarithm."""

    def value(tracks: Mapping[str, Mapping[str, float]], track: str) -> float:
        return math.log(tracks[track][figure] + 0.05)

    return torch.tensor([value(got.tracks, t) - value(want.tracks, t) for t in TONES])


def _repeats(rhythm: Tensor) -> Tensor:
    """Count how often each voice has the same rhythm in two bars, where it plays at all."""
    same = torch.stack([(rhythm[:, i] == rhythm[:, j]).all(1) for i, j in PAIRS]).float()
    playing = rhythm.any(1).any(1).float()
    return (same * playing).sum(1) / playing.sum(0).clamp(min=1)
