"""Where requests meet an engine: one desk a family, between the event loop and the model's threads.

A desk takes a request, answers at once with a stream of events, and gives the work up when the
stream is cancelled. Everything public is called on the event loop; ``load`` is called in a thread.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Protocol

from models.contract import (
    BeatRequest,
    BeatTake,
    EngineHealth,
    EssayDelta,
    EssayDone,
    EssayEvent,
    EssayPlan,
    EssayRequest,
    Family,
    ModelInfo,
    Problem,
    Progress,
)
from models.essay.engine import EngineBusy
from models.music.encoding import EncodingError
from models.registry import Version

log = logging.getLogger(__name__)

Event = Progress | EssayPlan | EssayDelta | EssayDone | BeatTake | Problem

BROKEN = "Something broke while this was being made; another try may work."
STOPPING = "The model service is stopping."


class Full(Exception):
    """No request can be taken now; ``retry_after`` is in seconds."""

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class EssayTicket(Protocol):
    """One submitted essay."""

    def cancel(self) -> None:
        """Free the slot at the next step."""


class EssayModel(Protocol):
    """What the essay desk needs of an engine; see ``models.essay.engine``."""

    def load(self, version: Version) -> None:
        """Load a version beside the present one and swap between steps."""

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

    def info(self) -> ModelInfo:
        """Describe the version that new essays get."""


class BeatModel(Protocol):
    """What the beat desk needs of a studio; see ``models.music.studio``."""

    def load(self, version: Version) -> None:
        """Swap the version that new beats are made with."""

    def make(
        self,
        request: BeatRequest,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> BeatTake:
        """Make a beat; blocks, safe in several threads."""

    def info(self) -> ModelInfo:
        """Describe the version that new beats get."""


class Stream:
    """The events of one request, handed from a model's thread to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ended = False
        self.cancelled = threading.Event()
        self.on_cancel: Callable[[], object] = lambda: None

    def put(self, event: Event) -> None:
        """Append an event; safe from any thread, also after the service has stopped."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the loop has closed: nobody listens any more
            log.debug("event after the end: %s", type(event).__name__)

    def cancel(self) -> None:
        """Give the work up; harmless when it has ended."""
        if not self._ended and not self.cancelled.is_set():
            self.cancelled.set()
            self.on_cancel()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        if self._ended:
            raise StopAsyncIteration
        event = await self._events.get()
        self._ended = isinstance(event, EssayDone | BeatTake | Problem)
        return event


class EssayDesk:
    """Essays: the engine has its own thread and queue, so this only carries events."""

    family = Family.ESSAY

    def __init__(self, engine: EssayModel) -> None:
        self._engine = engine
        self._started = False

    def load(self, version: Version) -> None:
        """Load beside what runs, then swap; start the engine with its first version."""
        self._engine.load(version)
        if not self._started:
            self._engine.start()
            self._started = True

    def open(self, request: EssayRequest) -> Stream:
        """Queue an essay; raise Full."""
        stream = Stream()
        try:
            ticket = self._engine.submit(request, stream.put)
        except EngineBusy as busy:
            raise Full("Too many essays are waiting at the moment.", busy.retry_after) from busy
        stream.on_cancel = ticket.cancel
        return stream

    def info(self) -> ModelInfo:
        """Describe the version that new essays get."""
        return self._engine.info()

    def health(self) -> EngineHealth:
        """Say whether the engine moves."""
        return self._engine.health()

    def stop(self) -> None:
        """End the engine's thread."""
        if self._started:
            self._engine.stop()


class BeatDesk:
    """Beats: blocking work in a few threads, with a queue before them that has an end."""

    family = Family.MUSIC

    def __init__(self, studio: BeatModel, *, threads: int = 2, queue_limit: int = 16) -> None:
        self._studio = studio
        self._threads = threads
        self._limit = threads + queue_limit
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="beat")
        self._waiting: list[Stream] = []
        self._active: set[Stream] = set()
        self._moved = time.monotonic()
        self._seconds = 5.0  # of one beat, a running mean
        self._rate: float | None = None
        self._stopped = False

    def load(self, version: Version) -> None:
        """Swap the version that new beats are made with."""
        self._studio.load(version)

    def open(self, request: BeatRequest) -> Stream:
        """Queue a beat; raise Full."""
        if self._stopped:
            raise Full(STOPPING, 5.0)
        if len(self._waiting) + len(self._active) >= self._limit:
            wait = self._seconds * (len(self._waiting) + 1) / self._threads
            raise Full("Too many beats are waiting at the moment.", round(max(1.0, wait), 1))
        stream = Stream()
        self._waiting.append(stream)
        if self._busy():
            self._announce()
        loop = asyncio.get_running_loop()
        job = self._pool.submit(self._work, loop, stream, request)
        job.add_done_callback(lambda done: _soon(loop, self._leave, stream, done))
        stream.on_cancel = job.cancel  # a job that has not begun never begins
        return stream

    def info(self) -> ModelInfo:
        """Describe the version that new beats get."""
        return self._studio.info().model_copy(update={"in_flight": len(self._active)})

    def health(self) -> EngineHealth:
        """Say how long ago a beat last came a step further."""
        return EngineHealth(
            family=self.family,
            ok=not self._stopped,
            active=len(self._active),
            waiting=len(self._waiting),
            idle_seconds=time.monotonic() - self._moved,
            rate=self._rate,
        )

    def stop(self) -> None:
        """Give everything up; threads end at their next step."""
        self._stopped = True
        for stream in [*self._waiting, *self._active]:
            stream.put(Problem(sentence=STOPPING))
            stream.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(
        self, loop: asyncio.AbstractEventLoop, stream: Stream, request: BeatRequest
    ) -> BeatTake | None:
        """Make one beat; runs in a thread of the pool."""
        if stream.cancelled.is_set():
            return None
        _soon(loop, self._begin, stream)

        def report(progress: Progress) -> None:
            self._moved = time.monotonic()
            stream.put(progress)

        return self._studio.make(request, report, stream.cancelled.is_set)

    def _begin(self, stream: Stream) -> None:
        self._moved = time.monotonic()
        if stream in self._waiting:
            self._waiting.remove(stream)
            self._active.add(stream)
            self._announce()

    def _leave(self, stream: Stream, job: Future[BeatTake | None]) -> None:
        """Take a job off the books and send its last event."""
        self._moved = time.monotonic()
        if stream in self._waiting:
            self._waiting.remove(stream)
        self._active.discard(stream)
        if stream.cancelled.is_set() or job.cancelled():
            return
        error = job.exception()
        if isinstance(error, EncodingError | ValueError):  # the wish itself cannot be met
            stream.put(Problem(sentence=str(error), again=False))
        elif error is not None:
            log.error("a beat failed", exc_info=error)
            stream.put(Problem(sentence=BROKEN))
        elif (take := job.result()) is not None:
            self._seconds += 0.2 * (take.seconds - self._seconds)
            self._rate = take.bars / max(take.seconds, 1e-3)
            stream.put(take)

    def _busy(self) -> bool:
        return len(self._active) + len(self._waiting) > self._threads

    def _announce(self) -> None:
        """Tell everyone who waits how many are before them."""
        for ahead, stream in enumerate(self._waiting):
            stream.put(Progress(stage="queued", done=0.0, ahead=ahead))


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *values: object) -> None:
    """Call on the event loop from a thread; do nothing once the loop has closed."""
    try:
        loop.call_soon_threadsafe(lambda: call(*values))
    except RuntimeError:
        log.debug("a beat ended after the service")
