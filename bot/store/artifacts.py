"""Finished files: where they lie and what they are."""

from __future__ import annotations

from collections.abc import Collection

from sqlalchemy import and_, delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import Artifact
from bot.store.tables import artifacts


class Artifacts:
    """Everything about files; those of a result are recorded by ``requests.keep``."""

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

    async def add(self, request_id: int, file: Artifact) -> None:
        """Record one more file of a request, in the place of another of its kind."""
        mine = and_(artifacts.c.request_id == request_id, artifacts.c.kind == file.kind)
        async with self._db.write() as db:
            await db.execute(delete(artifacts).where(mine))
            await record(db, request_id, [file])

    async def forget(self, request_id: int) -> None:
        """Drop the records of files that are cleared away."""
        async with self._db.write() as db:
            await db.execute(delete(artifacts).where(artifacts.c.request_id == request_id))


async def record(db: AsyncConnection, request_id: int, files: Collection[Artifact]) -> None:
    """Record files of a request within a transaction."""
    for file in files:
        await db.execute(
            insert(artifacts).values(
                request_id=request_id,
                kind=file.kind,
                path=str(file.path),
                name=file.name,
                sha256=file.sha256,
                size=file.size,
            )
        )
