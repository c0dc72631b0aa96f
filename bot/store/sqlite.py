"""SQLite's side of an engine: how its connections begin, and how their threads end."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import aiosqlite
from sqlalchemy import Connection, event
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

#: How long a writer waits for another one, in ms.
BUSY_TIMEOUT_MS = 10_000
#: How long the end of an engine waits for what its threads still do, in seconds.
END_SECONDS = 2.0


class SqliteEngine(AsyncEngine):
    """An engine in WAL whose transactions begin as writers, and that outlives its threads.

    Each connection has a thread. One that could not be opened, or whose statement was cancelled,
    is let go of while its thread still has an answer to give, and nothing else waits until it has:
    after the last of an event loop it would be given to a loop that has gone.
    """

    def __init__(self, url: str) -> None:
        self._opened: set[aiosqlite.Connection] = set()
        engine = create_async_engine(url, connect_args={"async_creator_fn": self._open})
        super().__init__(engine.sync_engine)
        event.listen(self.sync_engine, "connect", _prepare)
        event.listen(self.sync_engine, "begin", _begin)

    async def dispose(self, close: bool = True) -> None:
        """Close every connection, also those that somebody holds, and wait for their threads."""
        try:
            await super().dispose(close)
        finally:
            left = self._alive()
            for connection in left:
                connection.stop()
            await asyncio.to_thread(_join, left)

    async def _open(self, *arguments: Any, **options: Any) -> aiosqlite.Connection:
        self._opened = self._alive()
        connection = aiosqlite.connect(*arguments, **options)
        connection._thread.daemon = True  # as SQLAlchemy does: no bar to the end of the process
        self._opened.add(connection)
        return await connection

    def _alive(self) -> set[aiosqlite.Connection]:
        return {connection for connection in self._opened if connection._thread.is_alive()}


def _join(connections: set[aiosqlite.Connection]) -> None:
    deadline = time.monotonic() + END_SECONDS
    for connection in connections:
        connection._thread.join(max(0.0, deadline - time.monotonic()))


def _prepare(connection: Any, _record: object) -> None:
    connection.isolation_level = None  # transactions begin below, not at the first change
    cursor = connection.cursor()
    for pragma in (
        "journal_mode=WAL",
        f"busy_timeout={BUSY_TIMEOUT_MS}",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: Connection) -> None:
    # A transaction that reads first and writes later fails at once when another one wrote in
    # between, whatever the timeout; a writer therefore takes its lock at the start.
    options = connection.get_execution_options()
    if not options.get("foreign_keys", True):  # inside a transaction it would change nothing
        connection.exec_driver_sql("PRAGMA foreign_keys=OFF")
    writes = options.get("writes", True)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
