from __future__ import annotations

import asyncio
import base64
import io
import wave
from typing import Any
from unittest.mock import AsyncMock

import discord
import pytest

from bot import samples
from bot.commands import submit
from bot.store import SAMPLE, State
from tests.flow.fake_service import FakeService
from tests.flow.world import World, card_number
from tests.songs import midi

pytestmark = pytest.mark.usefixtures("env")


def silence(seconds: int = 1) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", "none"))
        out.writeframes(b"\0\0" * 8000 * seconds)
    return file.getvalue()


TUNE = midi(60, 64, 67, 72)


def sent(name: str, data: bytes) -> tuple[str, bytes]:
    return (name, data)


async def flip(world: World, name: str = "tune.mid", data: bytes = TUNE, **options: Any) -> int:
    return await world.ask(world.alice, "beat", sample=sent(name, data), **options)


def received(service: FakeService, index: int = -1) -> bytes | None:
    text = service.beats[index].sample
    return None if text is None else base64.b64decode(text)


async def test_a_beat_is_played_around_a_sample(world: World, service: FakeService) -> None:
    number = await flip(world, "My *tune*.mid")
    request = await world.done(number)
    assert request.state is State.DONE
    assert received(service) == TUNE
    assert "around My \\*tune\\*.mid" in (world.embed(request).description or "")
    message = world.message(request)
    assert not any("sample" in file.filename for file in message.attachments)
    kept = await world.store.artifacts.get(number, SAMPLE)
    assert kept is not None and kept.path.read_bytes() == TUNE
    result = await world.alice.click(message, custom_id=f"gw:file:{number}")
    assert not any("sample" in file.filename for file in result.response.attachments)


async def test_again_vary_and_edit_keep_the_sample(world: World, service: FakeService) -> None:
    number = await flip(world)
    message = world.message(await world.done(number))
    for act in ("again", "vary"):
        result = await world.bob.click(message, custom_id=f"gw:{act}:{number}")
        await world.done(world.number(result))
        assert received(service) == TUNE
    form = await world.alice.click(message, custom_id=f"gw:edit:{number}")
    values = {"style": "", "bpm": "", "bars": "8", "key": "", "seed": ""}
    result = await world.alice.submit_modal(form, values)
    await world.done(world.number(result))
    assert received(service) == TUNE and service.beats[-1].bars == 8


async def test_a_retry_after_a_crash_uses_the_sample(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await flip(world)
    await world.until(lambda: bool(service.beats))
    await world.crash()
    service.go.set()
    assert (await world.done(number)).state is State.DONE
    assert len(service.beats) == 2 and received(service, 0) == received(service, 1) == TUNE


async def test_a_sample_that_was_cleared_away_is_asked_for_again(
    world: World, service: FakeService
) -> None:
    number = await flip(world)
    message = world.message(await world.done(number))
    kept = await world.store.artifacts.get(number, SAMPLE)
    assert kept is not None
    kept.path.unlink()
    result = await world.alice.click(message, custom_id=f"gw:again:{number}")
    assert result.ephemeral
    assert result.response.content == (
        "The sample of this beat has been cleared away; please send it again."
    )
    assert len(service.beats) == 1


@pytest.mark.parametrize(
    ("name", "data", "sentence"),
    [
        ("notes.txt", b"hello", "A sample can be .mid, .wav, .mp3, .flac or .ogg;"),
        ("huge.mid", TUNE + b"\0" * 600_000, "“huge.mid” is too big: 0.5 MB is the most."),
        ("song.mid", TUNE[:-6], "“song.mid” cannot be read"),
        ("none.wav", silence(), "There is nothing to hear in “none.wav”."),
    ],
)
async def test_what_is_no_sample_gets_one_sentence_only_its_person_sees(
    world: World, service: FakeService, name: str, data: bytes, sentence: str
) -> None:
    result = await world.alice.slash(world.channel, "beat", sample=sent(name, data))
    assert result.ephemeral
    assert result.response.content.replace("\\", "").startswith(sentence)
    assert not service.beats and not world.messages()
    assert (await world.store.requests.history(world.alice.id)).total == 0


async def test_a_slow_upload_is_deferred_and_its_refusal_is_still_for_its_person(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(submit, "ADMISSION_SECONDS", 0.05)
    read = samples.read_sample

    async def slow(name: str, data: bytes) -> samples.Sample:
        await asyncio.sleep(60)  # of the simulated clock
        return await read(name, data)

    monkeypatch.setattr(samples, "read_sample", slow)
    result = await world.alice.slash(world.channel, "beat", sample=sent("none.wav", silence()))
    assert result.deferred
    await world.env.advance_time(60)
    assert result.ephemeral and "nothing to hear" in result.response.content
    assert world.messages() == []
    result = await world.alice.slash(world.channel, "beat", sample=sent("tune.mid", TUNE))
    await world.env.advance_time(60)
    assert result.ephemeral and result.response.content.startswith("Your sample is fine")
    request = await world.done(card_number(result.followups[0].message))
    assert request.state is State.DONE and received(service) == TUNE
    assert not result.followups[0].ephemeral
    assert [m.id for m in world.messages()] == [request.message_id]
    await world.alice.click(world.message(request), custom_id=f"gw:delete:{request.id}")
    assert world.messages() == []


@pytest.mark.parametrize("refused", [{"allowed_channels": [1]}, {"bars_max": 8}])
async def test_no_sample_is_fetched_for_who_may_not_ask(
    world: World, monkeypatch: pytest.MonkeyPatch, refused: dict[str, Any]
) -> None:
    await world.store.guilds.change(world.guild.id, **refused)
    read = AsyncMock()
    monkeypatch.setattr(discord.Attachment, "read", read)
    result = await world.alice.slash(world.channel, "beat", bars=16, sample=sent("tune.mid", TUNE))
    assert result.ephemeral
    read.assert_not_awaited()


async def test_another_servers_samples_are_out_of_reach(world: World, service: FakeService) -> None:
    number = await flip(world)
    await world.done(number)
    elsewhere = world.env.create_guild()
    channel = elsewhere.create_text_channel("general")
    mallory = elsewhere.add_member(world.env.create_user("mallory"))
    post = await mallory.slash(channel, "beat")
    other = world.number(post)
    await world.done(other)
    result = await mallory.slash(channel, "show", number=number)
    assert result.ephemeral and result.response.content.startswith("I have no result")
    assert service.beats[-1].sample is None
