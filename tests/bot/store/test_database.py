from __future__ import annotations

import asyncio

from sqlalchemy import text

from bot.store import Store
from bot.store.database import BUSY_TIMEOUT_MS, Database, connect
from tests.bot.store.rows import essay


async def test_sqlite_is_set_up_for_several_processes(sqlite_url: str) -> None:
    database = Database(connect(sqlite_url))
    async with database.read() as db:
        values = [
            (await db.execute(text(f"PRAGMA {name}"))).scalar_one()
            for name in ("journal_mode", "busy_timeout", "foreign_keys", "synchronous")
        ]
    await database.engine.dispose()
    assert values == ["wal", BUSY_TIMEOUT_MS, 1, 1]


async def test_two_processes_writing_at_once_wait_for_each_other(database_url: str) -> None:
    stores = [await Store.open(database_url) for _ in range(2)]

    async def live(store: Store, user: int) -> None:
        made = await store.requests.create(essay(user))
        await store.guilds.change(user, words_max=100)
        assert await store.requests.request_cancel(made.id) is not None

    await asyncio.gather(*(live(stores[n % 2], 1 + n) for n in range(24)))
    assert len(await stores[0].requests.unfinished("discord")) == 0
    for store in stores:
        await store.close()


async def test_reading_does_not_wait_for_a_writer(sqlite_url: str) -> None:
    store, database = await Store.open(sqlite_url), Database(connect(sqlite_url))
    async with database.write():
        async with asyncio.timeout(8):
            assert await store.requests.depth() == {}
    await database.engine.dispose()
    await store.close()


async def test_a_change_that_fails_leaves_nothing(database_url: str) -> None:
    store, database = await Store.open(database_url), Database(connect(database_url))
    made = await store.requests.create(essay(1))
    try:
        async with database.write() as db:
            await db.execute(text("DELETE FROM requests"))
            raise RuntimeError
    except RuntimeError:
        pass
    assert await store.requests.get(made.id) == made
    await database.engine.dispose()
    await store.close()
