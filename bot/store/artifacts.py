"""Finished files: where they lie and what they are."""

from __future__ import annotations

from sqlalchemy import delete, select

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import Artifact
from bot.store.tables import artifacts


class Artifacts:
    """Everything about finished files; they are recorded by ``requests.keep``."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def of(self, request_id: int) -> tuple[Artifact, ...]:
        """List the files of a request."""
        asked = select(artifacts).where(artifacts.c.request_id == request_id)
        async with self._db.read() as db:
            rows = (await db.execute(asked.order_by(artifacts.c.id))).all()
        return tuple(mapping.artifact(row) for row in rows)

    async def get(self, request_id: int, kind: str) -> Artifact | None:
        """Find one file of a request."""
        return next((a for a in await self.of(request_id) if a.kind == kind), None)

    async def forget(self, request_id: int) -> None:
        """Drop the records of files that are cleared away."""
        async with self._db.write() as db:
            await db.execute(delete(artifacts).where(artifacts.c.request_id == request_id))
