"""A worker at work for as long as a test needs it, and what a test waits for meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from bot.settings import Settings
from bot.store import Request, Store
from bot.worker import Worker
from tests.bot.doubles import Listener, ScriptedClient


@asynccontextmanager
async def working(
    store: Store, client: ScriptedClient, front: Listener, settings: Settings
) -> AsyncIterator[Worker]:
    worker = Worker(store, client, {"discord": front}, settings)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(3.0)
        await running


async def ended(store: Store, request: Request, seconds: float = 30.0) -> Request:
    async with asyncio.timeout(seconds):
        while True:
            row = await store.requests.get(request.id)
            assert row is not None
            if row.is_final:
                return row
            await asyncio.sleep(0.01)


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)
