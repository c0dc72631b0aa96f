"""Blocking work in a few threads, with a queue before them that has an end.

Everything public is called on the event loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from models.contract import AlbumTake, BeatTake, Problem, Progress
from models.cores import keep_to_one
from models.memory import give_back
from models.music.encoding import EncodingError
from models.streams import BROKEN, STOPPING, Full, Stream

log = logging.getLogger(__name__)

Take = BeatTake | AlbumTake
#: No thread is nicer than this.
NICEST = 19
#: Makes one take: gets what reports progress and what says whether to stop.
Work = Callable[[Callable[[Progress], None], Callable[[], bool]], Take]


class Pool:
    """Takes work in turn; who waits hears how many are before them."""

    def __init__(
        self, name: str, *, threads: int, queue_limit: int, guess: float, niceness: int = 0
    ) -> None:
        """Name the work in the plural; ``guess`` is how long one piece takes, in seconds."""
        self.name = name
        self.active: set[Stream] = set()
        self.waiting: list[Stream] = []
        self.moved = time.monotonic()
        self._threads = threads
        self._limit = threads + queue_limit
        self._seconds = guess  # of one piece of work, a running mean
        self._stopped = False
        self._pool = ThreadPoolExecutor(
            threads, thread_name_prefix=name, initializer=_begin, initargs=(niceness,)
        )

    @property
    def stopped(self) -> bool:
        """Whether nothing is taken any more."""
        return self._stopped

    def open(
        self,
        work: Work,
        ended: Callable[[Take], None] = lambda take: None,
        stream: Stream | None = None,
    ) -> Stream:
        """Queue work, whose events go to ``stream`` where one waits; raise Full.

        ``ended`` hears of the take on the event loop.
        """
        if self._stopped:
            raise Full(STOPPING, 5.0)
        if len(self.waiting) + len(self.active) >= self._limit:
            wait = self._seconds * (len(self.waiting) + 1) / self._threads
            sentence = f"Too many {self.name}s are waiting at the moment."
            raise Full(sentence, round(max(1.0, wait), 1))
        stream = stream or Stream()
        self.waiting.append(stream)
        if len(self.active) + len(self.waiting) > self._threads:
            self._announce()
        loop = asyncio.get_running_loop()
        job = self._pool.submit(self._work, loop, stream, work)
        job.add_done_callback(lambda done: _soon(loop, self._leave, stream, done, ended))
        stream.on_cancel = job.cancel  # a job that has not begun never begins
        return stream

    def stop(self) -> None:
        """Give everything up; threads end at their next step."""
        self._stopped = True
        for stream in [*self.waiting, *self.active]:
            stream.put(Problem(sentence=STOPPING))
            stream.cancel()
        self._pool.shutdown(wait=False, cancel_futures=True)

    def _work(self, loop: asyncio.AbstractEventLoop, stream: Stream, work: Work) -> Take | None:
        """Do one piece of work; runs in a thread of the pool."""
        if stream.cancelled.is_set():
            return None
        _soon(loop, self._begin, stream)

        def report(progress: Progress) -> None:
            self.moved = time.monotonic()
            stream.put(progress)

        def cancelled() -> bool:
            self.moved = time.monotonic()  # long steps ask this on their way
            return stream.cancelled.is_set()

        try:
            return work(report, cancelled)
        finally:
            if not self.waiting:  # the next one would only fetch it back
                give_back()

    def _begin(self, stream: Stream) -> None:
        self.moved = time.monotonic()
        if stream in self.waiting:
            self.waiting.remove(stream)
            self.active.add(stream)
            self._announce()

    def _leave(
        self, stream: Stream, job: Future[Take | None], ended: Callable[[Take], None]
    ) -> None:
        """Take a job off the books and send its last event."""
        self.moved = time.monotonic()
        if stream in self.waiting:
            self.waiting.remove(stream)
        self.active.discard(stream)
        if stream.cancelled.is_set() or job.cancelled():
            return
        error = job.exception()
        if isinstance(error, EncodingError | ValueError):  # the wish itself cannot be met
            stream.put(Problem(sentence=str(error), again=False))
        elif error is not None:
            log.error("one of the %ss failed", self.name, exc_info=error)
            stream.put(Problem(sentence=BROKEN))
        elif (take := job.result()) is not None:
            self._seconds += 0.2 * (take.seconds - self._seconds)
            ended(take)
            stream.put(take)

    def _announce(self) -> None:
        """Tell everyone who waits how many are before them."""
        for ahead, stream in enumerate(self.waiting):
            stream.put(Progress(stage="queued", done=0.0, ahead=ahead))


def _begin(niceness: int) -> None:
    keep_to_one()
    step_back(niceness)


def step_back(niceness: int) -> None:
    """Let other threads go first; threads and encoders that this one starts inherit it."""
    if niceness and sys.platform == "linux":  # elsewhere a thread's number may be a process's
        thread = threading.get_native_id()
        present = os.getpriority(os.PRIO_PROCESS, thread)  # the whole service may be nice already
        os.setpriority(os.PRIO_PROCESS, thread, min(NICEST, present + niceness))


def _soon(loop: asyncio.AbstractEventLoop, call: Callable[..., None], *values: object) -> None:
    """Call on the event loop from a thread; do nothing once the loop has closed."""
    try:
        loop.call_soon_threadsafe(lambda: call(*values))
    except RuntimeError:
        log.debug("a piece of work ended after the service")
