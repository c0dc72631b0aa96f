"""Where requests meet an engine: one desk a family, between the event loop and the model's threads.

A desk takes a request, answers at once with a stream of events, and gives the work up when the
stream is cancelled. Everything public is called on the event loop; ``load`` is called in a thread.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from typing import Protocol

from models.contract import (
    WORDS_MAX,
    AlbumRequest,
    AlbumTake,
    BeatRequest,
    BeatTake,
    EngineHealth,
    EssayEvent,
    EssayPlan,
    EssayRequest,
    Family,
    ModelInfo,
    Problem,
    Progress,
)
from models.essay.tickets import EngineBusy
from models.pool import Pool, Take
from models.registry import Version
from models.streams import BROKEN, STOPPING, Event, Full, Stream

__all__ = [
    "BROKEN",
    "STOPPING",
    "BeatDesk",
    "BeatModel",
    "EssayDesk",
    "EssayModel",
    "EssayTicket",
    "Event",
    "Full",
    "Stream",
]

#: How long an album waits for the essay engine to think of words, in seconds.
PATIENCE = 30.0
#: Albums make way for beats: by so much are their threads nicer.
ALBUM_NICENESS = 5

Cancelled = Callable[[], bool]
#: Names the tracks of a record: gets the style it is played in and what says whether to stop.
Namer = Callable[[str, Cancelled], Sequence[str]]


class EssayTicket(Protocol):
    """One submitted essay."""

    def cancel(self) -> None:
        """Free the slot at the next step."""


class EssayModel(Protocol):
    """What the essay desk needs of an engine; see ``models.essay.engine``."""

    def hold(self, version: Version) -> int:
        """Load a version beside the others; give its bytes."""

    def promote(self, name: str) -> None:
        """Give a version that is held to the essays that ask for none."""

    def drop(self, name: str) -> None:
        """Let a version go."""

    def stall(self, since: float) -> float | None:
        """Tell how long the slowest step since a moment took beyond the usual one."""

    def start(self) -> None:
        """Start the engine's thread."""

    def stop(self, timeout: float = 10) -> None:
        """End the engine's thread."""

    def submit(
        self, request: EssayRequest, emit: Callable[[EssayEvent | Problem], None]
    ) -> EssayTicket:
        """Queue an essay; events come from the engine's thread. Raise EngineBusy."""

    def health(self) -> EngineHealth:
        """Say how long ago the engine last stepped."""

    def info(self, name: str | None = None) -> ModelInfo:
        """Describe a version that is held, or the one that new essays get."""


class BeatModel(Protocol):
    """What the beat desk needs of a studio; see ``models.music.studio``."""

    def hold(self, version: Version) -> int:
        """Load a version beside the others; give its bytes."""

    def promote(self, name: str) -> None:
        """Give a version that is held to the beats that ask for none."""

    def drop(self, name: str) -> None:
        """Let a version go."""

    def make(
        self,
        request: BeatRequest,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> BeatTake:
        """Make a beat; blocks, safe in several threads."""

    def press(
        self,
        request: AlbumRequest,
        namer: Namer,
        report: Callable[[Progress], None],
        cancelled: Cancelled,
    ) -> AlbumTake:
        """Make a record, track by track; blocks."""

    def info(self, name: str | None = None) -> ModelInfo:
        """Describe a version that is held, or the one that new beats get."""


class EssayDesk:
    """Essays: the engine has its own thread and queue, so this only carries events."""

    family = Family.ESSAY

    def __init__(self, engine: EssayModel) -> None:
        self._engine = engine
        self._started = False

    def hold(self, version: Version) -> int:
        """Load a version beside what runs; give its bytes."""
        return self._engine.hold(version)

    def promote(self, name: str) -> None:
        """Swap between two steps; start the engine with its first version."""
        self._engine.promote(name)
        if not self._started:
            self._engine.start()
            self._started = True

    def drop(self, name: str) -> None:
        """Let a version go; essays in progress keep theirs."""
        self._engine.drop(name)

    def stall(self, since: float) -> float | None:
        """Tell how long the slowest step since a moment took beyond the usual one."""
        return self._engine.stall(since)

    def open(self, request: EssayRequest, stream: Stream | None = None) -> Stream:
        """Queue an essay, whose events go to ``stream`` where one waits; raise Full."""
        stream = stream or Stream()
        try:
            ticket = self._engine.submit(request, stream.put)
        except EngineBusy as busy:
            raise Full("Too many essays are waiting at the moment.", busy.retry_after) from busy
        stream.on_cancel = ticket.cancel
        return stream

    def outline(self, topic: str, seed: int, cancelled: Cancelled) -> EssayPlan | None:
        """Think of words around a topic, without writing; None when none came in time.

        Blocks, and is called from a model's thread.
        """
        events: queue.Queue[EssayEvent | Problem] = queue.Queue()
        request = EssayRequest(
            request_id=f"outline-{seed}", topic=topic, words=WORDS_MAX, seed=seed
        )
        deadline = time.monotonic() + PATIENCE
        ticket: EssayTicket | None = None
        try:
            while time.monotonic() < deadline and not cancelled():
                try:
                    ticket = ticket or self._engine.submit(request, events.put)
                    event = events.get(timeout=0.1)
                except (EngineBusy, queue.Empty):
                    time.sleep(0.05)
                    continue
                if isinstance(event, EssayPlan):
                    return event
                if isinstance(event, Problem):
                    return None
        finally:
            if ticket is not None:
                ticket.cancel()
        return None

    def info(self, name: str | None = None) -> ModelInfo:
        """Describe a version that is held, or the one that new essays get."""
        return self._engine.info(name)

    def health(self) -> EngineHealth:
        """Say whether the engine moves."""
        return self._engine.health()

    def stop(self) -> None:
        """End the engine's thread."""
        if self._started:
            self._engine.stop()


class BeatDesk:
    """Beats and records: blocking work in threads; a record never holds a beat up.

    Records have one thread of their own, nicer than those of the beats, and wait only for each
    other.
    """

    family = Family.MUSIC

    def __init__(
        self,
        studio: BeatModel,
        *,
        threads: int = 2,
        queue_limit: int = 16,
        album_limit: int = 4,
    ) -> None:
        self._studio = studio
        self._beats = Pool("beat", threads=threads, queue_limit=queue_limit, guess=5.0)
        self._albums = Pool(
            "album", threads=1, queue_limit=album_limit, guess=45.0, niceness=ALBUM_NICENESS
        )
        self._rate: float | None = None

    def hold(self, version: Version) -> int:
        """Load a version beside the others; give its bytes."""
        return self._studio.hold(version)

    def promote(self, name: str) -> None:
        """Swap the version that new beats are made with."""
        self._studio.promote(name)

    def drop(self, name: str) -> None:
        """Let a version go; beats in progress keep theirs."""
        self._studio.drop(name)

    def stall(self, since: float) -> float | None:
        """Have no step that could stall: beats share nothing."""
        return None

    def open(self, request: BeatRequest, stream: Stream | None = None) -> Stream:
        """Queue a beat, whose events go to ``stream`` where one waits; raise Full."""
        return self._beats.open(
            lambda report, cancelled: self._studio.make(request, report, cancelled),
            self._measure,
            stream,
        )

    def album(self, request: AlbumRequest, namer: Namer, stream: Stream | None = None) -> Stream:
        """Queue a record, whose events go to ``stream`` where one waits; raise Full."""
        return self._albums.open(
            lambda report, cancelled: self._studio.press(request, namer, report, cancelled),
            stream=stream,
        )

    def info(self, name: str | None = None) -> ModelInfo:
        """Describe a version that is held, or the one that new beats get."""
        return self._studio.info(name)

    def health(self) -> EngineHealth:
        """Say how long ago the work that moves least last came a step further."""
        pools = (self._beats, self._albums)
        moved = [pool.moved for pool in pools if pool.active or pool.waiting]
        return EngineHealth(
            family=self.family,
            ok=not self._beats.stopped,
            active=sum(len(pool.active) for pool in pools),
            waiting=sum(len(pool.waiting) for pool in pools),
            idle_seconds=time.monotonic() - min(moved, default=self._beats.moved),
            rate=self._rate,
        )

    def stop(self) -> None:
        """Give everything up; threads end at their next step."""
        self._beats.stop()
        self._albums.stop()

    def _measure(self, take: Take) -> None:
        if isinstance(take, BeatTake):
            self._rate = take.bars / max(take.seconds, 1e-3)
