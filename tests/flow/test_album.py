from __future__ import annotations

import io
import zipfile
from typing import Any

import discord
import pytest
from simcord.backend.errors import OptionError

from bot.store import State
from tests.flow.fake_service import FakeService
from tests.flow.world import World, acts

pytestmark = pytest.mark.usefixtures("env")


async def album(world: World, member: Any = None, **options: Any) -> int:
    asked = {"title": "Night Drive", "tracks": 3, **options}
    return await world.ask(member or world.alice, "album", **asked)


async def test_an_album_from_command_to_files(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await album(world, tracks=3, style="HOUSE", seed=5)
    asked = await world.request(number)
    assert world.embed(asked).title == "Album: Night Drive"
    await world.until(lambda: "Track 2 of 3" in (world.embed(asked).description or ""))
    assert "Playing ▰▰▰▰" in (world.embed(asked).description or "")
    assert acts(world.message(asked)) == {"cancel"}
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE and request.seed == 5
    message = world.message(request)
    assert [file.filename for file in message.attachments] == [
        f"album-{number}-medley.mp3",
        f"album-{number}-cover.png",
        f"album-{number}.zip",
    ]
    embed = message.embeds[0]
    assert embed.title == "Night Drive"
    assert (embed.description or "").splitlines() == [
        "1\\. **Clock** · 80 bpm · A minor · 1:36",
        "2\\. **Morning Ride** · 80 bpm · A minor · 1:36",
        "3\\. **Still @\u200bhere** · 80 bpm · A minor · 1:36",
    ]
    assert embed.author.name == "house · 3 tracks · 4:49"
    assert (embed.image.url or "").endswith(f"album-{number}-cover.png")
    assert acts(message) == {"again", "edit", "file", "up", "down", "delete"}
    sent = service.albums[0]
    assert (sent.title, sent.tracks, sent.style, sent.seed) == ("Night Drive", 3, "house", 5)


async def test_the_zip_leaves_room_for_the_rest_of_the_message(
    world: World, service: FakeService, client_says: dict[str, Any]
) -> None:
    await world.done(await album(world))
    assert service.albums[-1].max_bytes == 23 * 2**20
    client_says["attachment_size_limit"] = 10 * 2**20
    await world.done(await album(world))
    assert service.albums[-1].max_bytes == 10 * 2**20


async def test_a_zip_over_the_limit_is_left_out_and_said(
    world: World, service: FakeService, client_says: dict[str, Any]
) -> None:
    number = await album(world)
    await world.done(number)
    client_says["attachment_size_limit"] = 1500  # a smaller place than the one it was made for
    result = await world.alice.slash(world.channel, "show", number=number)
    shown = result.response
    assert [file.filename for file in shown.attachments] == [
        f"album-{number}-medley.mp3",
        f"album-{number}-cover.png",
    ]
    assert f"album-{number}.zip" in (shown.embeds[0].fields[0].value or "")


async def test_cancel_in_the_middle_stops_the_service(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await album(world)
    asked = await world.request(number)
    await world.until(lambda: "Track 2 of 3" in (world.embed(asked).description or ""))
    await world.alice.click(world.message(asked), custom_id=f"gw:cancel:{number}")
    request = await world.done(number)
    assert request.state is State.CANCELLED and service.stopped == 1
    assert world.embed(request).description == "Cancelled, as you asked."


async def test_killed_in_the_middle_it_is_made_again_in_the_same_message(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    number = await album(world)
    asked = await world.request(number)
    await world.until(lambda: "Track 2 of 3" in (world.embed(asked).description or ""))
    await world.crash()
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE and request.message_id == asked.message_id
    assert [sent.seed for sent in service.albums] == [request.seed] * 2
    assert len(world.messages()) == 1


async def test_albums_take_turns_and_beats_pass_by(world: World, service: FakeService) -> None:
    service.go.clear()
    first = await album(world)
    await world.until(lambda: len(service.albums) == 1)
    second = await album(world, world.bob)
    carol = world.guild.add_member(world.env.create_user("carol"))
    beat = await world.ask(carol, "beat")
    await world.until(lambda: len(service.beats) == 1)
    assert len(service.albums) == 1
    service.go.set()
    for number in (first, second, beat):
        assert (await world.done(number)).state is State.DONE


async def test_again_and_edit_ask_for_another_one(world: World, service: FakeService) -> None:
    number = await album(world, style="house", seed=5)
    message = world.message(await world.done(number))
    result = await world.bob.click(message, custom_id=f"gw:again:{number}")
    again = await world.done(world.number(result))
    assert again.parameters == (await world.request(number)).parameters and again.seed != 5
    form = await world.alice.click(message, custom_id=f"gw:edit:{number}")
    assert form.modal["title"] == "Another album"
    values = {"title": "Day Drive", "tracks": "4", "style": "", "seed": "9"}
    edited = await world.done(world.number(await world.alice.submit_modal(form, values)))
    assert edited.parameters.model_dump(exclude={"version"}) == {
        "title": "Day Drive",
        "tracks": 4,
        "style": None,
    }
    form = await world.alice.click(message, custom_id=f"gw:edit:{number}")
    refused = await world.alice.submit_modal(form, {**values, "tracks": "13"})
    assert refused.ephemeral
    assert refused.response.content == "An album can have 3 to 12 tracks."


async def test_files_show_mine_and_privacy_know_albums(world: World) -> None:
    number = await album(world)
    message = world.message(await world.done(number))
    result = await world.bob.click(message, custom_id=f"gw:file:{number}")
    assert result.ephemeral and len(result.response.attachments) == 3
    result = await world.alice.slash(world.channel, "mine", kind="album")
    assert "Night Drive" in result.response.embeds[0].description
    result = await world.alice.click(result.response.message, custom_id="gwm:page:essay:000")
    assert "Night Drive" not in result.response.embeds[0].description
    result = await world.alice.slash(world.channel, "privacy")
    result = await world.alice.click(result.response.message, custom_id="gwp:export")
    data = await result.response.attachments[0].read()
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        assert "Morning Ride" in pack.read("requests.json").decode()
        assert f"files/album-{number}.zip" in pack.namelist()
    folder = world.settings.artifacts_dir / str(number)
    assert folder.is_dir()
    result = await world.alice.slash(world.channel, "privacy")
    await world.alice.click(result.response.message, custom_id="gwp:forget")
    await world.alice.click(result.response.message, custom_id="gwp:sure")
    await world.until(lambda: not folder.exists())
    assert await world.store.requests.get(number) is None


async def test_an_album_costs_a_request_a_track(world: World) -> None:
    await world.store.guilds.change(world.guild.id, user_daily_limit=5)
    await world.done(await album(world, tracks=3))
    result = await world.alice.slash(world.channel, "album", title="More", tracks=3)
    assert result.ephemeral
    assert result.response.content == (
        "An album counts as one request a track, and you have 2 left today."
    )
    for _ in range(2):
        await world.done(await world.ask(world.alice, "beat"))
    result = await world.alice.slash(world.channel, "beat")
    assert result.response.content.startswith("You have used today's 5 requests")


async def test_wording_a_server_does_not_allow_is_kept_out(
    world: World, service: FakeService
) -> None:
    await world.store.guilds.change(world.guild.id, blocked_words=("ride",))
    result = await world.alice.slash(world.channel, "album", title="Ride on")
    assert result.ephemeral and result.response.content.startswith("This server does not allow")
    request = await world.done(await album(world))
    assert request.state is State.REFUSED and request.outcome is None
    assert "Morning" not in str(world.embed(request).to_dict())


@pytest.mark.parametrize("options", [{"tracks": 2}, {"tracks": 13}, {"title": "x" * 81}])
async def test_discord_itself_refuses_what_is_out_of_range(
    world: World, options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError):
        await world.alice.slash(world.channel, "album", **{"title": "Night", **options})


async def test_styles_are_those_of_beats_and_a_wrong_one_gets_one_sentence(world: World) -> None:
    offered = await world.alice.autocomplete(world.channel, "album", "style", "LO")
    assert [choice["value"] for choice in offered] == ["lofi"]
    result = await world.alice.slash(world.channel, "album", title="Night", style="polka")
    assert result.ephemeral and "“polka”" in result.response.content


@pytest.mark.parametrize(
    ("locale", "part", "tracks"),
    [("de", "Stück 2 von 3", "3 Stücke"), ("fr", "Morceau 2 sur 3", "3 morceaux")],
)
async def test_albums_speak_the_language_of_their_person(
    world: World,
    service: FakeService,
    client_says: dict[str, Any],
    locale: str,
    part: str,
    tracks: str,
) -> None:
    client_says["locale"] = locale
    service.go.clear()
    number = await album(world)
    asked = await world.request(number)
    await world.until(lambda: part in (world.embed(asked).description or ""))
    service.go.set()
    embed = world.embed(await world.done(number))
    assert tracks in (embed.author.name or "")


async def test_moderators_may_cancel_and_others_may_not(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await album(world)
    asked = await world.request(number)
    await world.until(lambda: bool(service.albums))
    message = world.message(asked)
    refused = await world.bob.click(message, custom_id=f"gw:cancel:{number}")
    assert refused.ephemeral and refused.response.content.startswith("Only the person")
    role = world.guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
    mod = world.guild.add_member(world.env.create_user("mod"), roles=[role])
    await mod.click(message, custom_id=f"gw:cancel:{number}")
    assert (await world.done(number)).state is State.CANCELLED
