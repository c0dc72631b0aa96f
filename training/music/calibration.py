"""Set how a finished generator is played, so that its phrases have the training songs' figures.

A generator makes its bars a little too unlike one another, and codes that no real phrase has decode
to notes that were not quite meant. Neither needs training. First the latents of single bars are
weakened as far as brings the figures nearest to those of training songs. Then the band's habits
(``models.music.habits``) follow one figure each, round by round: a row that plays too rarely starts
more readily, a voice whose bars are too seldom the same takes more of them for a repeat. The round
nearest to the training songs is kept. Styles with songs enough go on from there to habits of their
own. Held-out songs are not looked at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from models.music.gan import Generator
from models.music.habits import PAIRS, Calibration, Habits, rhythms
from models.music.pianoroll import REGISTERS, SCALE, STEPS, TONES
from training.music import metrics
from training.music.batches import Batch, whole
from training.music.corpus import Corpus

_BARS = (1.0, 0.85, 0.7, 0.6, 0.5)
_ROUNDS = 24
_ENOUGH = 200  # phrases from which a style has habits of its own
_RARE = 1e-4  # a cell's chance below which a row's own is not looked at
_SELDOM = 0.03  # the same of a voice's repeats, and of notes that go on into a bar
_SLIGHT = 0.004  # and of a voice's step
Table = dict[str, dict[str, float]]


@dataclass(frozen=True, eq=False)
class Figures:
    """What habits are judged by."""

    tracks: Table
    rows: Tensor  # [144]: how often a note starts in a cell of each row
    steps: Tensor  # [voices, 16]: how often a voice starts at each step of the bar
    repeats: Tensor  # [pairs, voices]: how often two bars have the same rhythm
    lengths: Tensor  # [pitched tracks]: of a note, in steps
    carried: Tensor  # [pitched tracks]: how often a note goes on into the next bar

    @classmethod
    def of(cls, roll: Tensor, onset: Tensor) -> Figures:
        """Count phrases."""
        table = metrics.track_figures(*(plane.bool().numpy() for plane in (roll, onset)))
        rhythm = rhythms(onset) > 0
        steps = rhythm.float().mean((0, 1)).T
        lengths, carried = _lengths(roll, onset), _carried(roll, onset)
        return cls(table, onset.mean((0, 1)), steps, _repeats(rhythm), lengths, carried)


def calibrate(generator: Generator, corpus: Corpus, *, count: int = 768, seed: int = 1) -> None:
    """Find the calibration of a generator on a corpus's training songs and give it to it."""
    known = corpus.part(~corpus.held_out)
    batch = _drawn(generator, known, count, seed)
    want = Figures.of(batch.roll, batch.onset)
    tried = []
    for bars in _BARS:
        got = _played(generator, batch, _codes(generator, batch, bars, seed), Calibration(bars))
        tried.append((_distance(got, want), bars))
    bars = min(tried)[1]
    habits = _learnt(generator, batch, bars, Habits.plain(), seed)
    styles = {}
    for number in np.unique(known.style).tolist():
        own = known.part(known.style == number)
        if _ENOUGH <= len(own) < len(known):
            batch = _drawn(generator, own, count, seed)
            styles[known.styles[number]] = _learnt(generator, batch, bars, habits, seed)
    found = Calibration(bars, habits=habits, styles=styles)
    generator.config = replace(generator.config, calibration=found)


def _drawn(generator: Generator, part: Corpus, count: int, seed: int) -> Batch:
    rows = np.random.default_rng([seed, 5]).permutation(len(part))[:count]
    return whole(part, generator.config, rows)


def _learnt(generator: Generator, batch: Batch, bars: float, habits: Habits, seed: int) -> Habits:
    """Follow the figures of a batch's songs, and keep the habits that came nearest to them."""
    want, codes = Figures.of(batch.roll, batch.onset), _codes(generator, batch, bars, seed)
    found = []
    for number in range(_ROUNDS):
        got = _played(generator, batch, codes, Calibration(bars, habits=habits))
        found.append((_distance(got, want), number, habits))
        habits = _followed(habits, got, want, pace=0.5 ** (3 * number // _ROUNDS))
    return min(found)[-1]


@torch.inference_mode()
def _codes(generator: Generator, batch: Batch, bars: float, seed: int) -> Tensor:
    """Make codes for a batch's conditions."""
    generator.config = replace(generator.config, calibration=Calibration(bars))
    return generator.codes(generator.latent(seed, len(batch.roll)), batch.condition)


@torch.inference_mode()
def _played(generator: Generator, batch: Batch, codes: Tensor, calibration: Calibration) -> Figures:
    """Give the figures of phrases of these codes, played in one way."""
    generator.config = replace(generator.config, calibration=calibration)
    return Figures.of(*generator.played(codes, batch.condition))


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
    focus, steady, holds, seconds, lines = (
        torch.tensor(getattr(habits, name))
        for name in ("focus", "steady", "holds", "seconds", "lines")
    )
    moved["focus"] = (focus + pace * _misses(got, want, "polyphony")).clamp(-1, 1.5)
    moved["steady"] = (steady + 3 * pace * _misses(got, want, "pitch_classes")).clamp(-0.5, 3)
    shorter = torch.log(want.lengths / got.lengths)
    moved["holds"] = (holds + 3 * pace * shorter).clamp(-3, 6)
    carried = torch.log((want.carried + _SELDOM) / (got.carried + _SELDOM)).clamp(-1, 1)
    moved["lines"] = (lines + pace * carried).clamp(-6, 3)
    moved["seconds"] = (seconds - 6 * pace * _misses(got, want, "qualified_notes")).clamp(-6, 6)
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


def _lengths(roll: Tensor, onset: Tensor) -> Tensor:
    """Give the mean length of each pitched track's notes."""
    sums = [[plane[:, :, r.columns].sum() for plane in (roll, onset)] for r in REGISTERS[1:]]
    return torch.tensor([float((cells + 1) / (notes + 1)) for cells, notes in sums])


def _carried(roll: Tensor, onset: Tensor) -> Tensor:
    """Count how often a bar of a pitched track begins in a note of the bar before."""
    goes_on = ((roll > 0) & (onset <= 0))[:, STEPS::STEPS]
    return torch.stack([goes_on[:, :, r.columns].any(-1).float().mean() for r in REGISTERS[1:]])


def _repeats(rhythm: Tensor) -> Tensor:
    """Count how often each voice has the same rhythm in two bars, where it plays at all."""
    same = torch.stack([(rhythm[:, i] == rhythm[:, j]).all(1) for i, j in PAIRS]).float()
    playing = rhythm.any(1).any(1).float()
    return (same * playing).sum(1) / playing.sum(0).clamp(min=1)
