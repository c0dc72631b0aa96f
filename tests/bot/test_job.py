from __future__ import annotations

import asyncio

import pytest

from bot.job import Interrupted, Job, Reason
from bot.store import Request, State, utc_now
from tests.bot.store.rows import essay


@pytest.fixture
def job() -> Job:
    new = essay(1)
    request = Request(
        kind=new.kind,
        parameters=new.parameters,
        seed=new.seed,
        origin=new.origin,
        user_id=1,
        id=1,
        state=State.RUNNING,
        created_at=utc_now(),
    )
    return Job(request)


async def forever(closed: list[str]) -> str:
    try:
        await asyncio.sleep(60)
        return "done"
    finally:
        closed.append("closed")


async def test_work_returns_what_it_made(job: Job) -> None:
    assert await job.make(asyncio.sleep(0, "made")) == "made"


async def test_work_is_broken_off_with_the_first_reason(job: Job) -> None:
    closed: list[str] = []
    making = asyncio.create_task(job.make(forever(closed)))
    await asyncio.sleep(0.01)
    job.interrupt(Reason.CANCELLED)
    job.interrupt(Reason.STOPPING)
    with pytest.raises(Interrupted) as caught:
        await making
    assert caught.value.reason is Reason.CANCELLED and closed == ["closed"]


async def test_what_was_broken_off_before_does_not_begin(job: Job) -> None:
    job.interrupt(Reason.STOPPING)
    with pytest.raises(Interrupted):
        await job.make(forever([]))


async def test_after_the_work_it_is_too_late(job: Job) -> None:
    await job.make(asyncio.sleep(0))
    job.interrupt(Reason.CANCELLED)
    await asyncio.sleep(0)


async def test_the_end_of_ones_own_task_is_not_an_interruption(job: Job) -> None:
    closed: list[str] = []
    making = asyncio.create_task(job.make(forever(closed)))
    await asyncio.sleep(0.01)
    making.cancel()
    with pytest.raises(asyncio.CancelledError):
        await making
    await asyncio.sleep(0)
    assert closed == ["closed"]
