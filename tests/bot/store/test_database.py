from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import aiosqlite
import pytest
from sqlalchemy import text

from bot.store import Store, StoreError, migrate
from bot.store.database import Database, connect
from bot.store.sqlite import BUSY_TIMEOUT_MS
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


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+asyncpg://u:p@127.0.0.1:port/x", "DATABASE_URL is not the address of"),
        ("postgresql+asyncpg://u:p@127.0.0.1:99999/x", "DATABASE_URL cannot be used: .*port"),
        ("postgresql+asyncpg://u:p@127.0.0.1:1/x?foo=1", "an option that cannot be used: foo"),
        ("postgresql+asyncpg://u:p@127.0.0.1:1/x?sslmode=require", "cannot be reached"),
        ("postgresql+asyncpg://u:p@127.0.0.1:1/x?sslmode=strong", "`sslmode` parameter must be"),
    ],
)
async def test_an_address_that_cannot_be_used_is_one_sentence(url: str, said: str) -> None:
    for use in (migrate, Store.open):
        with pytest.raises(StoreError, match=said) as caught:
            await use(url)
        assert "u:p" not in str(caught.value)


async def test_sslmode_means_what_it_means_everywhere(postgres_url: str) -> None:
    await (await Store.open(f"{postgres_url}?sslmode=prefer")).close()
    with pytest.raises(StoreError, match="rejected SSL upgrade"):  # that server has no SSL
        await Store.open(f"{postgres_url}?sslmode=require")


async def test_a_database_of_newer_code_is_one_sentence(sqlite_url: str) -> None:
    database = Database(connect(sqlite_url))
    async with database.write() as db:
        await db.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    await database.engine.dispose()
    for use in (migrate, Store.open):
        with pytest.raises(StoreError, match=r"at version 9999, which is newer than this program"):
            await use(sqlite_url)


async def open_nowhere(_: str) -> None:
    with pytest.raises(StoreError):
        await migrate("sqlite+aiosqlite:////")


async def open_what_is_not_migrated(url: str) -> None:
    with pytest.raises(StoreError):
        await Store.open(f"{url}.new")


async def give_up_while_opening(url: str) -> None:
    before = set(threading.enumerate())
    opening = asyncio.create_task(Store.open(url))
    async with asyncio.timeout(10):  # until its thread is there; a pause might outlast the opening
        while set(threading.enumerate()) <= before:
            await asyncio.sleep(0)
    opening.cancel()
    await asyncio.wait({opening})
    assert opening.cancelled()


async def give_up_a_statement_twice(url: str) -> None:
    store = await Store.open(url)
    asking = asyncio.create_task(store.requests.depth())
    for _ in range(2):
        await asyncio.sleep(0)
        asking.cancel()
    await asyncio.wait({asking})
    await store.close()


async def close_what_somebody_holds(url: str) -> None:
    store = await Store.open(url)
    holding = store._db.read()
    await holding.__aenter__()
    await store.close()


@pytest.mark.parametrize(
    "live",
    [
        open_nowhere,
        open_what_is_not_migrated,
        give_up_while_opening,
        give_up_a_statement_twice,
        close_what_somebody_holds,
    ],
)
def test_no_thread_outlives_its_loop(
    sqlite_url: str,
    monkeypatch: pytest.MonkeyPatch,
    live: Callable[[str], Coroutine[Any, Any, None]],
) -> None:
    """As on a busy machine, where a thread is slow to hear that it is to end."""
    stop = aiosqlite.Connection.stop

    def slowly(connection: aiosqlite.Connection) -> asyncio.Future[None] | None:
        connection._tx.put_nowait((None, lambda: time.sleep(0.05)))
        return stop(connection)

    monkeypatch.setattr(aiosqlite.Connection, "stop", slowly)
    broken: list[object] = []
    monkeypatch.setattr(threading, "excepthook", broken.append)
    before = threading.active_count()
    with asyncio.Runner() as runner:
        runner.run(live(sqlite_url))
    assert threading.active_count() == before and not broken
