"""What a draft asks of whoever steps the model: parts, what is fed, and what is drawn."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Candidate(Protocol):
    """Something drawn token by token."""

    tokens: list[int]
    done: bool

    @property
    def written(self) -> int: ...  # noqa: D102

    @property
    def mask(self) -> int: ...  # noqa: D102

    def favoured(self) -> dict[int, float]: ...  # noqa: D102

    def forbidden(self) -> list[int]: ...  # noqa: D102

    def accepts(self, token: int) -> bool: ...  # noqa: D102

    def take(  # noqa: D102
        self, token: int, logp: float, gain: float, *, strained: bool = False
    ) -> None: ...

    def give_up(self) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class Fed:
    """A token to feed, and where in the essay it stands."""

    token: int
    paragraph: int  # -1 in the prefix
    left: int  # words still to come


@dataclass(frozen=True)
class Part:
    """What to feed, and what to draw from there."""

    candidates: Sequence[Candidate]
    steps: int
    temperature: float
    feed: tuple[Fed, ...] = ()  # empty: draw again from where the last part began
    feed_bare: tuple[Fed, ...] = ()  # for the voice without a topic
    bare_anew: bool = False  # whether that voice forgets everything first
    kept: int | None = None  # the candidate of the last part that goes on
