"""The whole way with the real generation service behind it, on tiny models."""

from __future__ import annotations

import asyncio
import io
import zipfile
from collections.abc import AsyncIterator, Iterator

import docx
import pytest
from PIL import Image
from simcord.env import Env

from bot.settings import Settings
from bot.store import State, Store
from models.client import GenerationClient
from models.contract import AlbumTake
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


@pytest.fixture
async def world(settings: Settings, sqlite_store: Store, service_url: str) -> AsyncIterator[World]:
    async with GenerationClient(service_url) as client:
        made = World(settings, sqlite_store, client)
        await made.start()
        yield made
        await made.stop()
        assert not made.env.errors


@pytest.fixture
def env(world: World) -> Iterator[Env]:
    yield world.env


async def test_an_essay_is_written_and_can_be_written_again(world: World) -> None:
    texts = []
    for _ in range(2):
        number = await world.ask(world.alice, "essay", topic="The sea", length=200, seed=11)
        request = await world.done(number)
        assert request.state is State.DONE, request.error
        message = world.message(request)
        assert (request.model_version or "?") in (message.embeds[0].footer.text or "")
        document = docx.Document(io.BytesIO(await message.attachments[0].read()))
        texts.append("\n".join(paragraph.text for paragraph in document.paragraphs))
    assert texts[0] == texts[1] and len(texts[0].split()) > 50


async def test_an_essay_goes_on_from_a_message(world: World) -> None:
    said = "The sea is calm at night. The boats come home, and the harbour is full of light."
    message = await world.bob.send(world.channel, f"**{said}**")
    asked = await world.alice.context_menu(world.channel, "Continue as essay", message)
    request = await world.done(world.number(asked))
    assert request.state is State.DONE, request.error
    text = request.outcome.text  # type: ignore[union-attr]
    assert text.startswith(said) and len(text.split()) > 2 * len(said.split())
    again = await world.alice.click(world.message(request), custom_id=f"gw:again:{request.id}")
    other = await world.done(world.number(again))
    assert other.outcome.text.startswith(said) and other.outcome.text != text  # type: ignore[union-attr]


async def test_a_beat_is_played_within_the_room_there_is(
    world: World, client_says: dict[str, object]
) -> None:
    client_says["attachment_size_limit"] = 200_000
    number = await world.ask(world.alice, "beat", bars=8, bpm=120, key="A minor", seed=3)
    request = await world.done(number)
    assert request.state is State.DONE, request.error
    files = {file.filename: await file.read() for file in world.message(request).attachments}
    assert set(files) == {f"beat-{number}.{kind}" for kind in ("mp3", "png", "mid")}
    assert len(files[f"beat-{number}.mp3"]) <= 200_000
    assert files[f"beat-{number}.mid"].startswith(b"MThd")
    assert Image.open(io.BytesIO(files[f"beat-{number}.png"])).width > 100
    assert "120 bpm · A minor" in (world.embed(request).title or "")


async def test_an_album_is_named_played_and_packed_within_the_room_there_is(
    world: World, client_says: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.flow.world.PATIENCE", 300.0)  # its threads let all others go first
    client_says["attachment_size_limit"] = 3_000_000
    number = await world.ask(world.alice, "album", title="Rivers at Night", tracks=3, seed=3)
    request = await world.done(number)
    assert request.state is State.DONE, request.error
    take = request.outcome
    assert isinstance(take, AlbumTake) and take.model_version == "tiny-music"
    assert len({track.title for track in take.tracks}) == 3
    assert len({track.bpm for track in take.tracks}) > 1
    files = {file.filename: await file.read() for file in world.message(request).attachments}
    assert [name.rpartition(".")[2] for name in files] == ["mp3", "png", "zip"]
    assert files[f"album-{number}-medley.mp3"].startswith(b"ID3")
    assert Image.open(io.BytesIO(files[f"album-{number}-cover.png"])).size == (1000, 1000)
    packed = files[f"album-{number}.zip"]
    assert len(packed) <= 3_000_000
    with zipfile.ZipFile(io.BytesIO(packed)) as pack:
        assert pack.namelist() == [
            *(f"{track.number:02} {track.title}.mp3" for track in take.tracks),
            "cover.png",
        ]
    assert take.tracks[0].title in (world.embed(request).description or "")


async def test_an_album_stops_long_before_its_end(world: World) -> None:
    number = await world.ask(world.alice, "album", title="Rivers at Night", tracks=12, seed=3)
    asked = await world.request(number)
    await world.until(lambda: "Track " in (world.embed(asked).description or ""))
    await world.alice.click(world.message(asked), custom_id=f"gw:cancel:{number}")
    assert (await world.done(number)).state is State.CANCELLED
    async with asyncio.timeout(30):  # a second, on a machine that has nothing else to do
        while any(engine.active for engine in (await world.house.client.health()).engines):
            await asyncio.sleep(0.05)


async def test_styles_come_from_the_models(world: World) -> None:
    known = {style.name for style in world.house.styles.of("beat")}
    offered = await world.alice.autocomplete(world.channel, "beat", "style", "")
    assert {choice["value"] for choice in offered} == known


async def test_cancel_reaches_the_service(world: World) -> None:
    number = await world.ask(world.alice, "essay", topic="The sea", length=800)
    await world.until_async(lambda: _running(world, number))
    await world.house.worker.cancel(number)
    assert (await world.done(number)).state is State.CANCELLED
    health = await world.house.client.health()
    assert health.ok


async def _running(world: World, number: int) -> bool:
    return (await world.request(number)).state is not State.QUEUED
