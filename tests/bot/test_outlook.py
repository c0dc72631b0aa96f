from __future__ import annotations

import pytest

from bot.outlook import Forecast, Outlook
from bot.store import Store
from tests.bot.store.rows import Clock, beat, essay


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def timed(sqlite_url: str, clock: Clock) -> Store:
    """A store in which essays took 10 s and beats 4 s."""
    store = await Store.open(sqlite_url, clock=clock)
    for new, seconds in ((essay(1), 10), (beat(2), 4)):
        await store.requests.create(new)
        claimed = await store.requests.claim({"discord"}, "w")
        assert claimed is not None
        clock.advance(seconds)
        await store.requests.finish(claimed, None)
    return store


async def test_without_measurements_there_is_only_a_place(sqlite_store: Store) -> None:
    made = [await sqlite_store.requests.create(essay(user)) for user in (1, 2)]
    forecast = Forecast(sqlite_store, workers=1)
    assert await forecast.of(made[1]) == Outlook(1, None)


async def test_a_free_worker_begins_at_once(timed: Store) -> None:
    made = await timed.requests.create(essay(3))
    assert await Forecast(timed, workers=1).of(made) == Outlook(0, 10.0)
    await timed.close()


async def test_the_waiting_wait_for_those_before_them(timed: Store) -> None:
    made = [await timed.requests.create(new) for new in (essay(3), beat(4), essay(5), beat(6))]
    await timed.requests.claim({"discord"}, "w")
    forecast = Forecast(timed, workers=1)
    etas = [(await forecast.of(request)).eta for request in made[1:]]
    # Half of a typical 7 s is left of the running one; then 4 s; then 10 s.
    assert etas == [3.5 + 4, 3.5 + 4 + 10, 3.5 + 4 + 10 + 4]
    assert [outlook.place for _, outlook in await forecast.all("discord", 2)] == [0, 1]
    await timed.close()


async def test_more_workers_shorten_the_wait(timed: Store) -> None:
    for user in range(3, 9):
        await timed.requests.create(essay(user))
    last = (await timed.requests.waiting({"discord"}))[-1]
    etas = [(await Forecast(timed, workers).of(last)).eta for workers in (1, 2, 5, 6)]
    assert etas == [5 * 10 + 10, 5 * 5 + 10, 5 * 2 + 10, 10]  # the sixth worker is free
    await timed.close()


async def test_what_does_not_wait_has_no_outlook(timed: Store) -> None:
    made = await timed.requests.create(essay(3))
    await timed.requests.claim({"discord"}, "w")
    assert await Forecast(timed, workers=1).of(made) == Outlook(0, None)
    await timed.close()
