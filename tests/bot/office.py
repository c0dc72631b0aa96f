"""A keeper of runs at work, with children that do as they are told."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable
from pathlib import Path

import psutil

from bot.runs import RunKeeper
from bot.settings import Settings
from bot.store import Run, Store
from models.contract import Family, Reloaded

TRAINEE = Path(__file__).with_name("trainee.py")


class Service:
    """Stands where the client stands: counts reloads, and fails as told."""

    def __init__(self) -> None:
        self.reloads: list[Family] = []
        self.refs: list[str] = []
        self.errors: list[Exception] = []

    async def reload(self, family: Family, ref: str = "live") -> Reloaded:
        self.reloads.append(family)
        self.refs.append(ref)
        if self.errors:
            raise self.errors.pop(0)
        return Reloaded(family=family, before="e-1", now="e-2", seconds=0.1)


class Board:
    """An announcer that remembers; ``rude`` makes it fail every time."""

    def __init__(self) -> None:
        self.progressed: list[Run] = []
        self.ended: list[tuple[Run, tuple[str, ...]]] = []
        self.rude = False

    async def progress(self, run: Run, curve: Path | None) -> None:
        self.progressed.append(run)
        if self.rude:
            raise ConnectionError

    async def finished(self, run: Run, curve: Path | None, last_lines: tuple[str, ...]) -> None:
        self.ended.append((run, last_lines))
        if self.rude:
            raise ConnectionError


class Office:
    """A keeper at work, which a test can end and start again like a bot."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.service = Service()
        self.board = Board()
        self.open()

    def open(self) -> None:
        self.keeper = RunKeeper(
            self.store,
            self.service,  # type: ignore[arg-type]
            self.settings,
            self.board,
            look_seconds=0.05,
            card_seconds=0.05,
            stop_grace=0.3,
            command=trainee_command,
        )
        self.task = asyncio.create_task(self.keeper.run())

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def teach(self, script: str) -> None:
        corpus = self.settings.corpus_dir("essay")
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / "script").write_text(script)

    async def begin(self, script: str) -> Run:
        self.teach(script)
        return await self.keeper.start(Family.ESSAY, 5, by=1, guild_id=2, channel_id=3)

    async def until(self, run: Run, check: Callable[[Run], object], seconds: float = 60) -> Run:
        async with asyncio.timeout(seconds):
            while True:
                now = await self.store.runs.get(run.id)
                assert now is not None
                if check(now):
                    return now
                await asyncio.sleep(0.02)

    async def end_of(self, run: Run) -> Run:
        return await self.until(run, lambda now: now.finished_at and len(self.board.ended) > 0)

    async def process_of(self, run: Run) -> psutil.Process:
        now = await self.until(run, lambda now: now.pid and now.progress.get("held_out"))
        return psutil.Process(now.pid)


def trainee_command(run: Run, folder: Path, settings: Settings) -> list[str]:
    corpus = settings.corpus_dir(run.family)
    return [sys.executable, str(TRAINEE), str(corpus), str(folder), str(settings.registry_dir)]
