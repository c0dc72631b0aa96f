"""One essay at its place in the table: its voices, its candidates, what is to be fed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from models.essay.parts import Candidate, Fed
from models.essay.writer import Draft


class BrokenStep(Exception):
    """The model gave no usable numbers for an essay."""


@dataclass
class Voice:
    """One voice of an essay: its rows and what its anchor is still to be fed."""

    bare: bool
    anchor: int
    rows: list[int]
    feed: list[Fed] = field(default_factory=list)


@dataclass
class Seat:
    """One essay at its place in the table."""

    slot: int
    draft: Draft
    voices: list[Voice]
    felt: dict[tuple[bool, int, int, bool], int] = field(default_factory=dict)
    candidates: Sequence[Candidate] = ()
    luck: np.ndarray | None = None  # (candidates, steps)
    temperature: float = 0.0
    late: int = 0  # steps since half of the candidates were done
    fresh: bool = False  # the candidates start from the anchor at the next draw
    failed: Exception | None = None

    @property
    def working(self) -> list[int]:
        """List the candidates still being drawn."""
        return [n for n, candidate in enumerate(self.candidates) if not candidate.done]

    @property
    def behind(self) -> bool:
        """Tell whether anchors have several tokens to take in."""
        return any(len(voice.feed) > 1 for voice in self.voices)

    @property
    def feeding(self) -> bool:
        """Tell whether anchors have more to take in before drawing begins."""
        return any(voice.feed for voice in self.voices)

    def row(self, voice: int, n: int) -> int:
        """Find the row whose numbers candidate ``n`` goes on from."""
        return self.voices[voice].anchor if self.fresh else self.voices[voice].rows[n]

    def chance(self, n: int) -> float:
        """Give the luck of a candidate's next token."""
        return 0.5 if self.luck is None else float(self.luck[n, len(self.candidates[n].tokens)])

    def take(self, n: int, token: int, logp: float, gain: float, *, strained: bool) -> None:
        """Hand a drawn token to a candidate."""
        if not math.isfinite(logp):
            raise BrokenStep(f"no usable numbers for token {token}")
        candidate = self.candidates[n]
        if candidate.done:  # it was stuck: nothing was left to draw
            return
        candidate.take(token, logp, gain, strained=strained)
        if self.luck is not None and len(candidate.tokens) >= self.luck.shape[1]:
            candidate.give_up()

    def hurry(self, patience: int) -> None:
        """Give slow candidates up once most others have long been done."""
        working = self.working
        if 0 < len(working) <= len(self.candidates) // 2:
            self.late += 1
            if self.late > patience:
                for n in working:
                    self.candidates[n].give_up()
