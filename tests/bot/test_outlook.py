from __future__ import annotations

from dataclasses import replace

import pytest

from bot.outlook import Forecast, Outlook, Speed, measured
from bot.parameters import EssayParameters
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


async def test_a_longer_one_takes_longer(timed: Store) -> None:
    long = EssayParameters(topic="the sea", words=200)
    made = await timed.requests.create(replace(essay(3), parameters=long))
    assert await Forecast(timed, workers=1).of(made) == Outlook(0, 40.0)
    await timed.close()


@pytest.mark.parametrize(
    ("samples", "speed"),
    [
        ([], None),
        ([(200, 8.0), (200, 12.0)], Speed(0.0, 0.05, 10.0)),
        ([(100, 6.0), (200, 10.0), (400, 18.0)], Speed(2.0, 0.04, 34 / 3)),
        ([(100, 1.0), (200, 5.0)], Speed(0.0, 0.02, 3.0)),  # nothing takes less than no time
        ([(100, 9.0), (200, 5.0)], Speed(7.0, 0.0, 7.0)),
    ],
)
def test_speeds_are_lines_through_what_was_measured(
    samples: list[tuple[int, float]], speed: Speed | None
) -> None:
    found = measured(samples)
    if speed is None or found is None:
        assert found is speed
        return
    assert (found.fixed, found.each, found.usual) == pytest.approx(
        (speed.fixed, speed.each, speed.usual)
    )


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
