"""The service and its desks around engines steered by hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.acceptance import Unacceptable
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
from models.library import Makers
from models.registry import Registry
from models.service import GenerationService
from tests.models.doubles import HandStudio, StepEngine, publish

ESSAY = EssayRequest(request_id="1", topic="rivers", seed=7)
BEAT = BeatRequest(request_id="2", seed=7)


class House:
    """A service whose engines a test can reach."""

    def __init__(self, root: Path, memory_mb: float = 1024) -> None:
        self.root = root
        self.engine = StepEngine()
        self.studio = HandStudio()
        self.service = GenerationService(
            Registry(root, None),
            Makers(lambda: self.engine, lambda: self.studio),
            stuck_seconds=30,
            memory_mb=memory_mb,
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


async def until(check: object, seconds: float = 30.0) -> None:
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


async def test_an_opening_that_leaves_no_room_is_refused(house: House) -> None:
    asked = ESSAY.model_copy(update={"opening": "word " * 81, "words": 100})
    with pytest.raises(Unacceptable, match="has 81 words already, so please ask for at least 101"):
        house.service.essay(asked)
    house.service.essay(asked.model_copy(update={"words": 101})).cancel()


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
    assert named == {"e-2": ("live",), "e-1": ("previous",), "m-1": ("live",)}
    assert (await house.service.reload(Family.ESSAY)).stall == 0.002


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


async def test_a_request_waits_until_the_version_it_asks_for_is_loaded(house: House) -> None:
    publish(house.root, "essay", "mine", live=False, style="curt")
    Registry(house.root, None).move_alias("essay", "s12.live", "mine")
    house.engine.loading.clear()
    asked = ESSAY.model_copy(update={"version": "s12.live", "style": "curt"})
    waiting, other = house.service.essay(asked), house.service.essay(ESSAY)
    first = await anext(waiting)
    assert isinstance(first, Progress) and first.stage == "queued"
    house.engine.step(3)
    assert _version(await read(other)) == "e-1"
    house.engine.loading.set()
    house.engine.step(3)
    assert _version(await read(waiting)) == "mine"
    named = {model.version: model.aliases for model in house.service.models().models}
    assert named == {"e-1": ("live",), "mine": ("s12.live",), "m-1": ("live",)}
    house.engine.step(3)
    assert _version(await read(house.service.essay(asked))) == "mine"  # at once this time


def _version(events: list[Event]) -> str:
    assert isinstance(events[-1], EssayDone | BeatTake), events[-1]
    return events[-1].model_version


async def test_a_style_is_looked_for_in_the_version_asked_for(house: House) -> None:
    publish(house.root, "essay", "mine", live=False, style="curt")
    curt = ESSAY.model_copy(update={"style": "curt"})
    with pytest.raises(Unacceptable, match="'curt'; choose plain"):
        house.service.essay(curt)
    house.engine.step(3)
    assert _version(await read(house.service.essay(curt.model_copy(update={"version": "mine"}))))
    with pytest.raises(Unacceptable, match="'odd'; choose plain or curt"):
        house.service.essay(ESSAY.model_copy(update={"version": "mine", "style": "odd"}))


@pytest.mark.parametrize("bad", [True, False])
async def test_a_version_that_cannot_be_had_is_one_sentence_of_that_request(
    house: House, bad: bool
) -> None:
    version = publish(house.root, "essay", "mine", live=False, bad=bad)
    if not bad:
        (version.path / "config.json").write_text("{}")
    events = await read(house.service.essay(ESSAY.model_copy(update={"version": "mine"})))
    last = events[-1]
    assert isinstance(last, Problem) and not last.again
    assert last.sentence.startswith("essay mine ")
    assert house.service.shelf.loads[Family.ESSAY, "refused"] == 1
    house.engine.step(3)
    assert _version(await read(house.service.essay(ESSAY))) == "e-1"


async def test_a_request_that_goes_while_its_version_loads_is_never_begun(house: House) -> None:
    publish(house.root, "essay", "mine", live=False)
    house.engine.loading.clear()
    stream = house.service.essay(ESSAY.model_copy(update={"version": "mine"}))
    stream.cancel()
    house.engine.loading.set()
    await until(lambda: (Family.ESSAY, "mine") in house.service.shelf)
    await asyncio.sleep(0)
    assert not house.engine.tickets


async def test_unused_versions_leave_when_memory_is_short(tmp_path: Path) -> None:
    for name in ("e-1", "a", "b"):
        publish(tmp_path, "essay", name, live=name == "e-1")
    house = House(tmp_path, memory_mb=2)
    await house.service.start()
    asked = {n: ESSAY.model_copy(update={"version": n}) for n in ("a", "b")}
    used = house.service.essay(asked["a"])
    await until(lambda: len(house.engine.tickets) == 1)
    house.engine.step(6)
    assert _version(await read(house.service.essay(asked["b"]))) == "b"
    assert _version(await read(used)) == "a"  # it was needed, so both were held meanwhile
    assert set(house.engine.held) == {"e-1", "b"}
    assert house.service.shelf.evictions[Family.ESSAY] == 1
    await house.service.stop()


async def test_beats_are_made_on_the_version_asked_for(house: House) -> None:
    publish(house.root, "music", "mine", live=False)
    house.studio.go.set()
    asked = BEAT.model_copy(update={"version": "mine"})
    assert _version(await read(house.service.beat(asked))) == "mine"
    assert _version(await read(house.service.beat(BEAT))) == "m-1"


async def test_reloading_a_style_loads_it_and_leaves_the_live_version(house: House) -> None:
    registry = Registry(house.root, None)
    for name in ("mine-1", "mine-2"):
        publish(house.root, "essay", name, live=False)
        registry.move_alias("essay", "s12.live", name)
        done = await house.service.reload(Family.ESSAY, "s12.live")
    assert (done.before, done.now) == ("mine-1", "mine-2")
    assert house.engine.version is not None and house.engine.version.name == "e-1"
    assert {"mine-1", "mine-2"} < set(house.engine.held)


async def test_rolling_back_loads_nothing(house: House) -> None:
    publish(house.root, "essay", "e-2")
    await house.service.reload(Family.ESSAY)
    Registry(house.root, None).rollback("essay")
    house.engine.loading.clear()  # a load would never end
    assert (await house.service.reload(Family.ESSAY)).now == "e-1"
    house.engine.loading.set()


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
