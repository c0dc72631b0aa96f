"""The watch over one training child: what it reports is carried on, and it is made to end."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

from bot.store import Store
from bot.store.shapes import Run
from bot.training_process import TrainingProcess

#: Evaluation and the gate come on top of the minutes asked for.
OVERTIME_SECONDS = 30 * 60.0
#: The phase in which recordings become MIDI, before the minutes asked for begin.
HEARING = "transcribe"


@dataclass(frozen=True)
class Pace:
    """How often a child is looked at and shown, and how long it may take to stop, in seconds."""

    look: float
    card: float
    stop_grace: float


class RunWatch:
    """Follows the child of a run."""

    def __init__(
        self,
        store: Store,
        child: TrainingProcess,
        pace: Pace,
        tell: Callable[[Run, Path | None], Awaitable[None]],
    ) -> None:
        self._store = store
        self._child = child
        self._pace = pace
        self._tell = tell

    async def follow(self, run: Run) -> Run:
        """Carry progress to the row and the card until the child ends; return the last row."""
        shown = 0.0
        begun = time.monotonic()
        asked_at: float | None = None
        while self._child.alive():
            await self._child.wait(self._pace.look)
            if await self._report(run) == HEARING:
                begun = time.monotonic()  # every recording that was heard earns the run its time
            run = await self._store.runs.get(run.id) or run
            late = time.monotonic() - begun > run.minutes * 60 + OVERTIME_SECONDS
            if run.stop_requested or late:
                if asked_at is None:
                    asked_at = time.monotonic()
                    self._child.ask_to_stop()
                self._press(time.monotonic() - asked_at)
            if time.monotonic() - shown >= self._pace.card:
                shown = time.monotonic()
                await self._tell(run, self._child.curve)
        await self._report(run)
        return run

    async def _report(self, run: Run) -> str | None:
        """Carry what is new to the row; name the phase it is about."""
        progress = await asyncio.to_thread(self._child.progress)
        if progress is None:
            return None
        await self._store.runs.report(run.id, progress)
        return str(progress.get("phase"))

    def _press(self, asked_for: float) -> None:
        """Make a child stop that was asked some seconds ago, at first gently."""
        if asked_for > 2 * self._pace.stop_grace:
            self._child.send(signal.SIGKILL)
        elif asked_for > self._pace.stop_grace:
            self._child.send(signal.SIGTERM)
