"""``python -m bot sync``: register the commands, in one overwrite of one scope."""

from __future__ import annotations

import sys

import discord
import structlog
from discord import app_commands

from bot.commands import all_commands
from bot.commands.common import INTENTS
from bot.commands.menu import Translator
from bot.limits import check_commands
from bot.settings import Settings

log = structlog.get_logger(__name__)


async def sync(settings: Settings, guild: int | None = None) -> int:
    """Register for one guild at once, or for all; clear the other scope; return the exit code.

    A command that is in both scopes shows up twice, so only one of them is ever filled.
    """
    token = settings.token()
    if token is None:
        return 2
    async with discord.Client(intents=INTENTS) as client:
        try:
            await client.login(token)
            tree = app_commands.CommandTree(client)
            await tree.set_translator(Translator())
            registered = await register(tree, guild)
        except discord.LoginFailure:
            sys.stderr.write("Discord does not accept the token; check DISCORD_TOKEN.\n")
            return 2
        except discord.HTTPException as error:
            sys.stderr.write(f"Discord did not take the commands: {error.text or error.status}.\n")
            return 1
    place = "everywhere" if guild is None else f"on server {guild}"
    sys.stderr.write(f"{len(registered)} commands are registered {place}.\n")
    return 0


async def register(
    tree: app_commands.CommandTree[discord.Client], guild: int | None
) -> list[app_commands.AppCommand]:
    """Overwrite the commands of one scope and empty the other."""
    place = discord.Object(guild) if guild is not None else None
    for command in all_commands():
        tree.add_command(command, guild=place, override=True)
    check_commands(await payloads(tree, place))
    registered = await tree.sync(guild=place)
    if place is not None:
        tree.clear_commands(guild=None)
        await tree.sync()
    else:
        for joined in [guild async for guild in tree.client.fetch_guilds(limit=None)]:
            # Only a guild that has commands of its own is touched: writes are rationed.
            if await tree.fetch_commands(guild=joined):
                await tree.sync(guild=joined)
    return registered


async def payloads(
    tree: app_commands.CommandTree[discord.Client], guild: discord.abc.Snowflake | None
) -> list[dict[str, object]]:
    """Spell the commands out as they go over the wire, translations included."""
    translator = tree.translator
    assert translator is not None
    return [
        await command.get_translated_payload(tree, translator)
        for command in tree.get_commands(guild=guild)
    ]
