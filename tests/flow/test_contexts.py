"""Where each command may be used: on servers, in direct messages, and with the bot not there."""

from __future__ import annotations

from typing import Any

import discord
import pytest
from discord import app_commands

from bot.commands import all_commands
from bot.commands.menu import AdminGroup, Translator
from bot.commands.sync import payloads
from bot.store import State
from tests.flow.world import World

EVERYWHERE = ([0, 1, 2], [0, 1])
#: Admins of a server work on it; those who run the bot may do so in a direct message.
WHERE = {
    "settings": ([0], [0]),
    "style": ([0], [0]),
    "train": ([0, 1], [0]),
    "model": ([0, 1], [0]),
}
MAKING: dict[str, dict[str, Any]] = {
    "essay": {"topic": "the sea", "length": 200},
    "beat": {"bars": 4},
    "album": {"title": "Night", "tracks": 3},
}


async def test_each_command_says_where_it_may_be_used() -> None:
    async with discord.Client(intents=discord.Intents.none()) as client:
        tree = app_commands.CommandTree(client)
        await tree.set_translator(Translator())
        for command in all_commands():
            tree.add_command(command)
        told = {str(one["name"]): one for one in await payloads(tree, None)}
    assert set(told) >= {*WHERE, *MAKING, "show", "mine", "about", "privacy"}
    for name, payload in told.items():
        places = (payload["contexts"], payload["integration_types"])
        assert places == WHERE.get(name, EVERYWHERE), name
        if name in WHERE:  # what it asks of people as it runs is in one place
            assert isinstance(tree.get_command(name), AdminGroup)
        hint = payload["default_member_permissions"]
        assert hint == (discord.Permissions(manage_guild=True).value if name in WHERE else None)


@pytest.mark.usefixtures("env")
@pytest.mark.parametrize("place", ["direct", "installed by the person alone"])
async def test_every_command_for_everybody_works_there(
    world: World,
    client_says: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
    place: str,
) -> None:
    here: tuple[Any, ...] = ()
    person = world.env.create_user("carol")
    if place != "direct":
        person, here = world.alice, (world.channel,)
        client_says["authorizing_integration_owners"] = {"1": str(person.id)}
        monkeypatch.setattr(world.bot, "get_guild", lambda _: None)
    for command, options in MAKING.items():
        result = await person.slash(*here, command, **options)
        request = await world.done(world.number(result))
        assert request.state is State.DONE, command
        assert request.guild_id == (None if place == "direct" else world.guild.id)
        shown = await person.slash(*here, "show", number=request.id)
        assert shown.response.embeds[0].title and not shown.ephemeral
        await person.click(result.response, custom_id=f"gw:delete:{request.id}")
    for command in ("mine", "about", "privacy"):
        told = await person.slash(*here, command)
        assert told.ephemeral and told.response.embeds[0].title, command
    mine = await person.slash(*here, "mine")
    packed = await person.click(mine.response, custom_id="gwm:zip:all:0")
    assert packed.response.attachments
    privacy = await person.slash(*here, "privacy")
    packed = await person.click(privacy.response, custom_id="gwp:export")
    assert packed.response.attachments
