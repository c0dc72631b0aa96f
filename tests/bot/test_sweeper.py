from __future__ import annotations

import asyncio
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from bot.files import Shelf
from bot.store import Store
from bot.sweeper import SWEEP_SECONDS, Sweeper
from tests.bot.store.rows import essay


def folder(root: Path, name: str, *, old: bool) -> Path:
    made = root / name
    made.mkdir(parents=True)
    (made / "essay.docx").write_bytes(b"x")
    if old:
        os.utime(made, (0, 0))
    return made


async def test_only_what_is_over_and_old_is_cleared_away(
    sqlite_store: Store, tmp_path: Path
) -> None:
    over, running, young = [await sqlite_store.requests.create(essay(n)) for n in (1, 2, 3)]
    for _ in range(3):
        claimed = await sqlite_store.requests.claim({"discord"}, "w")
        if claimed is not None and claimed.id != running.id:
            await sqlite_store.requests.finish(claimed, None)
    gone = [
        folder(tmp_path, str(over.id), old=True),
        folder(tmp_path, "99", old=True),  # its request was forgotten
    ]
    kept = [
        folder(tmp_path, str(running.id), old=True),
        folder(tmp_path, str(young.id), old=False),
        folder(tmp_path, "notes", old=True),
    ]
    (tmp_path / "77").symlink_to(kept[2])
    assert await Sweeper(sqlite_store, Shelf(tmp_path), 30).sweep() == 2
    assert not any(path.exists() for path in gone)
    assert all((path / "essay.docx").exists() for path in kept)


@pytest.mark.parametrize("days", [0, 30])
async def test_a_sweeper_never_ends_and_sweeps_only_when_told_to(
    sqlite_store: Store, tmp_path: Path, days: int
) -> None:
    old = folder(tmp_path / "shelf", "5", old=True)
    task = asyncio.create_task(Sweeper(sqlite_store, Shelf(tmp_path / "shelf"), days).run())
    async with asyncio.timeout(30):
        while days and old.exists():
            await asyncio.sleep(0.01)
    await asyncio.sleep(0.02)
    assert not task.done() and old.exists() is (days == 0)
    task.cancel()


@pytest.mark.parametrize("days", [0, 30])
async def test_what_is_counted_of_the_forgotten_goes_as_the_day_ends(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    now = datetime(2026, 1, 2, 23, 59, 58, tzinfo=UTC)
    sqlite_store._db.clock = lambda: now
    monkeypatch.setattr("bot.sweeper.utc_now", lambda: now)
    await sqlite_store.requests.create(essay(1))
    await sqlite_store.requests.request_cancel(1)
    await sqlite_store.requests.forget(1)
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        nonlocal now
        pauses.append(seconds)
        if len(pauses) == 2:
            raise asyncio.CancelledError
        assert len(await sqlite_store.requests.forgotten(1)) == 1
        now += timedelta(seconds=seconds)

    monkeypatch.setattr("bot.sweeper.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await Sweeper(sqlite_store, Shelf(tmp_path), days).run()
    assert pauses == [3.0, SWEEP_SECONDS]
    assert await sqlite_store.requests.forgotten(1) == []


async def test_a_sweep_that_fails_is_followed_by_others(
    sqlite_store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.sweeper.SWEEP_SECONDS", 0.01)
    old, sweeper = folder(tmp_path, "5", old=True), Sweeper(sqlite_store, Shelf(tmp_path), 1)
    troubles = [OSError("no such disk")]
    sweep = sweeper.sweep

    async def flaky() -> int:
        if troubles:
            raise troubles.pop()
        return await sweep()

    monkeypatch.setattr(sweeper, "sweep", flaky)
    task = asyncio.create_task(sweeper.run())
    async with asyncio.timeout(30):
        while old.exists():
            await asyncio.sleep(0.01)
    task.cancel()
