"""Continuous batching: one thread steps all essays together; they join and leave at any step."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass

import torch

from models.contract import (
    EngineHealth,
    EssayEvent,
    EssayRequest,
    Family,
    ModelInfo,
    Problem,
    Progress,
)
from models.essay.decoding import Decoding
from models.essay.loading import Loaded, load_version
from models.essay.pace import Pace
from models.essay.parts import Part
from models.essay.pulse import Pulse
from models.essay.seat import Seat
from models.essay.table import Table
from models.essay.tickets import EngineBusy, EngineEmpty, Ticket
from models.essay.writer import Draft
from models.registry import Version

log = logging.getLogger(__name__)

CATCH_UP = 16  # tokens of a prefix or an opening fed at most between two common steps
PATIENCE = 1.0  # seconds the thread sleeps at most when there is nothing to do

NOTHING = "No essay model was loaded yet."
FAILED = "Something went wrong while this essay was written."
STOPPED = "The writer was shut down before this essay was finished."


@dataclass
class _Work:
    """One essay in progress."""

    ticket: Ticket
    table: Table
    seat: Seat
    parts: Generator[Part, None, None]
    begun: float


class EssayEngine:
    """Holds versions and writes for any number of callers; every method is thread-safe."""

    def __init__(
        self,
        *,
        device: str = "auto",
        slots: int = 32,
        queue_limit: int = 64,
        decoding: Decoding | None = None,
    ) -> None:
        """Choose a device; ``decoding`` overrides what the versions themselves say."""
        if device == "auto":
            device = "cuda" if torch.cuda.is_available() else "cpu"
        self._device = torch.device(device)
        self._slots = slots
        self._queue_limit = queue_limit
        self._decoding = decoding
        self._gate = threading.Condition()
        self._queue: deque[Ticket] = deque()
        self._works: list[_Work] = []
        self._held: dict[str, Loaded] = {}
        self._live: Loaded | None = None
        self._thread: threading.Thread | None = None
        self._stopping = False
        self._moved = time.monotonic()
        self._pace = Pace()
        self._pulse = Pulse()

    # ---- versions --------------------------------------------------------------------------

    def hold(self, version: Version) -> int:
        """Load a version beside the others and warm it; give the bytes it takes."""
        loaded = load_version(version, self._device, self._slots, self._decoding)
        with self._gate:
            self._held[version.name] = loaded
        return loaded.size

    def promote(self, name: str) -> None:
        """Give a version that is held to the essays that ask for none."""
        with self._gate:
            self._live = self._held[name]
            self._gate.notify_all()

    def drop(self, name: str) -> None:
        """Let a version go; its memory is freed after its last essay."""
        with self._gate:
            self._held.pop(name, None)

    def load(self, version: Version) -> None:
        """Hold a version in the place of the live one, which leaves.

        Essays in progress end on the version they began with.
        """
        self.hold(version)
        before = self._live
        self.promote(version.name)
        if before is not None and before.info.version != version.name:
            self.drop(before.info.version)

    def stall(self, since: float) -> float | None:
        """Tell by how many seconds the slowest step since a moment was longer than usual ones."""
        with self._gate:
            return self._pulse.stall(since)

    # ---- the outside -----------------------------------------------------------------------

    def start(self) -> None:
        """Start the thread; does nothing when it runs."""
        with self._gate:
            if self._thread is not None and self._thread.is_alive():
                return
            self._stopping = False
            self._moved = time.monotonic()
            self._thread = threading.Thread(target=self._run, name="essay-engine", daemon=True)
            self._thread.start()

    def stop(self, timeout: float = 10) -> None:
        """End the thread; essays not finished get a Problem."""
        with self._gate:
            self._stopping = True
            self._gate.notify_all()
            thread = self._thread
        if thread is not None:
            thread.join(timeout)

    def submit(self, request: EssayRequest, emit: Callable[[EssayEvent | Problem], None]) -> Ticket:
        """Queue an essay; raise EngineBusy when the queue is full.

        A version is asked for by its name, and held; without one the live version writes.
        ``emit`` gets Progress, EssayPlan, EssayDelta ... and at last one EssayDone or Problem,
        from the engine's thread.
        """
        with self._gate:
            table = self._asked(request.version)
            waiting = [t for t in self._queue if not t.cancelled]
            if len(waiting) + len(self._works) >= self._queue_limit + self._slots:
                before = waiting[: len(waiting) // 2 + 1]
                raise EngineBusy(self._pace.wait(sum(t.request.words for t in before)))
            ticket = Ticket(request, emit, time.monotonic(), table)
            ahead = max(0, len(waiting) + len(self._works) + 1 - self._slots)
            if not self._busy():
                self._moved = time.monotonic()
            self._queue.append(ticket)
            ticket.send(Progress(stage="queued", done=0.0, ahead=ahead))
            self._gate.notify_all()
        return ticket

    def info(self, name: str | None = None) -> ModelInfo:
        """Describe a version that is held, or the live one."""
        with self._gate:
            loaded = self._held.get(name) if name is not None else self._live
            if loaded is None:
                raise EngineEmpty(NOTHING)
            works = sum(work.table is loaded.table for work in self._works)
            return loaded.info.model_copy(update={"in_flight": works})

    def health(self) -> EngineHealth:
        """Say whether the engine moves; it is idle for no time when there is nothing to do."""
        with self._gate:
            alive = self._thread is not None and self._thread.is_alive()
            return EngineHealth(
                family=Family.ESSAY,
                ok=alive,
                active=len(self._works),
                waiting=len(self._queue),
                idle_seconds=time.monotonic() - self._moved if self._busy() else 0.0,
                rate=self._pace.rate(),
            )

    def _asked(self, name: str | None) -> Table | None:
        """Find the table that an essay is bound to; None leaves it to whichever is live then."""
        if self._live is None or (name is not None and name not in self._held):
            raise EngineEmpty(NOTHING if name is None else f"No essay model {name} is held.")
        return self._held[name].table if name is not None else None

    def _busy(self) -> bool:
        return bool(self._works or self._queue)

    # ---- the thread ------------------------------------------------------------------------

    def _run(self) -> None:
        while True:
            with self._gate:
                while not self._busy() and not self._stopping:
                    self._gate.wait(PATIENCE)
                if self._stopping:
                    break
            try:
                self._turn()
            except Exception:  # nothing may end this thread: other essays live here
                log.exception("a turn of the essay engine failed")
                self._abandon(FAILED)
        self._abandon(STOPPED)

    def _turn(self) -> None:
        """Let essays leave and join, then step every version's table once."""
        self._dismiss()
        self._admit()
        tables = {id(work.table): work.table for work in self._works}
        for table in tables.values():
            self._step(table)
        with self._gate:
            self._moved = time.monotonic()
            self._pulse.beat(self._moved, resting=not self._works)

    def _dismiss(self) -> None:
        for work in [w for w in self._works if w.ticket.cancelled]:
            self._retire(work)

    def _admit(self) -> None:
        """Move waiting essays into free slots."""
        while True:
            with self._gate:
                if self._live is None or not self._queue or len(self._works) >= self._slots:
                    return
                ticket = self._queue.popleft()
                table = ticket.table or self._live.table
                waiting = list(self._queue)
            if not ticket.cancelled:
                self._seat(ticket, table)
                for ahead, other in enumerate(waiting, start=1):
                    other.send(Progress(stage="queued", done=0.0, ahead=ahead))

    def _seat(self, ticket: Ticket, table: Table) -> None:
        try:
            draft = Draft(ticket.request, table.tools, ticket.send)
            work = _Work(ticket, table, table.sit(draft), draft.parts(), time.monotonic())
        except Exception:
            log.exception("essay %s could not begin", ticket.request.request_id)
            ticket.send(Problem(sentence=FAILED))
            return
        with self._gate:
            self._works.append(work)
        self._resume(work)

    def _step(self, table: Table) -> None:
        works = [w for w in self._works if w.table is table]
        self._catch_up(table, works)
        self._guarded(table.advance, [w for w in works if w.seat.failed is None])
        self._guarded(table.draw, [w for w in works if w.seat.failed is None])
        for work in works:
            if work.seat.failed is not None:
                self._fail(work, work.seat.failed)
            elif not work.seat.feeding and not work.seat.working:
                self._resume(work)

    def _catch_up(self, table: Table, works: Sequence[_Work]) -> None:
        """Feed what is long in small steps, so that nobody waits for the others at every token."""
        for _ in range(CATCH_UP):
            behind = [w for w in works if w.seat.behind and w.seat.failed is None]
            if not behind:
                return
            self._guarded(table.advance, behind)

    def _guarded(self, act: Callable[[Sequence[Seat]], None], works: Sequence[_Work]) -> None:
        """Act on all essays at once; if that fails, on each alone, so that only the sick suffer."""
        try:
            act([work.seat for work in works])
        except Exception:
            for work in works:
                try:
                    act([work.seat])
                except Exception as error:
                    work.seat.failed = error

    def _resume(self, work: _Work) -> None:
        """Let an essay judge what was drawn and say what comes next."""
        draft = work.seat.draft
        before = draft.tokens
        try:
            part = next(work.parts)
        except StopIteration:
            self._finish(work)
        except Exception as error:
            self._fail(work, error)
        else:
            work.table.begin(work.seat, part)
        if draft.tokens > before:
            with self._gate:
                self._pace.count(draft.tokens - before)

    def _finish(self, work: _Work) -> None:
        seconds = time.monotonic() - work.ticket.submitted
        work.ticket.send(work.seat.draft.done(seconds))
        self._retire(work)

    def _fail(self, work: _Work, error: Exception) -> None:
        log.error("essay %s failed", work.ticket.request.request_id, exc_info=error)
        work.ticket.send(Problem(sentence=FAILED))
        self._retire(work)

    def _retire(self, work: _Work) -> None:
        work.ticket.over = True
        work.parts.close()
        work.table.leave(work.seat)
        with self._gate:
            self._works.remove(work)

    def _abandon(self, sentence: str) -> None:
        """Tell everyone, in work or waiting, that nothing more will come."""
        for work in list(self._works):
            work.ticket.send(Problem(sentence=sentence))
            self._retire(work)
        with self._gate:
            waiting, self._queue = list(self._queue), deque()
        for ticket in waiting:
            ticket.send(Problem(sentence=sentence))
            ticket.over = True
