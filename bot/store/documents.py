"""The documents of each style, and which of them were taken away again."""

from __future__ import annotations

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import NOBODY, Document, NewDocument
from bot.store.tables import documents

_KEPT = documents.c.removed_at.is_(None)


class Documents:
    """Everything about documents."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def add(self, new: NewDocument) -> Document | None:
        """Add a document, or one that was removed once; None when the style has it already."""
        values = mapping.document_columns(new) | {"added_at": self._db.clock(), "removed_at": None}
        same = (documents.c.style_id == new.style_id) & (documents.c.sha256 == new.sha256)
        async with self._db.write() as db:
            again = update(documents).where(same, documents.c.removed_at.is_not(None))
            row = (await db.execute(again.values(**values).returning(documents))).one_or_none()
        if row is not None:
            return mapping.document(row)
        try:
            async with self._db.write() as db:
                row = (
                    await db.execute(insert(documents).values(values).returning(documents))
                ).one()
        except IntegrityError:
            return None
        return mapping.document(row)

    async def get(self, document_id: int) -> Document | None:
        """Find one document, a removed one too."""
        asked = select(documents).where(documents.c.id == document_id)
        async with self._db.read() as db:
            row = (await db.execute(asked)).one_or_none()
        return None if row is None else mapping.document(row)

    async def of(self, style_id: int, *, removed: bool = False) -> list[Document]:
        """List what a style has, or what was removed from it, oldest first."""
        wanted = documents.c.removed_at.is_not(None) if removed else _KEPT
        asked = select(documents).where(documents.c.style_id == style_id, wanted)
        async with self._db.read() as db:
            rows = (await db.execute(asked.order_by(documents.c.id))).all()
        return [mapping.document(row) for row in rows]

    async def count(self) -> dict[int, int]:
        """Count the documents of each style that has any."""
        asked = select(documents.c.style_id, func.count()).where(_KEPT)
        async with self._db.read() as db:
            rows = (await db.execute(asked.group_by(documents.c.style_id))).all()
        return {int(row[0]): int(row[1]) for row in rows}

    async def label(self, document_id: int, title: str, mark: float | None) -> bool:
        """Give a document another title and mark."""
        where = documents.c.id == document_id
        changed = update(documents).where(where, _KEPT).values(title=title, mark=mark)
        async with self._db.write() as db:
            found = await db.execute(changed.returning(documents.c.id))
            return found.one_or_none() is not None

    async def remove(self, document_id: int) -> Document | None:
        """Take a document away; its row stays, so that runs can name it as absent."""
        where = documents.c.id == document_id
        changed = update(documents).where(where, _KEPT).values(removed_at=self._db.clock())
        async with self._db.write() as db:
            row = (await db.execute(changed.returning(documents))).one_or_none()
        return None if row is None else mapping.document(row)

    async def forget(self, user_id: int) -> list[Document]:
        """Delete the rows of what a person wrote with the bot and gave, and return them.

        What they uploaded as an admin belongs to their server; it only forgets who brought it.
        """
        theirs = documents.c.added_by == user_id
        given = delete(documents).where(theirs, documents.c.request_id.is_not(None))
        async with self._db.write() as db:
            rows = (await db.execute(given.returning(documents))).all()
            await db.execute(update(documents).where(theirs).values(added_by=NOBODY))
        return [mapping.document(row) for row in rows]
