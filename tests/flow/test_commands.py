"""Everything that is not making: /show, /mine, /about, and sync."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import discord
import pytest

from bot import cards
from bot.buttons import _ACTS
from bot.commands import mine
from bot.commands.sync import register
from models.contract import Family
from tests.flow.fake_service import FakeService
from tests.flow.world import World, archive, buttons, essay

pytestmark = pytest.mark.usefixtures("env")

NOTHING = "I have no result with that number that you may see."


# /show


async def test_show_brings_a_result_back_with_its_files(world: World) -> None:
    number = await essay(world)
    result = await world.bob.slash(world.channel, "show", number=number)
    assert result.response.embeds[0].title == "On the sea"
    assert [a.filename for a in result.response.attachments] == [f"essay-{number}.docx"]
    assert f"gw:again:{number}" in buttons(result.response.message)


async def test_show_keeps_to_the_filters_of_the_place_it_is_used_in(world: World) -> None:
    """They may be newer than the result, which may come from a direct message."""
    number = await essay(world)
    await world.store.guilds.change(world.guild.id, blocked_words=["sea"])
    before = len(world.messages())
    result = await world.alice.slash(world.channel, "show", number=number)
    assert result.ephemeral and result.response.embeds == []
    assert "does not allow" in result.response.content
    assert len(world.messages()) == before


async def test_show_offers_ones_own_numbers(world: World) -> None:
    number = await essay(world)
    offered = await world.alice.autocomplete(world.channel, "show", "number", "")
    assert offered == [{"name": f"#{number} the sea", "value": number}]
    moon = await essay(world, topic="The Moon")
    for typed in (str(moon), "moon"):
        offered = await world.alice.autocomplete(world.channel, "show", "number", typed)
        assert [choice["value"] for choice in offered] == [moon]
    assert await world.bob.autocomplete(world.channel, "show", "number", "") == []


async def test_show_of_what_has_no_result(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await world.ask(world.alice, "essay", topic="the sea")
    result = await world.alice.slash(world.channel, "show", number=number)
    assert result.ephemeral and result.response.content == "This has no result yet."
    await world.house.worker.cancel(number)
    await world.done(number)
    result = await world.alice.slash(world.channel, "show", number=number)
    assert result.ephemeral and "Cancelled" in result.response.embeds[0].description


async def clear(world: World, number: int) -> None:
    """Age the files of a request, and let the sweeper come."""
    folder = world.settings.artifacts_dir / str(number)
    os.utime(folder, (0, 0))
    assert await world.house.sweeper.sweep() == 1
    assert not folder.exists() and await world.store.artifacts.of(number) == ()


async def test_show_writes_a_document_that_was_cleared_away_again(
    world: World, service: FakeService
) -> None:
    number = await essay(world)
    await clear(world, number)
    result = await world.alice.slash(world.channel, "show", number=number)
    assert [a.filename for a in result.response.attachments] == [f"essay-{number}.docx"]
    assert len(service.essays) == 1  # its text was kept


async def test_show_makes_a_beat_that_was_cleared_away_again(
    world: World, service: FakeService
) -> None:
    number = await world.ask(world.alice, "beat", bars=8, seed=7)
    card = world.message(await world.done(number))
    await clear(world, number)
    gone = await world.alice.click(card, custom_id=f"gw:file:{number}")
    assert f"/show {number} makes them again" in gone.response.content
    result = await world.bob.slash(world.channel, "show", number=number)
    again = await world.done(world.number(result))
    assert again.parent_id == number and len(world.message(again).attachments) == 3
    before, after = (b.model_dump(exclude={"request_id", "style"}) for b in service.beats)
    assert before == after and service.beats[1].style == "lofi"


async def test_show_says_when_the_model_that_made_it_is_gone(
    world: World, service: FakeService
) -> None:
    number = await world.ask(world.alice, "beat", seed=7)
    await world.done(number)
    await clear(world, number)
    model = world.house.styles._models[Family.MUSIC]
    world.house.styles._models[Family.MUSIC] = model.model_copy(update={"version": "music-new"})
    result = await world.alice.slash(world.channel, "show", number=number)
    assert not result.response.attachments and len(service.beats) == 1
    assert "not in use any more; seed 7" in result.response.embeds[0].fields[0].value


async def test_no_guild_sees_another_guilds_results(world: World) -> None:
    number = await essay(world)
    other = world.env.create_guild("Elsewhere")
    place = other.create_text_channel("general")
    stranger = other.add_member(world.env.create_user("stranger"))
    alice_there = other.add_member(world.alice.user)
    for member in (stranger, alice_there):
        result = await member.slash(place, "show", number=number)
        assert result.ephemeral and result.response.content == NOTHING
        assert await member.autocomplete(place, "show", "number", "") == []
    result = await world.alice.user.slash("show", number=number)  # at home she may
    assert result.response.embeds[0].title == "On the sea"
    result = await stranger.user.slash("show", number=number)
    assert result.response.content == NOTHING
    result = await alice_there.slash(place, "mine")
    assert "Nothing yet" in result.response.embeds[0].description


async def test_a_button_of_another_guilds_result_does_nothing(
    world: World, service: FakeService
) -> None:
    number = await essay(world)
    other = world.env.create_guild("Elsewhere")
    place = other.create_text_channel("general")
    mallory = other.add_member(
        world.env.create_user("mallory"),
        roles=[other.create_role("mods", permissions=discord.Permissions(manage_messages=True))],
    )
    found = world.bot.get_channel(place.id)
    assert isinstance(found, discord.TextChannel)
    for act in _ACTS:
        stray = cards.button(act, number, "Stray", arg="1" if act == "page" else None)
        message = await found.send("stray", view=cards.view_of([stray]))
        pressed = await mallory.click(message, custom_id=stray.custom_id)
        assert pressed.ephemeral and pressed.response.content == NOTHING, act
    assert len(service.essays) == 1 and (await world.store.ratings.of(number)).up == 0
    assert world.has_message(await world.request(number))


async def test_a_result_stays_within_the_channel_one_can_read(world: World) -> None:
    staff = world.guild.create_role("staff")
    secret = world.guild.create_text_channel(
        "secret",
        overwrites={
            world.guild.default_role: discord.PermissionOverwrite(view_channel=False),
            staff: discord.PermissionOverwrite(view_channel=True),
        },
    )
    carol = world.guild.add_member(world.env.create_user("carol"), roles=[staff])
    dave = world.guild.add_member(world.env.create_user("dave"), roles=[staff])
    asked = await carol.slash(secret, "essay", topic="the sea", length=200)
    number = world.number(asked)
    await world.done(number)
    result = await world.bob.slash(world.channel, "show", number=number)
    assert result.ephemeral and result.response.content == NOTHING
    result = await dave.slash(world.channel, "show", number=number)
    assert result.response.embeds[0].title == "On the sea"


async def test_a_private_thread_stays_private(world: World) -> None:
    """A thread's permissions are its parent's: they do not say who was let in."""
    parent = world.bot.get_channel(world.channel.id)
    assert isinstance(parent, discord.TextChannel)
    made = await parent.create_thread(name="secret", type=discord.ChannelType.private_thread)
    carol = world.guild.add_member(world.env.create_user("carol"))
    for member in (world.alice, carol):
        await made.add_user(discord.Object(member.id))
    (thread,) = world.channel.threads
    warden = world.guild.add_member(
        world.env.create_user("warden"),
        roles=[world.guild.create_role("w", permissions=discord.Permissions(manage_threads=True))],
    )
    number = world.number(await world.alice.slash(thread, "essay", topic="the sea", length=200))
    await world.done(number)
    result = await world.bob.slash(world.channel, "show", number=number)
    assert result.ephemeral and result.response.content == NOTHING
    for member, place in ((carol, thread), (warden, world.channel)):
        result = await member.slash(place, "show", number=number)
        assert result.response.embeds[0].title == "On the sea"


# /mine


async def test_mine_lists_page_by_page(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mine, "SIZE", 2)
    for topic in range(2):
        await essay(world, topic=f"topic {topic}")
    await world.done(await world.ask(world.alice, "beat"))
    result = await world.alice.slash(world.channel, "mine")
    assert result.ephemeral
    embed = result.response.embeds[0]
    assert embed.footer.text == "3 requests · page 1 of 2"
    assert embed.description.count("✅") == 2 and "topic 0" not in embed.description

    await world.alice.click(result.response, custom_id="gwm:page:all:1")
    assert "topic 0" in result.response.embeds[0].description
    await world.alice.click(result.response, custom_id="gwm:page:beat:000")
    assert "lofi · 84 bpm" in result.response.embeds[0].description

    packed = await world.alice.click(result.response, custom_id="gwm:zip:beat:0")
    assert packed.ephemeral
    names = (await archive(packed.response)).namelist()
    assert sorted(name.split(".")[1] for name in names) == ["mid", "mp3", "png"]
    result = await world.bob.slash(world.channel, "mine", kind="essay")
    assert "Nothing yet" in result.response.embeds[0].description


async def test_everything_of_mine_comes_in_one_archive_or_it_is_said(
    world: World, monkeypatch: pytest.MonkeyPatch, client_says: dict[str, Any]
) -> None:
    monkeypatch.setattr(mine, "LOOKED_AT", 2)
    for topic in range(3):
        await essay(world, topic=f"topic {topic}")
    result = await world.alice.slash(world.channel, "mine", kind="essay")
    packed = await world.alice.click(result.response, custom_id="gwm:zip:essay:0")
    assert len((await archive(packed.response)).namelist()) == 6  # a docx and an md each
    assert packed.response.content == "6 files."
    client_says["attachment_size_limit"] = 80_000
    packed = await world.alice.click(result.response, custom_id="gwm:zip:essay:0")
    assert 0 < len((await archive(packed.response)).namelist()) < 6
    assert "newest" in packed.response.content


# /about


async def test_about_tells_models_queue_and_health(world: World, service: FakeService) -> None:
    result = await world.alice.slash(world.channel, "about")
    assert result.ephemeral
    fields = {field.name: field.value for field in result.response.embeds[0].fields}
    assert "1.2 M parameters · MIT · on cpu" in fields["Essays: essay-test"]
    assert "general, teacher" in fields["Essays: essay-test"]
    assert fields["Queue"] == "0 waiting, 0 being made"
    assert fields["Health"] == "Everything works."
    service.healthy = False
    result = await world.alice.slash(world.channel, "about")
    fields = {field.name: field.value for field in result.response.embeds[0].fields}
    assert fields["Health"] == "Not everything works: service."


async def test_about_hands_over_the_cards_of_the_live_models(world: World, tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    (made / "README.md").write_text("# What the writer can do\n")
    world.house.registry.publish("essay", "essay-test", made, parent=None)
    result = await world.bob.slash(world.channel, "about")
    labels = {name: button.label for name, button in buttons(result.response.message).items()}
    assert labels == {
        "gwa:card:essay": "Card of essay-test",
        "gwa:card:beat": "Card of music-test",
    }
    given = await world.bob.click(result.response, custom_id="gwa:card:essay")
    (file,) = given.response.attachments
    assert given.ephemeral and file.filename == "essay-test.md"
    assert (await file.read()).startswith(b"# What the writer can do")
    none = await world.bob.click(result.response, custom_id="gwa:card:beat")
    assert none.ephemeral and none.response.content == "There is no card of that model here."


# sync


async def test_commands_are_in_one_scope_only(world: World) -> None:
    scopes = world.env.backend.commands
    assert {name for name, _ in scopes[None]} >= {"essay", "beat", "settings", "train"}
    await register(world.bot.tree, world.guild.id)
    assert scopes[None] == {}
    assert {name for name, _ in scopes[world.guild.id]} >= {"essay", "beat"}
