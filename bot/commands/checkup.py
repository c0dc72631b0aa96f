"""What the doctor asks Discord: is the token good, are the commands there, may the bot answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence

import aiohttp
import discord
from discord import app_commands

from bot.commands import all_commands
from bot.commands.common import INTENTS

#: How long Discord may take to answer each of the doctor's questions, in seconds.
PATIENCE = 15.0
#: Servers that are looked at one by one, with three requests each.
GUILDS = 50
#: What the bot needs where it speaks; as an application it may always answer a command, but what
#: comes after a quarter of an hour, with files, comes as an ordinary message.
NEEDED = discord.Permissions(
    view_channel=True,
    send_messages=True,
    embed_links=True,
    attach_files=True,
    read_message_history=True,
)

Report = tuple[str, bool, str]


async def inspect(token: str) -> list[Report]:
    """Return a part, whether it is well, and what to do, for each thing that Discord knows."""
    async with discord.Client(intents=INTENTS) as client:
        try:
            async with asyncio.timeout(PATIENCE):
                await client.login(token)
                guilds = [guild async for guild in client.fetch_guilds(limit=None)]
                commands = await _commands(client, guilds)
            permissions = [report async for report in _permissions(client, guilds)]
            return [("discord", *commands), ("intents", *_intents(client)), *permissions]
        except discord.LoginFailure:
            return [("discord", False, "Discord does not accept the token; check DISCORD_TOKEN.")]
        except (discord.HTTPException, aiohttp.ClientError, OSError):
            sentence = "Discord cannot be reached; check the network and try again."
            return [("discord", False, sentence)]


async def _commands(client: discord.Client, guilds: Sequence[discord.Guild]) -> tuple[bool, str]:
    """Look for the commands everywhere, or else in the first guilds."""
    tree = app_commands.CommandTree(client)
    found = {command.name for command in await tree.fetch_commands()}
    for guild in guilds[:5] if not found else ():
        found |= {command.name for command in await tree.fetch_commands(guild=guild)}
    missing = {command.name for command in all_commands()} - found
    if missing:
        named = ", ".join(sorted(missing))
        return False, f"Not registered with Discord: {named}. Run “python -m bot sync”."
    return True, (f"Discord takes the token and has every command; servers: {len(guilds)}.")


def _intents(client: discord.Client) -> tuple[bool, str]:
    """Compare what the bot will ask to be told with what Discord's portal grants."""
    assert client.application is not None
    flags = client.application.flags
    granted = {
        "presences": flags.gateway_presence or flags.gateway_presence_limited,
        "members": flags.gateway_guild_members or flags.gateway_guild_members_limited,
        "message_content": (flags.gateway_message_content or flags.gateway_message_content_limited),
    }
    lacking = [name for name, given in granted.items() if getattr(INTENTS, name) and not given]
    if lacking:
        named = ", ".join(name.replace("_", " ") for name in lacking)
        return False, f"Switch on for the bot, in Discord's developer portal: {named}."
    return True, "The bot asks for no intent that would have to be switched on."


async def _permissions(
    client: discord.Client, guilds: Sequence[discord.Guild]
) -> AsyncIterator[Report]:
    """Look into each server, or the first ones, for what the bot may do there."""
    for known in guilds[:GUILDS]:
        part = f"permissions on “{known.name}”"
        try:
            async with asyncio.timeout(PATIENCE):
                yield part, *await _permissions_on(client, known.id)
        except (discord.Forbidden, discord.NotFound):
            yield part, False, "Discord does not show me this server; invite me again."


async def _permissions_on(client: discord.Client, guild_id: int) -> tuple[bool, str]:
    assert client.user is not None
    guild = await client.fetch_guild(guild_id, with_counts=False)
    me = await guild.fetch_member(client.user.id)
    missing = _named(NEEDED & ~me.guild_permissions)
    if missing and not me.guild_permissions.administrator:
        link = discord.utils.oauth_url(client.user.id, permissions=NEEDED, guild=guild)
        return False, f"I lack {missing}. Give my role these, or invite me again: {link}"
    closed = [
        channel.name
        for channel in await guild.fetch_channels()
        if isinstance(channel, discord.TextChannel) and _is_half_open(channel.permissions_for(me))
    ]
    if not closed:
        return True, "I may do there all that I need."
    more = f" and {len(closed) - 5} more" if len(closed) > 5 else ""
    named = ", ".join(f"#{name}" for name in closed[:5])
    return True, f"I may do there all that I need, but not in {named}{more}."


def _is_half_open(here: discord.Permissions) -> bool:
    """Say whether the bot is in a channel without all that it needs there."""
    return here.view_channel and not here.is_superset(NEEDED)


def _named(permissions: discord.Permissions) -> str:
    names = (name for name, on in permissions if on)
    # discord.py keeps the old name of what Discord calls "View Channels".
    shown = ("view_channels" if name == "read_messages" else name for name in names)
    return ", ".join(name.replace("_", " ").title() for name in shown)
