"""The watch over a training child: how long it may take."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bot import run_watch
from bot.run_watch import Pace, RunWatch
from bot.store import NewRun, Run, Store

LOOK = 600.0  # seconds between two looks


class Child:
    """A child that reports as told, at every look; a clock goes on beside it."""

    curve = None

    def __init__(self, phases: list[str]) -> None:
        self.phases, self.looks, self.asked = phases, 0, -1

    def alive(self) -> bool:
        return self.looks < len(self.phases)

    async def wait(self, _seconds: float) -> None:
        self.looks += 1

    def progress(self) -> dict[str, Any] | None:
        phase = self.phases[min(self.looks, len(self.phases)) - 1]
        return {"phase": phase, "step": self.looks}

    def ask_to_stop(self) -> None:
        self.asked = self.looks

    def send(self, _number: int) -> None:
        return


async def test_time_spent_on_recordings_is_not_held_against_a_run(
    sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = await sqlite_store.runs.create(NewRun(family="music", minutes=10, requested_by=1))
    assert run is not None
    child = Child(["transcribe"] * 8 + ["train"] * 8)
    clock = SimpleNamespace(monotonic=lambda: child.looks * LOOK)
    monkeypatch.setattr(run_watch, "time", clock)

    async def tell(_run: Run, _curve: Path | None) -> None:
        return

    pace = Pace(look=0, card=1e9, stop_grace=1e9)
    await RunWatch(sqlite_store, child, pace, tell).follow(run)  # type: ignore[arg-type]
    allowed = (10 * 60 + run_watch.OVERTIME_SECONDS) / LOOK
    assert child.asked == 8 + allowed + 1
