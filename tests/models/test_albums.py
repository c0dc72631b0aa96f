"""Records at the service: beside the beats, named by the writer, one at a time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from models.acceptance import Unacceptable
from models.contract import (
    AlbumRequest,
    AlbumTake,
    BeatRequest,
    BeatTake,
    EssayRequest,
    Problem,
    Progress,
)
from models.desks import BeatDesk, EssayDesk
from models.library import Makers
from models.registry import Registry
from models.service import GenerationService
from models.streams import Event, Full, Stream
from tests.models.doubles import HandStudio, StepEngine, publish

ALBUM = AlbumRequest(request_id="1", title="Night Drive", tracks=3, seed=7)
BEAT = BeatRequest(request_id="2", seed=7)


class House:
    def __init__(self, root: Path) -> None:
        self.engine, self.studio = StepEngine(), HandStudio()
        makers = Makers(lambda: self.engine, lambda: self.studio)
        self.service = GenerationService(Registry(root, None), makers)


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


async def test_a_record_is_made_on_the_version_asked_for(house: House, tmp_path: Path) -> None:
    publish(tmp_path, "music", "mine", live=False)
    house.studio.go.set()
    events = await read(house.service.album(ALBUM.model_copy(update={"version": "mine"})))
    assert isinstance(events[-1], AlbumTake) and events[-1].model_version == "mine"


async def test_a_record_is_named_by_the_writer_and_frees_its_slot(house: House) -> None:
    house.studio.go.set()
    events = await read(house.service.album(ALBUM))
    take = events[-1]
    assert isinstance(take, AlbumTake) and len(take.tracks) == 3
    assert any("Water" in track.title for track in take.tracks)  # what StepEngine thinks of
    assert [e.part for e in events if isinstance(e, Progress) and e.parts] == [1]
    assert all(ticket.cancelled.is_set() for ticket in house.engine.tickets)


async def test_without_a_writer_a_record_has_names_too(tmp_path: Path) -> None:
    publish(tmp_path, "music", "m-1")
    house = House(tmp_path)
    await house.service.start()
    house.studio.go.set()
    take = (await read(house.service.album(ALBUM)))[-1]
    assert isinstance(take, AlbumTake) and len({track.title for track in take.tracks}) == 3
    await house.service.stop()


async def test_beats_are_made_beside_records_which_wait_for_each_other(house: House) -> None:
    albums = [house.service.album(ALBUM), house.service.album(ALBUM)]
    await until(lambda: house.service.health().engines[1].active == 1)
    beats = [house.service.beat(BEAT), house.service.beat(BEAT)]
    await until(lambda: house.service.health().engines[1].active == 3)
    assert house.service.health().engines[1].waiting == 1
    house.studio.go.set()
    ends = [(await read(stream))[-1] for stream in (*beats, *albums)]
    assert [type(end) for end in ends] == [BeatTake, BeatTake, AlbumTake, AlbumTake]


async def test_a_full_queue_gives_a_time_without_closing_the_beats(house: House) -> None:
    desk = BeatDesk(house.studio, album_limit=1)
    first, second = (desk.album(ALBUM, lambda style, cancelled: "abc") for _ in range(2))
    with pytest.raises(Full, match="Too many albums") as caught:
        desk.album(ALBUM, lambda style, cancelled: "abc")
    assert caught.value.retry_after > 10
    desk.open(BEAT).cancel()
    for stream in (first, second):
        stream.cancel()
    await until(lambda: desk.health().active + desk.health().waiting == 0)
    desk.stop()


async def test_a_cancelled_record_stops_and_a_waiting_one_never_begins(house: House) -> None:
    first, second = house.service.album(ALBUM), house.service.album(ALBUM)
    await until(lambda: house.service.health().engines[1].active == 1)
    second.cancel()
    first.cancel()
    await until(lambda: house.studio.given_up == 1)
    await until(lambda: house.service.health().engines[1].active == 0)
    assert house.service.health().engines[1].waiting == 0 and house.studio.made == 0


async def test_a_writer_that_is_busy_is_waited_for(house: House) -> None:
    desk = EssayDesk(house.engine)
    essays = [house.engine.submit(essay_request(), lambda event: None) for _ in range(2)]
    thinking = asyncio.create_task(asyncio.to_thread(desk.outline, "rivers", 1, lambda: False))
    await asyncio.sleep(0.2)
    assert not thinking.done()
    essays[0].cancel()
    outline = await asyncio.wait_for(thinking, 30)
    assert outline is not None and outline.title == "Rivers"
    essays[1].cancel()


async def test_nobody_thinks_for_a_record_that_was_cancelled(house: House) -> None:
    desk = EssayDesk(house.engine)
    assert await asyncio.to_thread(desk.outline, "rivers", 1, lambda: True) is None
    assert not house.engine.tickets


async def test_a_wrong_style_is_refused_and_a_wish_that_cannot_be_met_too(house: House) -> None:
    with pytest.raises(Unacceptable, match="polka"):
        house.service.album(ALBUM.model_copy(update={"style": "polka"}))
    house.studio.go.set()
    end = (await read(house.service.album(ALBUM.model_copy(update={"seed": 14}))))[-1]
    assert isinstance(end, Problem) and not end.again
    assert end.sentence == "The album is too long."


def essay_request() -> EssayRequest:
    return EssayRequest(request_id="3", topic="rivers", seed=1)
