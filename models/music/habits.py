"""How logits become notes in a trained band's hands: what is nearly a repeat is one.

Cell by cell, two bars that are meant alike come out with a hit more here and a note less there:
songs repeat exactly. So bars whose rhythm is nearly the same share it. Of a pitched track they
share when notes start and how many sound at once, and each keeps its own pitches.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from models.music.codec import binarise, spread
from models.music.pianoroll import BARS, CELLS, REGISTERS, STEPS, TRACKS

#: Voices whose bars are compared: every drum, then every pitched track.
VOICES = REGISTERS[0].size + len(REGISTERS) - 1
_SURE = 6.0  # logits beyond say no more
_CHORD = 8  # most notes that a track starts at once
_CHORDS = 2 * BARS  # half bars: how long a harmony lasts
#: Pairs of bars, each with limits of its own: an answer after one bar is not one after two.
PAIRS = tuple(itertools.combinations(range(BARS), 2))


@dataclass(frozen=True)
class Habits:
    """How a version is played, found on its training songs."""

    rows: tuple[float, ...]  # added to the onset logits of each row of the roll
    steps: tuple[tuple[float, ...], ...]  # and of each voice at each step of the bar
    limits: tuple[
        tuple[float, ...], ...
    ]  # by pair: steps bars may differ in and be alike, by voice
    focus: tuple[float, ...]  # by pitched track: how far the strongest pitch stands out (log scale)
    steady: tuple[float, ...]  # how far a harmony's pitches are those of its half bar
    holds: tuple[float, ...]  # added to the logits of notes that go on
    seconds: tuple[float, ...]  # and once more at the second step of a note
    lines: tuple[float, ...]  # and where a note would go on into the next bar

    @classmethod
    def plain(cls) -> Habits:
        """Give habits to begin a search with."""
        none = (0.0,) * (len(REGISTERS) - 1)
        steps, limits = ((0.0,) * STEPS,) * VOICES, ((1.5,) * VOICES,) * len(PAIRS)
        return cls((0.5,) * CELLS, steps, limits, none, none, none, none, none)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Habits:
        """Build from parsed JSON; older ones have one limit for odd distances and one for even."""
        known = dict(data)
        if "limits" not in known:
            odd, even = known.pop("odd"), known.pop("even")
            known["limits"] = [even if (j - i) % 2 == 0 else odd for i, j in PAIRS]
        for name in ("steps", "seconds", "lines"):
            known.setdefault(name, getattr(cls.plain(), name))
        for name in ("steps", "limits"):
            known[name] = [tuple(values) for values in known[name]]
        return cls(**{name: tuple(values) for name, values in known.items()})


@dataclass(frozen=True)
class Calibration:
    """How a finished generator is played; neutral while it is trained."""

    bars: float = 1.0  # strength of the latents of single bars: less makes bars more alike
    starts: tuple[float, ...] = (0.0,) * len(TRACKS)  # added to each track's onset logits
    holds: tuple[float, ...] = (0.0,) * len(TRACKS)  # and to those of notes that go on
    habits: Habits | None = None  # of newer versions: takes the place of both
    styles: Mapping[str, Habits] = field(default_factory=dict)  # and the place of these, by style

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> Calibration:
        """Build from parsed JSON; what is missing is neutral."""
        neutral = cls()
        starts, holds = (tuple(data.get(k, getattr(neutral, k))) for k in ("starts", "holds"))
        habits = data.get("habits")
        return cls(
            data.get("bars", neutral.bars), starts, holds, Habits.read(habits) if habits else None,
            {style: Habits.read(own) for style, own in data.get("styles", {}).items()},
        )  # fmt: skip

    def play(self, starts: Tensor, holds: Tensor, styles: Sequence[str]) -> tuple[Tensor, Tensor]:
        """Turn logits into binary (roll, onset), all [batch, 64, 144]; a style for each phrase."""
        if self.habits is None:
            lifts = (spread(starts.new_tensor([lift])) for lift in (self.starts, self.holds))
            return binarise(*(x + lift for x, lift in zip((starts, holds), lifts, strict=True)))
        roll, onset = torch.empty_like(starts), torch.empty_like(starts)
        for style in set(styles):
            rows = torch.tensor([name == style for name in styles])
            habits = self.styles.get(style, self.habits)
            roll[rows], onset[rows] = play(starts[rows], holds[rows], habits)
        return roll, onset


def play(starts: Tensor, holds: Tensor, habits: Habits) -> tuple[Tensor, Tensor]:
    """Turn logits (onset, sustain) into binary (roll, onset), all [batch, 64, 144]."""
    starts, holds = starts + _lifts(habits).to(starts), holds.clone()
    for number, register in enumerate(REGISTERS[1:]):
        part = starts[:, :, register.columns]
        starts[:, :, register.columns] = _voiced(part, habits.focus[number], habits.steady[number])
        holds[:, :, register.columns] += habits.holds[number]
        holds[:, STEPS::STEPS, register.columns] += habits.lines[number]
    loudest = rhythms(starts).clamp(-_SURE, _SURE)
    alike = _alike(loudest, starts.new_tensor(habits.limits))
    drums = REGISTERS[0]
    shared = torch.einsum("nijv,njsv->nisv", alike[..., : drums.size], loudest[..., : drums.size])
    starts[:, :, drums.columns] = shared.flatten(1, 2)
    for number, register in enumerate(REGISTERS[1:], drums.size):
        part = starts[:, :, register.columns]
        starts[:, :, register.columns] = _shared(part, alike[..., number])
    return binarise(starts, holds + _seconds(starts, habits))


def rhythms(cells: Tensor) -> Tensor:
    """Give each voice's strongest cell of a step: [batch, 64, 144] to [batch, 4, 16, voices]."""
    drums = cells[:, :, REGISTERS[0].columns]
    tones = [cells[:, :, r.columns].amax(-1, keepdim=True) for r in REGISTERS[1:]]
    return torch.cat([drums, *tones], -1).reshape(len(cells), BARS, STEPS, VOICES)


def _lifts(habits: Habits) -> Tensor:
    """Join what is added to rows with what is added to steps: [64, 144]."""
    steps = torch.tensor(habits.steps).T
    drums = REGISTERS[0].size
    by_track = torch.tensor([register.size for register in REGISTERS[1:]])
    tones = steps[:, drums:].repeat_interleave(by_track, 1, output_size=CELLS - drums)
    return torch.cat([steps[:, :drums], tones], 1).repeat(BARS, 1) + torch.tensor(habits.rows)


def _seconds(starts: Tensor, habits: Habits) -> Tensor:
    """Give what is added to a step of each row because a note started there a step before."""
    sizes = torch.tensor([register.size for register in REGISTERS[1:]])
    by_row = starts.new_tensor(habits.seconds).repeat_interleave(sizes)
    lifts = (starts > 0) * nn.functional.pad(by_row, (REGISTERS[0].size, 0))
    return nn.functional.pad(lifts, (0, 0, 1, 0))[:, :-1]


def _voiced(starts: Tensor, focus: float, steady: float) -> Tensor:
    """Move a track's pitches against each other; the strongest of a step keeps its logit."""
    cells = starts.reshape(len(starts), _CHORDS, -1, starts.shape[-1])
    strongest = cells.amax(-1, keepdim=True)
    below, sure = cells - strongest, torch.sigmoid(strongest)
    usual = (below * sure).sum(2, keepdim=True) / sure.sum(2, keepdim=True).clamp(min=1e-3)
    below = below + steady * usual
    below = (below - below.amax(-1, keepdim=True)) * below.new_tensor(focus).exp()
    return (strongest.clamp(-_SURE, _SURE) + below).reshape(starts.shape)


def _alike(rhythm: Tensor, limits: Tensor) -> Tensor:
    """Give each bar's share in each other of its kind: [batch, 4, 4, voices], rows sum to one.

    A bar joins the nearest earlier bar that began a kind and differs by less than the limit.
    """
    chance = torch.sigmoid(rhythm)
    gaps = torch.full_like(chance[:, :, None, 0].expand(-1, -1, BARS, -1), torch.inf)
    for pair, limit in zip(PAIRS, limits, strict=True):
        one, other = (chance[:, place] for place in pair)
        gaps[:, pair[0], pair[1]] = (other - one).abs().sum(1) / limit
    kinds = torch.zeros_like(rhythm[:, :, 0], dtype=torch.long)
    for bar in range(1, BARS):
        nearest, kind = torch.ones_like(gaps[:, 0, 0]), torch.full_like(kinds[:, 0], bar)
        for before in range(bar):
            gap = gaps[:, before, bar]
            joins = (kinds[:, before] == before) & (gap < nearest)
            nearest = torch.where(joins, gap, nearest)
            kind = torch.where(joins, before, kind)
        kinds[:, bar] = kind
    same = (kinds[:, :, None] == kinds[:, None]).float()
    return same / same.sum(2, keepdim=True)


def _shared(starts: Tensor, alike: Tensor) -> Tensor:
    """Let a track's bars that are alike have as many notes at each step, each its own pitches."""
    cells = starts.reshape(len(starts), BARS, STEPS, -1)
    ranked, pitches = cells.topk(_CHORD, -1)
    ranked = torch.einsum("nij,njsr->nisr", alike, ranked.clamp(min=-_SURE - 2))
    empty = torch.full_like(cells, -20.0)
    return empty.scatter(-1, pitches, ranked).reshape(starts.shape)
