"""The moves of a request: claim, heartbeat, ends. Each is a compare-and-set."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Collection
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, ScalarSelect, and_, case, func, insert, or_, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from bot.store import mapping
from bot.store.artifacts import record
from bot.store.database import Database
from bot.store.shapes import NOBODY, SAMPLE, Artifact, NewRequest, Outcome, Pulse, Request
from bot.store.states import State, may_move
from bot.store.tables import artifacts, events, requests

#: How often work on a request may begin before it is given up.
MAX_ATTEMPTS = 2
#: Writes the files of a request whose number is known.
Writer = Callable[[int], Awaitable[Collection[Artifact]]]
#: How long it matters that a user has been served.
REMEMBERED = timedelta(days=1)


def turn(now: datetime) -> ColumnElement[datetime]:
    """Order of service: oldest first, but behind the start of the same user's last request.

    So users take turns, and nobody starves: what is served before a request can only get less.
    """
    earlier = requests.alias("earlier")
    last: ScalarSelect[datetime] = (
        select(func.max(earlier.c.started_at))
        .where(
            earlier.c.user_id == requests.c.user_id,
            earlier.c.created_at > now - REMEMBERED,
            earlier.c.id != requests.c.id,
        )
        .correlate(requests)
        .scalar_subquery()
    )
    return case(
        (requests.c.user_id == NOBODY, requests.c.created_at),
        (last > requests.c.created_at, last),
        else_=requests.c.created_at,
    )


class Queue:
    """The part of the requests' queries that changes states."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, new: NewRequest, files: Writer | None = None) -> Request:
        """Queue an admitted request, with files that it needs: nobody ever sees it without."""
        now = self._db.clock()
        values = {**mapping.columns(new), "state": State.QUEUED, "created_at": now}
        values |= {"attempts": 0, "cancel_requested": False}
        async with self._db.write() as db:
            row = (await db.execute(insert(requests).values(values).returning(requests))).one()
            if files is not None:
                await record(db, row.id, await files(row.id))
            await _log(db, row.id, now, None, State.QUEUED, "asked")
        return mapping.request(row)

    async def claim(self, origins: Collection[str], worker: str) -> Request | None:
        """Take the next request for a worker, or None when none may run now."""
        for _ in range(3):  # two claims for one user at once: the database lets one through
            try:
                return await self._claim(origins, worker)
            except IntegrityError:
                continue
        return None

    async def _claim(self, origins: Collection[str], worker: str) -> Request | None:
        now = self._db.clock()
        running = requests.alias("running")
        user_runs = select(running.c.id).where(
            running.c.user_id == requests.c.user_id, running.c.state == State.RUNNING
        )
        # The service makes one record at a time; a second one would only keep a worker waiting.
        album_runs = select(running.c.id).where(
            running.c.kind == "album",
            running.c.state == State.RUNNING,
            running.c.origin == requests.c.origin,
        )
        chosen = (
            select(requests.c.id)
            .where(
                requests.c.state == State.QUEUED,
                requests.c.origin.in_(origins),
                or_(requests.c.reserved_for.is_(None), requests.c.reserved_for == worker),
                or_(requests.c.not_before.is_(None), requests.c.not_before <= now),
                or_(requests.c.user_id == NOBODY, ~user_runs.exists()),
                or_(requests.c.kind != "album", ~album_runs.exists()),
            )
            .order_by(turn(now), requests.c.id)
            .limit(1)
            .correlate(None)
        )
        if self._db.is_postgres:
            chosen = chosen.with_for_update(skip_locked=True, of=requests)
        taken = (
            update(requests)
            .where(requests.c.id == chosen.scalar_subquery(), requests.c.state == State.QUEUED)
            .values(
                state=State.RUNNING,
                worker=worker,
                claim=secrets.token_hex(8),
                attempts=requests.c.attempts + 1,
                started_at=now,
                heartbeat_at=now,
                not_before=None,
            )
            .returning(requests)
        )
        async with self._db.write() as db:
            row = (await db.execute(taken)).one_or_none()
            if row is None:
                return None
            await _log(db, row.id, now, State.QUEUED, State.RUNNING, f"claimed by {worker}")
        return mapping.request(row)

    async def heartbeat(self, claims: Collection[str]) -> Pulse:
        """Say that these claims are alive; learn which are lost and which should stop."""
        if not claims:
            return Pulse(frozenset(), frozenset())
        beat = (
            update(requests)
            .where(requests.c.state == State.RUNNING, requests.c.claim.in_(claims))
            .values(heartbeat_at=self._db.clock())
            .returning(requests.c.claim, requests.c.cancel_requested)
        )
        async with self._db.write() as db:
            rows = (await db.execute(beat)).all()
        return Pulse(
            held=frozenset(row.claim for row in rows),
            cancelled=frozenset(row.claim for row in rows if row.cancel_requested),
        )

    async def keep(
        self,
        request: Request,
        outcome: Outcome,
        files: Collection[Artifact],
    ) -> bool:
        """Record what was made before it is delivered; False when the claim is lost."""
        async with self._db.write() as db:
            kept = await db.execute(
                update(requests)
                .where(held(request))
                .values(outcome=mapping.outcome(outcome), model_version=outcome.model_version)
                .returning(requests.c.id)
            )
            if kept.one_or_none() is None:
                return False
            mine = and_(artifacts.c.request_id == request.id, artifacts.c.kind != SAMPLE)
            await db.execute(artifacts.delete().where(mine))
            await record(db, request.id, files)
        return True

    async def finish(self, request: Request, message_id: int | None) -> bool:
        """Close a delivered request; True for the one caller that wins."""
        values = {} if message_id is None else {"message_id": message_id}
        return await self._end(request, State.DONE, "delivered", **values)

    async def fail(self, request: Request, sentence: str) -> bool:
        """Close a request that came to nothing."""
        return await self._end(request, State.FAILED, sentence, error=str(sentence))

    async def refuse(self, request: Request, sentence: str) -> bool:
        """Close a request whose result must not be shown; nothing of the result stays."""
        return await self._end(request, State.REFUSED, sentence, error=str(sentence), outcome=None)

    async def expire(self, request: Request, sentence: str) -> bool:
        """Close a request whose result has nowhere to go."""
        return await self._end(request, State.EXPIRED, sentence, error=str(sentence))

    async def cancel(self, request: Request) -> bool:
        """Close a running request that was asked to stop."""
        return await self._end(request, State.CANCELLED, "stopped as asked")

    async def hand_back(
        self,
        request: Request,
        *,
        delay: float = 0.0,
        counted: bool = True,
        why: str = "handed back",
    ) -> bool:
        """Queue a running request again; not counted, the attempt has not happened."""
        now = self._db.clock()
        return await self._move(
            State.RUNNING,
            State.QUEUED,
            held(request),
            why,
            not_before=now + timedelta(seconds=delay) if delay else None,
            attempts=requests.c.attempts - (0 if counted else 1),
            **UNCLAIMED,
        )

    async def request_cancel(self, request_id: int) -> Request | None:
        """Cancel a queued request at once, or ask a running one to stop; None when it is over."""
        mine = requests.c.id == request_id
        while True:
            before = await self._fetch(mine)
            if before is None or before.state not in (State.QUEUED, State.RUNNING):
                return None
            ended = {"finished_at": self._db.clock(), "interaction_token": None}
            why = "cancelled while waiting"
            if await self._move(State.QUEUED, State.CANCELLED, mine, why, **ended):
                return replace(before, state=State.CANCELLED)
            asked = await self._ask_to_stop(mine)
            if asked is not None:
                return asked
            # Neither waiting nor running: it is over, or was handed back in between.

    async def _ask_to_stop(self, mine: ColumnElement[bool]) -> Request | None:
        """Ask a running request to stop; None when it does not run."""
        asked = (
            update(requests)
            .where(mine, requests.c.state == State.RUNNING)
            .values(cancel_requested=True)
            .returning(requests)
        )
        async with self._db.write() as db:
            row = (await db.execute(asked)).one_or_none()
        return None if row is None else mapping.request(row)

    async def revive(self, request_id: int, channel_id: int | None, message_id: int | None) -> bool:
        """Complete an expired request whose result was shown after all."""
        return await self._move(
            State.EXPIRED,
            State.DONE,
            requests.c.id == request_id,
            "shown later",
            error=None,
            channel_id=channel_id,
            message_id=message_id,
        )

    async def _end(self, request: Request, new: State, why: str, **values: object) -> bool:
        # The token is a key to the user's conversation: it goes as soon as it is of no use.
        values |= {"finished_at": self._db.clock(), "interaction_token": None}
        return await self._move(State.RUNNING, new, held(request), why, **values)

    async def _move(
        self, old: State, new: State, where: ColumnElement[bool], why: str, **values: object
    ) -> bool:
        """Change the state of one row as the table of transitions allows; say who won."""
        if not may_move(old, new):
            raise ValueError(f"a request does not go from {old} to {new}")
        changed = (
            update(requests)
            .where(where, requests.c.state == old)
            .values(state=new, **values)
            .returning(requests.c.id)
        )
        async with self._db.write() as db:
            row = (await db.execute(changed)).one_or_none()
            if row is not None:
                await _log(db, row.id, self._db.clock(), old, new, why)
        return row is not None

    async def _fetch(self, where: ColumnElement[bool]) -> Request | None:
        async with self._db.read() as db:
            row = (await db.execute(select(requests).where(where))).one_or_none()
        return None if row is None else mapping.request(row)


#: What a row that goes back to the queue loses.
UNCLAIMED: dict[str, None] = {
    "worker": None,
    "claim": None,
    "started_at": None,
    "heartbeat_at": None,
}


def held(request: Request) -> ColumnElement[bool]:
    """Match the row of a request while its claim is still this one."""
    return and_(requests.c.id == request.id, requests.c.claim == request.claim)


async def _log(
    db: AsyncConnection, request_id: int, at: datetime, old: State | None, new: State, why: str
) -> None:
    await db.execute(
        insert(events).values(request_id=request_id, at=at, old=old, new=new, why=str(why))
    )
