"""One training child seen from outside."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import psutil

from bot import priority
from bot.store import RunState
from bot.training_process import Ending, TrainingProcess, judge


def test_a_process_id_used_again_is_not_adopted(tmp_path: Path) -> None:
    started = psutil.Process().create_time()
    (tmp_path / "process.json").write_text(f'{{"pid": {os.getpid()}, "started": {started}}}')
    assert TrainingProcess.adopt(tmp_path).alive()
    (tmp_path / "process.json").write_text(f'{{"pid": {os.getpid()}, "started": {started - 60}}}')
    assert not TrainingProcess.adopt(tmp_path).alive()


def test_an_end_nobody_saw_is_told_from_what_was_written() -> None:
    assert judge(Ending(None, None, ()), stopped=False)[0] is RunState.FAILED
    assert judge(Ending(None, -15, ()), stopped=True)[0] is RunState.STOPPED
    assert judge(Ending({"state": "odd"}, 0, ()), stopped=False)[0] is RunState.FAILED
    nan = judge(Ending(None, 1, ("Loss is nan at step 7",)), stopped=False)
    assert "blew up" in nan[1]


async def test_what_a_child_has_started_makes_way_too(tmp_path: Path) -> None:
    child = await TrainingProcess.spawn(tmp_path, ["/bin/sh", "-c", "sleep 60; true"])
    assert child.pid is not None
    while not (below := psutil.Process(child.pid).children()):
        await asyncio.sleep(0.01)
    wanted = min(priority.NICEST, os.nice(0) + priority.TRAINING)
    assert [process.nice() for process in below] == [wanted]
    child.send(signal.SIGKILL)
    await child.wait(5)
    assert not child.alive()
