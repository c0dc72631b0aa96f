"""Results whose authors let a style learn from them."""

from __future__ import annotations

from sqlalchemy import delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import Offer
from bot.store.tables import offers

_OPEN = offers.c.decided_at.is_(None)


class Offers:
    """Everything about offers: the author offers, an admin decides, each once."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def make(self, request_id: int, style_id: int, user_id: int) -> bool:
        """Record that an author agrees; False when that was recorded before."""
        values = {
            "request_id": request_id,
            "style_id": style_id,
            "user_id": user_id,
            "offered_at": self._db.clock(),
        }
        try:
            async with self._db.write() as db:
                await db.execute(insert(offers).values(values))
        except IntegrityError:
            return False
        return True

    async def get(self, request_id: int) -> Offer | None:
        """Find the offer of one result."""
        asked = select(offers).where(offers.c.request_id == request_id)
        async with self._db.read() as db:
            row = (await db.execute(asked)).one_or_none()
        return None if row is None else mapping.offer(row)

    async def open(self, style_id: int) -> list[Offer]:
        """List what waits for an admin, oldest first."""
        asked = select(offers).where(offers.c.style_id == style_id, _OPEN)
        async with self._db.read() as db:
            rows = (await db.execute(asked.order_by(offers.c.offered_at))).all()
        return [mapping.offer(row) for row in rows]

    async def by(self, user_id: int) -> list[Offer]:
        """List what a person offered, oldest first."""
        asked = select(offers).where(offers.c.user_id == user_id).order_by(offers.c.offered_at)
        async with self._db.read() as db:
            return [mapping.offer(row) for row in (await db.execute(asked)).all()]

    async def decide(self, request_id: int, by: int, accepted: bool) -> Offer | None:
        """Record what an admin says; None when it was decided or withdrawn before."""
        values = {"decided_by": by, "accepted": accepted, "decided_at": self._db.clock()}
        changed = update(offers).where(offers.c.request_id == request_id, _OPEN).values(**values)
        async with self._db.write() as db:
            row = (await db.execute(changed.returning(offers))).one_or_none()
        return None if row is None else mapping.offer(row)

    async def withdraw(self, request_id: int) -> bool:
        """Take an offer back; False when it was decided before."""
        gone = delete(offers).where(offers.c.request_id == request_id, _OPEN)
        async with self._db.write() as db:
            found = await db.execute(gone.returning(offers.c.request_id))
            return found.one_or_none() is not None

    async def forget(self, user_id: int) -> None:
        """Withdraw everything a person offered."""
        async with self._db.write() as db:
            await db.execute(delete(offers).where(offers.c.user_id == user_id))
