from __future__ import annotations

import io
import zipfile
from typing import Any

import discord
import pytest

from models.client import GenerationBusy, GenerationRefused, GenerationUnavailable
from tests.flow.fake_service import FakeService
from tests.flow.world import World, buttons

pytestmark = pytest.mark.usefixtures("env")


async def beat(world: World, **options: Any) -> tuple[int, discord.Message]:
    number = await world.ask(world.alice, "beat", **options)
    return number, world.message(await world.done(number))


async def take(world: World, message: discord.Message, number: int, kind: str) -> Any:
    """Press "Files", then the button of a kind below what comes."""
    files = await world.alice.click(message, custom_id=f"gw:file:{number}")
    assert files.ephemeral
    shown = files.response.message
    return await world.alice.click(shown, custom_id=f"gw:file:{number}:{kind}")


async def test_the_files_of_a_beat_offer_what_can_be_made(world: World) -> None:
    number, message = await beat(world)
    files = await world.alice.click(message, custom_id=f"gw:file:{number}")
    offered = buttons(files.response.message)
    assert list(offered) == [f"gw:file:{number}:{kind}" for kind in ("wav", "flac", "stems")]
    assert [one.label for one in offered.values()] == ["WAV", "FLAC", "Stems"]
    assert files.response.content.startswith(f"The files of #{number}; the others")


async def test_stems_after_a_restart_are_of_the_very_same_beat(
    world: World, service: FakeService
) -> None:
    number, message = await beat(world, style="house", seed=7, bars=8, energy="full")
    files = await world.alice.click(message, custom_id=f"gw:file:{number}")
    shown = files.response.message
    await world.restart()
    result = await world.alice.click(shown, custom_id=f"gw:file:{number}:stems")
    assert result.ephemeral
    attached = result.response.attachments[0]
    assert attached.filename == f"beat-{number}-stems.zip"
    with zipfile.ZipFile(io.BytesIO(await attached.read())) as pack:
        assert pack.namelist() == ["1 drums.flac", "2 bass.flac"]
    first, again = service.beats
    assert again.stems and again.version == "music-test" and again.max_bytes == 25 * 2**20
    same = {"style", "bpm", "bars", "key", "seed", "variation", "sample", "energy"}
    assert again.energy == 1.0
    assert again.model_dump(include=same) == first.model_dump(include=same)


@pytest.mark.parametrize("kind", ["wav", "flac"])
async def test_what_was_made_once_is_kept_and_offered_with_the_others(
    world: World, service: FakeService, kind: str
) -> None:
    number, message = await beat(world)
    result = await take(world, message, number, kind)
    assert result.response.attachments[0].filename == f"beat-{number}.{kind}"
    assert len(service.beats) == 2 and service.beats[1].format == kind
    files = await world.bob.click(message, custom_id=f"gw:file:{number}")
    assert f"beat-{number}.{kind}" in [file.filename for file in files.response.attachments]
    assert f"gw:file:{number}:{kind}" not in buttons(files.response.message)
    shown = await world.alice.slash(world.channel, "show", number=number)
    names = [file.filename for file in shown.response.attachments]
    assert names == [f"beat-{number}.{one}" for one in ("mp3", "png", "mid")]  # as it was asked


async def test_what_does_not_fit_is_said_with_its_size(
    world: World, service: FakeService, client_says: dict[str, Any]
) -> None:
    number, message = await beat(world)  # 46 s of it, 8 MB as a wave
    client_says["attachment_size_limit"] = 100_000
    result = await take(world, message, number, "wav")
    assert result.ephemeral
    assert result.response.content == "That file has 7.7 MB; at most 97 kB fits here."
    assert len(service.beats) == 1  # nothing was made only to be thrown away


async def test_stems_are_made_smaller_for_a_small_place(
    world: World, service: FakeService, client_says: dict[str, Any]
) -> None:
    service.stem_bytes = 200_000
    number, message = await beat(world)
    client_says["attachment_size_limit"] = 100_000
    result = await take(world, message, number, "stems")
    with zipfile.ZipFile(io.BytesIO(await result.response.attachments[0].read())) as pack:
        assert pack.namelist() == ["1 drums.mp3", "2 bass.mp3"]
    del client_says["attachment_size_limit"]
    result = await take(world, message, number, "stems")
    with zipfile.ZipFile(io.BytesIO(await result.response.attachments[0].read())) as pack:
        assert pack.namelist() == ["1 drums.flac", "2 bass.flac"]


@pytest.mark.parametrize(
    ("fault", "sentence"),
    [
        (GenerationBusy("full", 7.0), "One moment, please: try again in 7 s."),
        (GenerationUnavailable("gone"), "The models cannot be reached right now"),
        (GenerationRefused("There is no music model called x."), "There is no music model"),
    ],
)
async def test_a_service_that_cannot_gets_one_sentence(
    world: World, service: FakeService, fault: Any, sentence: str
) -> None:
    number, message = await beat(world)
    service.faults.append(fault)
    result = await take(world, message, number, "flac")
    assert result.ephemeral and result.response.content.startswith(sentence)
    result = await take(world, message, number, "flac")
    assert result.response.attachments


async def test_essays_have_no_stems(world: World, service: FakeService) -> None:
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    message = world.message(await world.done(number))
    result = await world.alice.click(message, custom_id=f"gw:file:{number}")
    assert len(result.response.attachments) == 3 and not buttons(result.response.message)
    assert not service.beats
