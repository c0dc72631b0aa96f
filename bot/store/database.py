"""The connection to SQLite or PostgreSQL, and the two ways to use it: read and write."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import datetime
from pathlib import Path

from sqlalchemy import URL, Table, make_url
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import ArgumentError, DBAPIError, InvalidRequestError, NoSuchModuleError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from bot.store.shapes import utc_now
from bot.store.sqlite import SqliteEngine


class StoreError(Exception):
    """The database cannot be used; the message is one plain sentence."""


def connect(url: str) -> AsyncEngine:
    """Make an engine; raise StoreError when there can be none of that address."""
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite":
            return create_async_engine(_as_asyncpg_says(parsed), pool_pre_ping=True)
        if parsed.database and parsed.database != ":memory:":
            Path(parsed.database).parent.mkdir(parents=True, exist_ok=True)
        return SqliteEngine(url)
    except (
        ArgumentError,
        InvalidRequestError,
        NoSuchModuleError,
        ImportError,
        ValueError,  # a port that is no number
    ) as error:
        raise StoreError("DATABASE_URL is not the address of a database I know.") from error
    except OSError as error:
        raise unreachable(error) from error


def _as_asyncpg_says(url: URL) -> URL:
    """Name what all other clients of PostgreSQL call ``sslmode`` as its driver does."""
    if "sslmode" not in url.query:
        return url
    mode = url.query["sslmode"]
    return url.difference_update_query(["sslmode"]).update_query_dict({"ssl": mode})


async def try_out(engine: AsyncEngine) -> None:
    """Connect once; raise StoreError when there is no such database, or no such option."""
    try:
        async with engine.connect():
            pass
    except (DBAPIError, OSError) as error:
        raise unreachable(error) from error
    except TypeError as error:  # the driver was given what it does not know
        names = ", ".join(engine.url.query)
        raise StoreError(f"DATABASE_URL has an option that cannot be used: {names}.") from error
    except (ValueError, OverflowError) as error:  # a port or an option out of bounds
        raise StoreError(f"DATABASE_URL cannot be used: {str(error).rstrip('.')}.") from error


def unreachable(error: Exception) -> StoreError:
    """Say in one line why the database does not answer."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    reason = (str(cause).splitlines() or [type(cause).__name__])[0].rstrip(".")
    if isinstance(cause, OSError) and cause.strerror:
        reason = f"{cause.filename}: {cause.strerror}" if cause.filename else cause.strerror
    if reason == "unable to open database file":  # SQLite does not say which, nor why
        reason += "; it must lie in a folder that can be written to, see DATA_DIR and DATABASE_URL"
    return StoreError(f"The database cannot be reached: {reason}.")


class Database:
    """An engine with a clock."""

    def __init__(self, engine: AsyncEngine, clock: Callable[[], datetime] = utc_now) -> None:
        self.engine = engine
        self.clock = clock
        # Writers of SQLite wait for each other by polling, which is slow and unfair; those of
        # one process had better queue up here.
        self._writers: AbstractAsyncContextManager[None] = (
            contextlib.nullcontext() if self.is_postgres else asyncio.Lock()
        )

    @property
    def is_postgres(self) -> bool:
        """Whether rows can be locked one by one."""
        return self.engine.dialect.name == "postgresql"

    def insert(self, table: Table) -> postgresql.Insert | sqlite.Insert:
        """Begin an INSERT that can say what to do where the row is there already."""
        return postgresql.insert(table) if self.is_postgres else sqlite.insert(table)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """Open a transaction that commits at the end."""
        async with self._writers, self.engine.begin() as connection:
            yield connection

    @asynccontextmanager
    async def read(self) -> AsyncIterator[AsyncConnection]:
        """Open a connection that blocks no writer."""
        async with self.engine.connect() as connection:
            yield await connection.execution_options(writes=False)
