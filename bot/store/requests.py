"""The questions one may ask about requests; the moves are in queue.py and recovery.py."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

from sqlalchemy import (
    ColumnElement,
    ScalarSelect,
    Select,
    and_,
    case,
    delete,
    false,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.parameters import SIZES, Kind
from bot.store import mapping
from bot.store.queue import turn
from bot.store.recovery import Recovery
from bot.store.shapes import Event, Forgotten, Page, Request, Standing
from bot.store.states import FINAL, OPEN, State
from bot.store.tables import events, forgotten, requests

__all__ = ["Requests"]

#: Whose speeds may still be true.
LATELY = timedelta(days=7)


class Requests(Recovery):
    """Everything about requests."""

    async def get(self, request_id: int) -> Request | None:
        """Find one request; whether the asker may see it is the caller's question."""
        return await self._fetch(requests.c.id == request_id)

    async def set_message(
        self, request_id: int, channel_id: int | None, message_id: int | None
    ) -> None:
        """Remember which message shows this request."""
        async with self._db.write() as db:
            await db.execute(
                update(requests)
                .where(requests.c.id == request_id)
                .values(channel_id=channel_id, message_id=message_id)
            )

    async def waiting(self, origins: Collection[str], limit: int | None = None) -> list[Request]:
        """List the queued requests, or the first of them, in the order of service."""
        asked = (
            select(requests)
            .where(requests.c.state == State.QUEUED, requests.c.origin.in_(origins))
            .order_by(turn(self._db.clock()), requests.c.id)
            .limit(limit)
        )
        return await self._list(asked)

    async def line(self, origin: str) -> list[tuple[int, Kind, int]]:
        """Name, kind and size the queued requests of an origin, in the order of service."""
        sizes = (
            (requests.c.kind == kind, requests.c.parameters[name].as_integer())
            for kind, name in SIZES.items()
        )
        asked = (
            select(requests.c.id, requests.c.kind, case(*sizes))
            .where(requests.c.state == State.QUEUED, requests.c.origin == origin)
            .order_by(turn(self._db.clock()), requests.c.id)
        )
        async with self._db.read() as db:
            return [(number, kind, size) for number, kind, size in (await db.execute(asked)).all()]

    async def place(self, request_id: int) -> int | None:
        """Count the queued requests served before this one; None when it does not wait."""
        request = await self.get(request_id)
        if request is None or request.state is not State.QUEUED:
            return None
        order = [other.id for other in await self.waiting([request.origin])]
        return order.index(request_id) if request_id in order else None

    async def depth(self) -> dict[State, int]:
        """Count the requests in each state."""
        asked = select(requests.c.state, func.count()).group_by(requests.c.state)
        async with self._db.read() as db:
            return {State(state): count for state, count in (await db.execute(asked)).all()}

    async def running(self) -> int:
        """Count the requests being worked on."""
        return await self._count(requests.c.state == State.RUNNING)

    async def standing(
        self, origin: str, user_id: int, guild_id: int | None, today: datetime
    ) -> Standing:
        """Count all that the door asks about, at once: people wait for the answer."""
        mine, gone = (table.c.user_id == user_id for table in (requests, forgotten))
        here, gone_here = (
            false() if guild_id is None else table.c.guild_id == guild_id
            for table in (requests, forgotten)
        )
        waits = and_(requests.c.state == State.QUEUED, requests.c.origin == origin)
        asked = select(
            _how_many(waits),
            _how_many(and_(mine, requests.c.state.in_(OPEN))),
            _cost(mine, today) + _still_counted(gone, today),
            _cost(and_(mine, here), today) + _still_counted(and_(gone, gone_here), today),
            _cost(here, today) + _still_counted(gone_here, today),
            select(func.max(requests.c.created_at)).where(mine, _COUNTS).scalar_subquery(),
            select(func.max(forgotten.c.last_asked_at)).where(gone).scalar_subquery(),
        )
        async with self._db.read() as db:
            *counts, last, last_gone = (await db.execute(asked)).one()
        queued, still_open, mine_today, mine_here, all_here = counts
        last_asked = max(filter(None, (last, last_gone)), default=None)
        return Standing(queued, still_open, mine_today, mine_here, all_here, last_asked)

    async def durations(self, kind: Kind, limit: int = 50) -> list[tuple[int, float]]:
        """List sizes of the last finished requests and the seconds they took, newest first."""
        size = requests.c.parameters[SIZES[kind]].as_integer()
        asked = (
            select(size, requests.c.started_at, requests.c.finished_at)
            .where(
                requests.c.kind == kind,
                requests.c.state == State.DONE,
                requests.c.started_at.is_not(None),
                requests.c.created_at > self._db.clock() - LATELY,
            )
            # By the index, for there may be millions: these are the last finished, too.
            .order_by(requests.c.created_at.desc())
            .limit(limit)
        )
        async with self._db.read() as db:
            rows = (await db.execute(asked)).all()
        return [(n, (finished - started).total_seconds()) for n, started, finished in rows]

    async def history(
        self,
        user_id: int,
        *,
        guild_id: int | None = None,
        kind: Kind | None = None,
        page: int = 0,
        size: int = 10,
    ) -> Page:
        """List what a user asked for, newest first; with a guild, only what was asked there."""
        where: ColumnElement[bool] = requests.c.user_id == user_id
        if guild_id is not None:
            where = and_(where, requests.c.guild_id == guild_id)
        if kind is not None:
            where = and_(where, requests.c.kind == kind)
        asked = select(requests).where(where).order_by(requests.c.id.desc())
        found = await self._list(asked.offset(page * size).limit(size))
        return Page(tuple(found), await self._count(where))

    async def unfinished(self, origin: str, user_id: int | None = None) -> list[Request]:
        """List the open requests of an origin, or those of a user there, oldest first."""
        asked = select(requests).where(requests.c.origin == origin, requests.c.state.in_(OPEN))
        if user_id is not None:
            asked = asked.where(requests.c.user_id == user_id)
        return await self._list(asked.order_by(requests.c.id))

    async def events(self, request_id: int) -> list[Event]:
        """List the changes of state of a request, oldest first."""
        asked = select(events).where(events.c.request_id == request_id).order_by(events.c.id)
        async with self._db.read() as db:
            return [mapping.event(row) for row in (await db.execute(asked)).all()]

    async def forget(self, user_id: int) -> list[int]:
        """Delete a user's finished requests; return their numbers: nobody needs their files.

        What is not finished yet is deleted when it is. How many they were today is kept until the
        day is over, or nobody would have a quota.
        """
        mine = requests.c.user_id == user_id
        wished = update(requests).where(mine, requests.c.state.in_(OPEN))
        async with self._db.write() as db:
            await db.execute(wished.values(forgotten_at=self._db.clock()))
            return await self._delete(db, mine)

    async def forget_the_late(self) -> list[int]:
        """Delete what was not finished yet when its user was forgotten; return the numbers."""
        async with self._db.write() as db:
            return await self._delete(db, requests.c.forgotten_at.is_not(None))

    async def _delete(self, db: AsyncConnection, which: ColumnElement[bool]) -> list[int]:
        gone = and_(which, requests.c.state.in_(FINAL))
        counted = (
            select(
                requests.c.user_id,
                requests.c.guild_id,
                func.sum(_COST),
                func.max(requests.c.created_at),
            )
            .where(gone, _COUNTS, requests.c.created_at >= _midnight(self._db.clock()))
            .group_by(requests.c.user_id, requests.c.guild_id)
        )
        columns = ["user_id", "guild_id", "cost", "last_asked_at"]
        await db.execute(insert(forgotten).from_select(columns, counted))
        deleted = await db.execute(delete(requests).where(gone).returning(requests.c.id))
        return sorted(deleted.scalars())

    async def forgotten(self, user_id: int) -> list[Forgotten]:
        """List what is still counted of a user's deleted requests, by guild."""
        asked = (
            select(forgotten)
            .where(forgotten.c.user_id == user_id)
            .order_by(func.coalesce(forgotten.c.guild_id, 0), forgotten.c.id)
        )
        async with self._db.read() as db:
            return [mapping.forgotten(row) for row in (await db.execute(asked)).all()]

    async def drop_forgotten(self) -> int:
        """Delete what was counted of days that are over; return how many rows."""
        over = forgotten.c.last_asked_at < _midnight(self._db.clock())
        async with self._db.write() as db:
            return (await db.execute(delete(forgotten).where(over))).rowcount

    async def _list(self, asked: Select[tuple[object, ...]]) -> list[Request]:
        async with self._db.read() as db:
            return [mapping.request(row) for row in (await db.execute(asked)).all()]

    async def _count(self, where: ColumnElement[bool]) -> int:
        asked = select(func.count()).select_from(requests).where(where)
        async with self._db.read() as db:
            return int((await db.execute(asked)).scalar_one())


def _how_many(where: ColumnElement[bool]) -> ScalarSelect[int]:
    return select(func.count()).select_from(requests).where(where).scalar_subquery()


#: Our own failures cost nobody anything, nor do they make anybody wait.
_COUNTS = requests.c.state != State.FAILED
#: A record counts as many times as it has tracks.
_COST = case((requests.c.kind == "album", requests.c.parameters["tracks"].as_integer()), else_=1)


def _cost(where: ColumnElement[bool], since: datetime) -> ScalarSelect[int]:
    """Count what was asked for."""
    counted = and_(where, _COUNTS, requests.c.created_at >= since)
    return select(func.coalesce(func.sum(_COST), 0)).where(counted).scalar_subquery()


def _still_counted(where: ColumnElement[bool], since: datetime) -> ScalarSelect[int]:
    """Count what was asked for by those whose requests are deleted."""
    counted = and_(where, forgotten.c.last_asked_at >= since)
    return select(func.coalesce(func.sum(forgotten.c.cost), 0)).where(counted).scalar_subquery()


def _midnight(moment: datetime) -> datetime:
    return moment.replace(hour=0, minute=0, second=0, microsecond=0)
