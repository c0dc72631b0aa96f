"""Places in the queue are told to those who wait, and to nobody else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from bot.announcer import Announcer
from bot.outlook import Forecast, Outlook
from bot.settings import Settings
from bot.store import Request, State, Store
from bot.worker import Worker
from tests.bot.asked import essay_done, essay_request
from tests.bot.doubles import Listener, Script, ScriptedClient
from tests.bot.store.rows import essay


class Line(Forecast):
    """A queue that the test lays down."""

    def __init__(self, *waiting: Request) -> None:
        self.waiting: Iterable[Request] = waiting

    async def all(self, origin: str, limit: int | None = None) -> list[tuple[Request, Outlook]]:
        return [(request, Outlook(n, None)) for n, request in enumerate(self.waiting)]


class Slow(Listener):
    """A front end that is held up while it says a place."""

    def __init__(self) -> None:
        super().__init__()
        self.saying, self.go = asyncio.Event(), asyncio.Event()

    async def queued(self, request: Request, place: int, eta: float | None) -> None:
        await super().queued(request, place, eta)
        self.saying.set()
        await self.go.wait()


ONE, TWO = (essay_request(id=number, state=State.QUEUED) for number in (1, 2))


async def test_who_waits_no_longer_when_the_turn_comes_is_not_told() -> None:
    front = Slow()
    announcer = Announcer(Line(ONE, TWO), {"discord": front}, set)
    announcing = asyncio.create_task(announcer._announce())
    await front.saying.wait()
    announcer.forget(TWO.id)  # begun and ended, or cancelled, since the list was made
    front.go.set()
    await announcing
    assert front.places == {ONE.id: [0]}


async def test_who_is_taken_while_being_told_is_told_again_when_waiting_again() -> None:
    front = Slow()
    announcer = Announcer(Line(ONE), {"discord": front}, set)
    announcing = asyncio.create_task(announcer._announce())
    await front.saying.wait()
    announcer.forget(ONE.id)
    front.go.set()
    await announcing
    await announcer._announce()
    await announcer._announce()
    assert front.places == {ONE.id: [0, 0]}


async def test_who_was_handed_back_is_told_as_soon_as_the_work_has_ended() -> None:
    front, running = Listener(), {ONE.id}
    announcer = Announcer(Line(ONE), {"discord": front}, lambda: running)
    await announcer._announce()
    assert not front.places
    running.clear()
    await announcer._announce()
    assert front.places == {ONE.id: [0]}


async def test_a_result_that_waits_for_another_delivery_is_not_covered() -> None:
    made = essay_request(id=1, state=State.QUEUED, outcome=essay_done())
    front = Listener()
    await Announcer(Line(made, TWO), {"discord": front}, set)._announce()
    assert front.places == {TWO.id: [1]}


class Held(Forecast):
    """Makes lists as always, and holds the first one back."""

    def __init__(self, store: Store) -> None:
        super().__init__(store, workers=1)
        self.first, self.go, self.second = asyncio.Event(), asyncio.Event(), asyncio.Event()

    async def all(self, origin: str, limit: int | None = None) -> list[tuple[Request, Outlook]]:
        found = await super().all(origin, limit)
        (self.second if self.first.is_set() else self.first).set()
        await self.go.wait()
        return found


@pytest.mark.parametrize("end", ["deliver", "cancelled"])
async def test_the_end_of_a_request_is_its_last_word(
    sqlite_store: Store, settings: Settings, monkeypatch: pytest.MonkeyPatch, end: str
) -> None:
    monkeypatch.setattr("bot.announcer.PAUSE_SECONDS", 0.0)
    hold, front, forecast = Script(hold=True), Listener(), Held(sqlite_store)
    _, made = [await sqlite_store.requests.create(essay(user)) for user in (1, 2)]
    alone = settings.model_copy(update={"workers": 1})
    worker = Worker(
        sqlite_store, ScriptedClient(hold), {"discord": front}, alone, forecast=forecast
    )
    running = asyncio.create_task(worker.run())
    async with asyncio.timeout(30.0):
        await forecast.first.wait()  # the second request waits, and stands on the list
        if end == "deliver":
            hold.gate.set()
            while made.id not in front.results or worker.busy:
                await asyncio.sleep(0.01)
        else:
            await worker.cancel(made.id)
        forecast.go.set()
        await forecast.second.wait()  # so the first list is done with
        hold.gate.set()
        await worker.stop(3.0)
        await running
    assert [what for what, number in front.told if number == made.id][-1] == end
