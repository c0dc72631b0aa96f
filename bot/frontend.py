"""What the worker tells a person through: one implementation a place that requests come from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from bot.store.shapes import Artifact, Outcome, Request
from models.contract import AlbumTake, BeatTake, EssayDone, Progress

__all__ = ["Artifact", "FrontEnd", "Result", "Undeliverable"]


@dataclass(frozen=True)
class Result:
    """What was made: exactly one of ``essay``, ``take`` and ``album``, and the files.

    What takes hold as base64 is stripped; the artifacts hold it.
    """

    essay: EssayDone | None
    take: BeatTake | None
    artifacts: tuple[Artifact, ...]
    album: AlbumTake | None = None

    @property
    def outcome(self) -> Outcome:
        """Whatever was made."""
        made = self.essay or self.take or self.album
        assert made is not None
        return made


class Undeliverable(Exception):
    """There is nowhere left to answer; the request becomes "expired" and can be shown later."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class FrontEnd(Protocol):
    """The voice back to one kind of place.

    Every call but ``deliver`` may be repeated, delayed or dropped: the implementation throttles,
    and an exception from it is logged and does not disturb the request. A call may come while an
    earlier one about the same request is under way: the implementation shows them in their order,
    and nothing older after the end. ``deliver`` comes again after a crash between posting and
    committing, so it must edit the same message.
    ``sentence`` is often a :class:`bot.sentences.Sentence`, which can be said in other languages.
    """

    async def queued(self, request: Request, place: int, eta: float | None) -> None:
        """Say how many are before it (0: next) and in how many seconds it should be ready."""

    async def started(self, request: Request) -> None:
        """Say that work on it has begun, perhaps again."""

    async def progress(self, request: Request, progress: Progress) -> None:
        """Say how far it is."""

    async def text(self, request: Request, so_far: str) -> None:
        """Show the whole text so far; comes with every piece."""

    async def deliver(self, request: Request, result: Result) -> int | None:
        """Show the result; return the message's id; raise Undeliverable."""

    async def failed(self, request: Request, sentence: str, *, refused: bool = False) -> None:
        """Say in one sentence why there is no result; ``refused``: and why there never will be."""

    async def cancelled(self, request: Request) -> None:
        """Say that it was stopped as asked."""
