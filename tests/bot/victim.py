"""A worker in a process of its own, made to be killed at any moment."""

from __future__ import annotations

import asyncio
import hashlib
import os
from collections.abc import AsyncGenerator
from pathlib import Path

from bot.frontend import Result
from bot.logs import set_up_logs
from bot.settings import load_settings
from bot.store import Request, Store
from bot.worker import Worker
from models.contract import EssayDelta, EssayDone, EssayEvent, EssayRequest, Progress
from tests.bot.doubles import Listener, ScriptedClient, essay_done


class SlowClient(ScriptedClient):
    """Takes its time, and never writes the same twice, whatever the seed."""

    async def essay(self, request: EssayRequest) -> AsyncGenerator[EssayEvent, None]:
        text = ""
        yield Progress(stage="writing", done=0)
        for _ in range(4):
            await asyncio.sleep(0.01)
            word = f"{os.urandom(3).hex()} "
            text += word
            yield EssayDelta(text=word)
        yield essay_done(request, text)


class Wall(Listener):
    """Writes every post on a file that outlives the process, then dawdles."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def _write(self, line: str) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write(f"{line}\n")

    async def deliver(self, request: Request, result: Result) -> int | None:
        assert isinstance(result.essay, EssayDone)
        files = [a.path.read_bytes() for a in result.artifacts]
        assert all(
            hashlib.sha256(data).hexdigest() == a.sha256
            for data, a in zip(files, result.artifacts, strict=True)
        )
        self._write(f"{request.id} {result.essay.text}")
        await asyncio.sleep(0.02)
        return 9000 + request.id

    async def failed(self, request: Request, sentence: str, *, refused: bool = False) -> None:
        self._write(f"{request.id} failed")


def work(url: str, data_dir: str, wall: str) -> None:
    """Work until killed."""
    asyncio.run(_work(url, Path(data_dir), Path(wall)))


async def _work(url: str, data_dir: Path, wall: Path) -> None:
    set_up_logs("error")
    settings = load_settings(
        _env_file=None,
        data_dir=data_dir,
        workers=3,
        heartbeat_seconds=0.1,
        stale_seconds=0.8,
    )
    store = await Store.open(url)
    await Worker(store, SlowClient(), {"discord": Wall(wall)}, settings).run()
