"""/settings: who may choose, and what it binds."""

from __future__ import annotations

from typing import Any

import pytest
from simcord.backend.errors import OptionError, SetupError

from bot.patterns import Soundness
from bot.store import State
from tests.flow import styles
from tests.flow.fake_service import FakeService
from tests.flow.world import World, essay

pytestmark = pytest.mark.usefixtures("env")


@pytest.fixture
def manager(world: World) -> Any:
    return styles.manager(world, "manager")


async def set_(world: World, who: Any, command: str, /, **options: Any) -> str:
    result = await who.slash(world.channel, f"settings {command}", **options)
    assert result.ephemeral
    return str(result.response.content)


async def test_settings_are_for_managers_as_discord_sees_it_and_as_we_do(
    world: World, manager: Any
) -> None:
    with pytest.raises(SetupError, match="not visible"):
        await world.bob.slash(world.channel, "settings show")
    # A server can lift Discord's own bar for a command; ours stays.
    command = world.env.backend.find_command("settings", None, type=1)
    assert command is not None
    world.guild.set_command_permissions(int(command["id"]), {world.bob: True})
    result = await world.bob.slash(world.channel, "settings show")
    assert result.ephemeral and result.response.content.startswith("Only people who may manage")

    assert await set_(world, manager, "admin", action="add", member=world.bob) == "Saved."
    result = await world.bob.slash(world.channel, "settings show")
    assert result.response.embeds[0].title == "Settings of this server"
    refused = await set_(world, world.bob, "admin", action="add", member=world.bob)
    assert refused.startswith("Only people who may manage")  # admins make no admins


async def test_settings_bind_what_is_asked_here_and_nowhere_else(
    world: World, manager: Any, service: FakeService
) -> None:
    elsewhere = world.guild.create_text_channel("bots")
    assert await set_(world, manager, "channel", channel=elsewhere, action="add") == "Saved."
    result = await world.alice.slash(world.channel, "essay", topic="the sea")
    assert result.ephemeral and "do not answer in this channel" in result.response.content
    assert await set_(world, manager, "channel", channel=elsewhere, action="remove") == "Saved."

    assert await set_(world, manager, "channel", action="add") == "Say which channel."
    assert await set_(world, manager, "channel", channel=elsewhere, action="add") == "Saved."
    # Somebody deletes the channel: no list of Discord's offers it for removal any more.
    assert await set_(world, manager, "channel", action="everywhere") == "Saved."
    assert (await world.store.guilds.get(world.guild.id)).allowed_channels == ()

    assert await set_(world, manager, "limits", words=300, bars=8, cooldown=0) == "Saved."
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=400)
    assert "at most 300 words" in result.response.content
    result = await world.alice.slash(world.channel, "beat", bars=16)
    assert "at most 8 bars" in result.response.content
    assert await set_(world, manager, "limits", words=0, bars=0) == "Saved."

    assert await set_(world, manager, "style", essay="Teacher", beat="house") == "Saved."
    await essay(world)
    assert service.essays[-1].style == "teacher"
    refused = await set_(world, manager, "style", essay="nobody")
    assert refused == "There is no style called “nobody”."

    assert await set_(world, manager, "filter", action="add", word="Sea") == "Saved."
    result = await world.alice.slash(world.channel, "essay", topic="the séa")
    assert "does not allow that wording" in result.response.content
    number = await world.ask(world.alice, "essay", topic="the moon", length=200)
    request = await world.done(number)  # the model itself says "sea"
    assert request.state is State.REFUSED
    assert "does not allow" in (world.embed(request).description or "")
    assert await set_(world, manager, "filter", action="add", word="c++") == "Saved."
    result = await world.alice.slash(world.channel, "essay", topic="why C++ lives")
    assert "does not allow that wording" in result.response.content
    assert await set_(world, manager, "filter", action="remove", word="c++") == "Saved."
    refused = await set_(world, manager, "filter", action="add", word="\u200b")
    assert "nothing to see in that word" in refused
    refused = await set_(world, manager, "filter", action="add", pattern="(")
    assert "not a pattern" in refused
    bomb = r"(?:(?:(?:x{1000}){1000}){1000}){1000}"
    assert "too long" in await set_(world, manager, "filter", action="add", pattern=bomb)
    assert await set_(world, manager, "filter", action="add", pattern=r"octo.us") == "Saved."
    result = await world.alice.slash(world.channel, "essay", topic="my Öctopus")
    assert "does not allow that wording" in result.response.content
    assert "Sea" in await set_(world, manager, "filter", action="add")

    result = await world.alice.user.slash("essay", topic="the sea", length=200)
    assert (await world.done(world.number(result))).state is State.DONE


async def test_a_pattern_does_not_undo_what_is_saved_while_it_is_examined(
    world: World, manager: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slowly(pattern: str) -> Soundness:
        await world.store.guilds.change(world.guild.id, blocked_patterns=["saved meanwhile"])
        return Soundness.SOUND

    monkeypatch.setattr("bot.commands.settings.examine", slowly)
    assert await set_(world, manager, "filter", action="add", pattern="sp+am") == "Saved."
    kept = (await world.store.guilds.get(world.guild.id)).blocked_patterns
    assert kept == ("saved meanwhile", "sp+am")


async def test_what_is_blocked_is_offered_for_removal_to_managers_only(
    world: World, manager: Any
) -> None:
    long = "x" * 150
    await world.store.guilds.change(
        world.guild.id, blocked_words=("Kraken", "squid", long), blocked_patterns=("sp+am",)
    )

    async def offered(who: Any, option: str, typed: str, action: str) -> list[str]:
        choices = await who.autocomplete(
            world.channel, "settings filter", option, typed, action=action
        )
        return [choice["value"] for choice in choices]

    assert await offered(manager, "word", "", "remove") == ["Kraken", "squid"]
    assert await offered(manager, "word", "KRA", "remove") == ["Kraken"]
    assert await offered(manager, "pattern", "", "remove") == ["sp+am"]
    assert await offered(manager, "word", "", "add") == []
    command = world.env.backend.find_command("settings", None, type=1)
    assert command is not None
    world.guild.set_command_permissions(int(command["id"]), {world.bob: True})
    assert await offered(world.bob, "word", "", "remove") == []
    assert await set_(world, manager, "filter", action="remove", word="Kraken") == "Saved."
    assert await offered(manager, "word", "", "remove") == ["squid"]


async def test_settings_refuse_what_is_out_of_range(world: World, manager: Any) -> None:
    with pytest.raises(OptionError):
        await manager.slash(world.channel, "settings limits", words=-1)
    assert await set_(world, manager, "limits", words=10) == "Saved."
    chosen = await world.store.guilds.get(world.guild.id)
    assert chosen.words_max == 50  # the least an essay can have


async def test_leaving_a_guild_drops_its_settings(world: World, manager: Any) -> None:
    await set_(world, manager, "limits", words=300)
    guild = world.bot.get_guild(world.guild.id)
    assert guild is not None
    await world.bot.on_guild_remove(guild)
    assert (await world.store.guilds.get(world.guild.id)).words_max is None
