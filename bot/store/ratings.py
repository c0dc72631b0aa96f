"""What people thought of results."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import case, delete, func, select

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import Rating
from bot.store.tables import ratings, requests

#: Of the normal distribution, for 95 %.
_Z = 1.959964

_UP = func.sum(case((ratings.c.value > 0, 1), else_=0))
_DOWN = func.sum(case((ratings.c.value < 0, 1), else_=0))


@dataclass(frozen=True)
class Tally:
    """How often one model version was liked and disliked."""

    up: int
    down: int

    @property
    def interval(self) -> tuple[float, float]:
        """Between which shares of likes the true one lies: Wilson's interval, 95 %."""
        n = self.up + self.down
        if n == 0:
            return 0.0, 1.0
        share, square = self.up / n, _Z * _Z / n
        middle = share + square / 2
        spread = _Z * math.sqrt(share * (1 - share) / n + square / (4 * n))
        low, high = ((middle + way * spread) / (1 + square) for way in (-1, 1))
        return max(0.0, low), min(1.0, high)


class Ratings:
    """Everything about ratings; each user has one opinion of each result."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def rate(
        self, request_id: int, user_id: int, value: int, model_version: str | None
    ) -> Rating:
        """Record +1 or -1, in place of an earlier opinion."""
        if value not in (-1, 1):
            raise ValueError("a rating is +1 or -1")
        values = {"value": value, "model_version": model_version, "at": self._db.clock()}
        new = self._db.insert(ratings).values(request_id=request_id, user_id=user_id, **values)
        mine = new.on_conflict_do_update(index_elements=["request_id", "user_id"], set_=values)
        async with self._db.write() as db:
            row = (await db.execute(mine.returning(ratings))).one()
        return mapping.rating(row)

    async def of(self, request_id: int) -> Tally:
        """Count the opinions of one result."""
        asked = select(_UP, _DOWN).where(ratings.c.request_id == request_id)
        async with self._db.read() as db:
            up, down = (await db.execute(asked)).one()
        return Tally(int(up or 0), int(down or 0))

    async def by(self, user_id: int) -> list[Rating]:
        """List the opinions of one user."""
        asked = select(ratings).where(ratings.c.user_id == user_id).order_by(ratings.c.at)
        async with self._db.read() as db:
            return [mapping.rating(row) for row in (await db.execute(asked)).all()]

    async def by_version(self) -> dict[str, Tally]:
        """Count the opinions of each model version."""
        asked = select(ratings.c.model_version, _UP, _DOWN).group_by(ratings.c.model_version)
        async with self._db.read() as db:
            rows = (await db.execute(asked)).all()
        return {version: Tally(int(up), int(down)) for version, up, down in rows if version}

    async def by_alias(self) -> dict[str, Tally]:
        """Count the opinions of what each guild's style made, by the alias it was asked under."""
        alias = requests.c.parameters["version"].as_string()
        asked = select(alias, _UP, _DOWN).join(requests, requests.c.id == ratings.c.request_id)
        async with self._db.read() as db:
            rows = (await db.execute(asked.group_by(alias))).all()
        return {name: Tally(int(up), int(down)) for name, up, down in rows if name}

    async def forget(self, user_id: int) -> None:
        """Delete a user's opinions."""
        async with self._db.write() as db:
            await db.execute(delete(ratings).where(ratings.c.user_id == user_id))
