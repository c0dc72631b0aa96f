"""The service and its desks around engines steered by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.contract import (
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayRequest,
    Family,
    Problem,
    Progress,
)
from models.desks import BeatDesk, Event, Full, Stream
from models.registry import Registry
from models.service import GenerationService, Makers, Unacceptable
from tests.models.doubles import HandStudio, StepEngine, publish

ESSAY = EssayRequest(request_id="1", topic="rivers", seed=7)
BEAT = BeatRequest(request_id="2", seed=7)


class House:
    """A service whose engines a test can reach."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.engine = StepEngine()
        self.studio = HandStudio()
        self.service = GenerationService(
            Registry(root, None),
            Makers(lambda: self.engine, lambda: self.studio),
            stuck_seconds=30,
        )


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    publish(tmp_path, "essay", "e-1")
    publish(tmp_path, "music", "m-1")
    house = House(tmp_path)
    await house.service.start()
    yield house
    await house.service.stop()


async def read(stream: Stream) -> list[Event]:
    return [event async for event in stream]


async def until(check: object, seconds: float = 2.0) -> None:
    assert callable(check)
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.005)


async def test_an_essay_comes_in_pieces_and_ends_once(house: House) -> None:
    stream = house.service.essay(ESSAY)
    house.engine.step(3)
    events = await read(stream)
    assert [type(event) for event in events[-4:]] == [EssayDelta] * 3 + [EssayDone]
    assert sum(isinstance(event, EssayDone) for event in events) == 1
    assert await read(stream) == []


async def test_cancelling_an_essay_frees_its_slot(house: House) -> None:
    streams = [house.service.essay(ESSAY) for _ in range(2)]
    with pytest.raises(Full) as caught:
        house.service.essay(ESSAY)
    assert caught.value.retry_after == 2.5
    streams[0].cancel()
    house.service.essay(ESSAY).cancel()


async def test_beats_wait_in_line_and_hear_how_many_are_before_them(house: House) -> None:
    streams = [house.service.beat(BEAT.model_copy(update={"seed": n})) for n in range(5)]
    await until(lambda: house.service.health().engines[1].active == 2)
    assert house.service.health().engines[1].waiting == 3
    house.studio.go.set()
    told = await asyncio.gather(*map(read, streams))
    ends = [events[-1] for events in told]
    assert [take.seed for take in ends if isinstance(take, BeatTake)] == [0, 1, 2, 3, 4]
    places = [e.ahead for e in told[4] if isinstance(e, Progress) and e.stage == "queued"]
    assert max(places) >= 2
    assert places[-1] == 0


async def test_a_full_beat_queue_gives_a_time_and_takes_work_again_later(house: House) -> None:
    desk = BeatDesk(house.studio, threads=1, queue_limit=1)
    first, second = desk.open(BEAT), desk.open(BEAT)
    with pytest.raises(Full) as caught:
        desk.open(BEAT)
    assert caught.value.retry_after >= 1
    second.cancel()
    await until(lambda: desk.health().waiting == 0)
    third = desk.open(BEAT)
    house.studio.go.set()
    assert isinstance((await read(first))[-1], BeatTake)
    assert isinstance((await read(third))[-1], BeatTake)
    assert house.studio.made == 2
    desk.stop()


async def test_a_cancelled_beat_ends_at_its_next_step(house: House) -> None:
    stream = house.service.beat(BEAT)
    await until(lambda: house.service.health().engines[1].active == 1)
    stream.cancel()
    await until(lambda: house.studio.given_up == 1)
    await until(lambda: house.service.health().engines[1].active == 0)


async def test_a_beat_that_breaks_is_a_problem_of_that_beat_alone(house: House) -> None:
    house.studio.go.set()
    broken = await read(house.service.beat(BEAT.model_copy(update={"seed": 13})))
    assert isinstance(broken[-1], Problem)
    assert isinstance((await read(house.service.beat(BEAT)))[-1], BeatTake)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"style": "baroque"}, "baroque"),
        ({"version": "e-9"}, "e-9"),
    ],
)
async def test_unknown_names_are_refused_by_name(
    house: House, change: dict[str, str], part: str
) -> None:
    with pytest.raises(Unacceptable, match=part):
        house.service.essay(ESSAY.model_copy(update=change))
    with pytest.raises(Unacceptable, match=part):
        house.service.beat(BEAT.model_copy(update=change))


async def test_a_key_that_does_not_exist_is_refused(house: House) -> None:
    with pytest.raises(Unacceptable, match="H major"):
        house.service.beat(BEAT.model_copy(update={"key": "H major"}))


async def test_the_live_version_can_be_asked_for_by_name_or_alias(house: House) -> None:
    for name in ("e-1", "live"):
        house.service.essay(ESSAY.model_copy(update={"version": name})).cancel()


async def test_a_reload_takes_the_new_version_and_leaves_essays_in_flight_alone(
    house: House,
) -> None:
    old = house.service.essay(ESSAY)
    await anext(old)
    publish(house.root, "essay", "e-2")
    done = await house.service.reload(Family.ESSAY)
    assert (done.before, done.now) == ("e-1", "e-2")
    new = house.service.essay(ESSAY)
    house.engine.step(6)
    ends = [(await read(stream))[-1] for stream in (old, new)]
    assert [end.model_version for end in ends if isinstance(end, EssayDone)] == ["e-1", "e-2"]
    named = {model.version: model.aliases for model in house.service.models().models}
    assert named == {"e-2": ("live",), "m-1": ("live",)}


async def test_a_damaged_version_is_refused_by_name_and_the_old_one_stays(house: House) -> None:
    version = publish(house.root, "essay", "e-2")
    (version.path / "config.json").write_text("{}")
    with pytest.raises(Unacceptable, match="e-2 is damaged"):
        await house.service.reload(Family.ESSAY)
    house.engine.step(3)
    end = (await read(house.service.essay(ESSAY)))[-1]
    assert isinstance(end, EssayDone)
    assert end.model_version == "e-1"


async def test_a_version_that_does_not_load_leaves_the_old_one(house: House) -> None:
    publish(house.root, "essay", "e-2", bad=True)
    with pytest.raises(Unacceptable, match="e-2 cannot be loaded"):
        await house.service.reload(Family.ESSAY)
    assert house.service.models().models[0].version == "e-1"


async def test_a_family_without_a_version_is_closed_until_it_has_one(tmp_path: Path) -> None:
    publish(tmp_path, "music", "m-1")
    house = House(tmp_path)
    await house.service.start()
    assert house.service.health().ok
    with pytest.raises(Unacceptable, match="no essay model yet"):
        house.service.essay(ESSAY)
    publish(tmp_path, "essay", "e-1")
    assert (await house.service.reload(Family.ESSAY)).before is None
    house.service.essay(ESSAY).cancel()
    await house.service.stop()


async def test_a_service_that_starts_on_a_damaged_version_uses_the_one_before(
    tmp_path: Path,
) -> None:
    for name in ("e-1", "e-2"):
        version = publish(tmp_path, "essay", name)
    (version.path / "config.json").unlink()
    house = House(tmp_path)
    await house.service.start()
    assert [model.version for model in house.service.models().models] == ["e-1"]
    health = house.service.health()
    assert health.ok
    assert "e-2 is damaged" in health.sentence
    assert "e-1 is used instead" in health.sentence
    await house.service.stop()


async def test_an_engine_with_work_that_does_not_move_is_sick(house: House) -> None:
    house.engine.idle = 100
    assert house.service.health().ok  # idle without work is healthy
    house.service.essay(ESSAY)
    sick = house.service.health()
    assert not sick.ok
    assert "essay" in sick.sentence


async def test_a_dead_engine_thread_is_sick(house: House) -> None:
    house.engine.running = False
    assert not house.service.health().ok


async def test_a_broken_list_of_aliases_leaves_the_model_in_use(house: House) -> None:
    (house.root / "essay" / "aliases.json").write_text("{")
    with pytest.raises(Unacceptable, match="essay models cannot be read"):
        await house.service.reload(Family.ESSAY)
    assert house.service.models().models[0].version == "e-1"
    house.service.essay(ESSAY).cancel()
