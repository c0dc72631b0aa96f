"""The database: tables, and one file of queries per noun."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from bot.store.artifacts import Artifacts
from bot.store.database import Database, StoreError, connect, try_out, unreachable
from bot.store.deeds import Deed, Deeds
from bot.store.documents import Documents
from bot.store.guilds import Guilds
from bot.store.offers import Offers
from bot.store.queue import MAX_ATTEMPTS
from bot.store.ratings import Ratings, Tally
from bot.store.recovery import MAX_AGE, MAX_DELIVERIES
from bot.store.requests import Requests
from bot.store.runs import Runs
from bot.store.schema import check_known, head, migrate, revision
from bot.store.shapes import (
    MINIMUM_MARK,
    NOBODY,
    SAMPLE,
    Artifact,
    Document,
    Event,
    Forgotten,
    GuildSettings,
    NewDocument,
    NewRequest,
    NewRun,
    NewStyle,
    Offer,
    Outcome,
    Page,
    Pulse,
    Rating,
    Request,
    Run,
    RunState,
    Standing,
    Style,
    utc_now,
)
from bot.store.states import FINAL, OPEN, State
from bot.store.styles import Styles

__all__ = [
    "FINAL",
    "MAX_AGE",
    "MAX_ATTEMPTS",
    "MAX_DELIVERIES",
    "MINIMUM_MARK",
    "NOBODY",
    "OPEN",
    "SAMPLE",
    "Artifact",
    "Deed",
    "Document",
    "Event",
    "Forgotten",
    "GuildSettings",
    "NewDocument",
    "NewRequest",
    "NewRun",
    "NewStyle",
    "Offer",
    "Outcome",
    "Page",
    "Pulse",
    "Rating",
    "Request",
    "Run",
    "RunState",
    "Standing",
    "State",
    "Store",
    "StoreError",
    "Style",
    "Tally",
    "migrate",
    "utc_now",
]


class Store:
    """Everything that is kept; one attribute per noun."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self.requests = Requests(database)
        self.artifacts = Artifacts(database)
        self.guilds = Guilds(database)
        self.ratings = Ratings(database)
        self.runs = Runs(database)
        self.styles = Styles(database)
        self.documents = Documents(database)
        self.offers = Offers(database)
        self.deeds = Deeds(database)

    @classmethod
    async def open(cls, url: str, *, clock: Callable[[], datetime] = utc_now) -> Store:
        """Open a migrated database; raise StoreError when it cannot be used as it is."""
        engine = connect(url)
        try:
            await try_out(engine)
            async with engine.connect() as connection:
                await connection.execution_options(writes=False)
                found = await connection.run_sync(revision)
            check_known(found)
            if found != head():
                raise StoreError(
                    "The database is not up to date; run “python -m bot migrate” first."
                )
        except BaseException as error:
            await engine.dispose()
            if isinstance(error, DBAPIError | OSError):
                raise unreachable(error) from error
            raise
        return cls(Database(engine, clock))

    async def ping(self) -> None:
        """Ask the database something small; raise StoreError when it does not answer."""
        try:
            async with self._db.read() as db:
                await db.execute(text("SELECT 1"))
        except (DBAPIError, OSError) as error:
            raise unreachable(error) from error

    async def close(self) -> None:
        """Close every connection."""
        await self._db.engine.dispose()
