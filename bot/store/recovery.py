"""What becomes of requests whose worker went silent."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, or_, select

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


class Recovery(Queue):
    """The moves that put right what a crash left behind."""

    async def recover(self, stale: timedelta) -> list[Request]:
        """Queue or fail the rows whose worker went silent; return them as they are now.

        The rows of an ended request keep no token, but those returned do, for a last word.
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
        moved = [await self._recover_one(mapping.request(row), silent, now) for row in rows]
        return [request for request in moved if request is not None]

    async def _recover_one(
        self, lost: Request, silent: ColumnElement[bool], now: datetime
    ) -> Request | None:
        mine = requests.c.id == lost.id
        if lost.state is State.RUNNING:
            mine = and_(held(lost), silent)
        ended = {"finished_at": now, "interaction_token": None}
        if lost.cancel_requested:
            won = await self._move(lost.state, State.CANCELLED, mine, _SILENT, **ended)
        elif lost.outcome is not None and lost.state is State.RUNNING:
            # It may be on the screen already: never say that it failed, and never make it again.
            won = await self._recover_made(lost, mine, now, **ended)
        elif lost.state is State.QUEUED or now - lost.created_at > MAX_AGE:
            won = await self._fail_lost(lost, mine, Sentence("too_old"), **ended)
        elif lost.attempts >= MAX_ATTEMPTS:
            won = await self._fail_lost(lost, mine, Sentence("lost"), **ended)
        else:
            won = await self._move(lost.state, State.QUEUED, mine, _SILENT, **UNCLAIMED)
        found = await self._fetch(requests.c.id == lost.id) if won else None
        # Whoever says what became of it still needs the token that the row has lost.
        return found and replace(found, interaction_token=lost.interaction_token)

    async def _recover_made(
        self, lost: Request, mine: ColumnElement[bool], now: datetime, **ended: object
    ) -> bool:
        if lost.attempts < MAX_DELIVERIES and now - lost.created_at <= MAX_AGE:
            return await self._move(lost.state, State.QUEUED, mine, _SILENT, **UNCLAIMED)
        why = Sentence("nowhere", id=lost.id)
        return await self._move(lost.state, State.EXPIRED, mine, why, error=str(why), **ended)

    async def _fail_lost(
        self, lost: Request, mine: ColumnElement[bool], why: Sentence, **values: object
    ) -> bool:
        return await self._move(lost.state, State.FAILED, mine, why, error=str(why), **values)
