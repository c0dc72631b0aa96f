"""Training runs: one waiting and one running a family."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from sqlalchemy import and_, insert, select, update
from sqlalchemy.exc import IntegrityError

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import RUN_OPEN, NewRun, Run, RunState
from bot.store.tables import runs


class Runs:
    """Everything about training runs; every change of state is a compare-and-set."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, new: NewRun) -> Run | None:
        """Queue a run; None when one of that family waits already."""
        values = mapping.run_columns(new) | {"state": RunState.WAITING, "progress": {}}
        values |= {"stop_requested": False, "created_at": self._db.clock()}
        try:
            async with self._db.write() as db:
                row = (await db.execute(insert(runs).values(values).returning(runs))).one()
        except IntegrityError:
            return None
        return mapping.run(row)

    async def get(self, run_id: int) -> Run | None:
        """Find one run."""
        async with self._db.read() as db:
            row = (await db.execute(select(runs).where(runs.c.id == run_id))).one_or_none()
        return None if row is None else mapping.run(row)

    async def open(self, family: str | None = None) -> list[Run]:
        """List the runs that wait or run, oldest first."""
        asked = select(runs).where(runs.c.state.in_(RUN_OPEN)).order_by(runs.c.id)
        if family is not None:
            asked = asked.where(runs.c.family == family)
        async with self._db.read() as db:
            return [mapping.run(row) for row in (await db.execute(asked)).all()]

    async def history(
        self,
        family: str | None = None,
        limit: int = 10,
        *,
        styles: Collection[int] | None = None,
        page: int = 0,
    ) -> list[Run]:
        """List the last runs, newest first; with ``styles``, only those that taught one of them."""
        asked = select(runs).order_by(runs.c.id.desc()).limit(limit).offset(page * limit)
        if family is not None:
            asked = asked.where(runs.c.family == family)
        if styles is not None:
            asked = asked.where(runs.c.style_id.in_(styles))
        async with self._db.read() as db:
            return [mapping.run(row) for row in (await db.execute(asked)).all()]

    async def of_version(self, family: str, version: str) -> Run | None:
        """Find the run that made a version."""
        asked = select(runs).where(runs.c.family == family, runs.c.version == version)
        async with self._db.read() as db:
            row = (await db.execute(asked.order_by(runs.c.id.desc()).limit(1))).one_or_none()
        return None if row is None else mapping.run(row)

    async def resumed(self, run_id: int) -> bool:
        """Say whether another run has gone on from this one."""
        asked = select(runs.c.id).where(runs.c.resumes == run_id, runs.c.run_dir.is_not(None))
        async with self._db.read() as db:
            return (await db.execute(asked.limit(1))).one_or_none() is not None

    async def owners(self, family: str) -> dict[str, int]:
        """Say which style each version that a style's run made belongs to."""
        asked = select(runs.c.version, runs.c.style_id).where(
            runs.c.family == family, runs.c.version.is_not(None), runs.c.style_id.is_not(None)
        )
        async with self._db.read() as db:
            return {row.version: row.style_id for row in (await db.execute(asked)).all()}

    async def start(self, run_id: int, run_dir: str, pid: int | None = None) -> bool:
        """Move a waiting run to running; False when another one of its family runs."""
        try:
            return await self._move(
                run_id,
                {RunState.WAITING},
                state=RunState.RUNNING,
                run_dir=run_dir,
                pid=pid,
                started_at=self._db.clock(),
            )
        except IntegrityError:
            return False

    async def set_pid(self, run_id: int, pid: int | None) -> bool:
        """Remember the process of a running run."""
        return await self._move(run_id, {RunState.RUNNING}, pid=pid)

    async def set_message(
        self, run_id: int, channel_id: int | None, message_id: int | None
    ) -> bool:
        """Remember which message shows the run."""
        return await self._move(run_id, set(RunState), channel_id=channel_id, message_id=message_id)

    async def report(self, run_id: int, progress: Mapping[str, Any]) -> bool:
        """Keep the last line of progress of a running run."""
        return await self._move(run_id, {RunState.RUNNING}, progress=dict(progress))

    async def set_record(self, run_id: int, record: Mapping[str, Any]) -> bool:
        """Keep what an open run learns from."""
        return await self._move(run_id, set(RUN_OPEN), record=dict(record))

    async def request_stop(self, run_id: int) -> Run | None:
        """Stop a waiting run at once, or ask a running one to; None when it is over."""
        stopped = await self._move(
            run_id,
            {RunState.WAITING},
            state=RunState.STOPPED,
            stop_requested=True,
            finished_at=self._db.clock(),
        )
        asked = stopped or await self._move(run_id, {RunState.RUNNING}, stop_requested=True)
        return await self.get(run_id) if asked else None

    async def finish(
        self, run_id: int, state: RunState, sentence: str, version: str | None = None
    ) -> bool:
        """Close an open run; True for the one caller that wins."""
        return await self._move(
            run_id,
            set(RUN_OPEN),
            state=state,
            sentence=str(sentence),
            version=version,
            pid=None,
            finished_at=self._db.clock(),
        )

    async def _move(self, run_id: int, old: set[RunState], **values: object) -> bool:
        where = and_(runs.c.id == run_id, runs.c.state.in_(old))
        async with self._db.write() as db:
            changed = await db.execute(
                update(runs).where(where).values(**values).returning(runs.c.id)
            )
            return changed.one_or_none() is not None
