"""What becomes of requests whose worker went silent."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select, update

from bot.sentences import Sentence
from bot.store import mapping
from bot.store.queue import MAX_ATTEMPTS, UNCLAIMED, Queue, held
from bot.store.shapes import Request
from bot.store.states import State
from bot.store.tables import requests

#: How often a result that is there already may be on its way to its message.
MAX_DELIVERIES = 10
#: How old a request may be for its work to begin again after a crash.
MAX_AGE = timedelta(minutes=15)
_SILENT = "its worker went silent"


#: Tells a person how their request ends: the request, its coming state, and the sentence if any.
LastWord = Callable[[Request, State, Sentence | None], Awaitable[None]]


async def silence(_: Request, __: State, ___: Sentence | None) -> None:
    """Tell nobody."""


class Recovery(Queue):
    """The moves that put right what a crash left behind."""

    async def recover(self, stale: timedelta, say: LastWord = silence) -> list[Request]:
        """Queue or end the rows whose worker went silent; return them as they are now.

        A last word is said before it is committed, under a claim of its own: after a crash in
        between, the row goes silent again and the word is said again, by the same edit.
        """
        now = self._db.clock()
        silent = and_(
            requests.c.state == State.RUNNING,
            or_(requests.c.heartbeat_at.is_(None), requests.c.heartbeat_at < now - stale),
        )
        # A queued row reserved for a process that is gone would wait for ever.
        orphaned = and_(
            requests.c.state == State.QUEUED,
            requests.c.reserved_for.is_not(None),
            requests.c.created_at < now - MAX_AGE,
        )
        async with self._db.read() as db:
            rows = (await db.execute(select(requests).where(or_(silent, orphaned)))).all()
        moved = [await self._recover_one(mapping.request(row), silent, now, say) for row in rows]
        return [request for request in moved if request is not None]

    async def _recover_one(
        self, lost: Request, silent: ColumnElement[bool], now: datetime, say: LastWord
    ) -> Request | None:
        mine = requests.c.id == lost.id
        if lost.state is State.RUNNING:
            mine = and_(held(lost), silent)
        if lost.cancel_requested:
            won = await self._end_lost(lost, mine, State.CANCELLED, None, say)
        elif lost.outcome is not None and lost.state is State.RUNNING:
            # It may be on the screen already: never say that it failed, and never make it again.
            won = await self._recover_made(lost, mine, now)
        elif lost.state is State.QUEUED or now - lost.created_at > MAX_AGE:
            won = await self._end_lost(lost, mine, State.FAILED, Sentence("too_old"), say)
        elif lost.attempts >= MAX_ATTEMPTS:
            won = await self._end_lost(lost, mine, State.FAILED, Sentence("lost"), say)
        else:
            won = await self._move(lost.state, State.QUEUED, mine, _SILENT, **UNCLAIMED)
        return await self._fetch(requests.c.id == lost.id) if won else None

    async def _recover_made(self, lost: Request, mine: ColumnElement[bool], now: datetime) -> bool:
        if lost.attempts < MAX_DELIVERIES and now - lost.created_at <= MAX_AGE:
            return await self._move(lost.state, State.QUEUED, mine, _SILENT, **UNCLAIMED)
        why = Sentence("nowhere", id=lost.id)
        ended = {"finished_at": now, "interaction_token": None}
        return await self._move(lost.state, State.EXPIRED, mine, why, error=str(why), **ended)

    async def _end_lost(
        self,
        lost: Request,
        mine: ColumnElement[bool],
        new: State,
        why: Sentence | None,
        say: LastWord,
    ) -> bool:
        """Take the row over, say the last word, and only then end it."""
        if lost.state is State.RUNNING:
            claim = secrets.token_hex(8)
            taken = (
                update(requests)
                .where(mine)
                .values(claim=claim, heartbeat_at=self._db.clock())
                .returning(requests.c.id)
            )
            async with self._db.write() as db:
                if (await db.execute(taken)).one_or_none() is None:
                    return False
            lost = replace(lost, claim=claim)
            mine = held(lost)
        await say(lost, new, why)
        ended = {"finished_at": self._db.clock(), "interaction_token": None}
        error = {} if why is None else {"error": str(why)}
        return await self._move(lost.state, new, mine, why or _SILENT, **error, **ended)
