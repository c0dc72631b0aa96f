"""What every command may need: the house behind, words, who may do what, and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import discord
from discord import app_commands

from bot.store.shapes import GuildSettings, Request, Style
from bot.store.styles import pick
from bot.words import Words, words

if TYPE_CHECKING:
    from bot.app import GhostwriterBot, House

Interaction = discord.Interaction[Any]
Choice = app_commands.Choice
#: Slash commands, buttons and menus need no privileged intent.
INTENTS = discord.Intents(guilds=True)


class Refusal(app_commands.AppCommandError):
    """A plain "no": the key of one sentence and its values.

    It is of discord.py's kind, which alone reaches the tree out of a group's check.
    """

    def __init__(self, key: str, **values: Any) -> None:
        super().__init__(key)
        self.key = key
        self.values = values


def bot_of(interaction: Interaction) -> GhostwriterBot:
    """Return the bot an interaction came to."""
    return cast("GhostwriterBot", interaction.client)


def house_of(interaction: Interaction) -> House:
    """Return the rooms behind the bot; refuse while they are not open."""
    return bot_of(interaction).house


def words_for(interaction: Interaction) -> Words:
    """Return the words of the person who asks: for what only they see."""
    return words(str(interaction.locale))


async def words_here(interaction: Interaction) -> Words:
    """Return the words for what everybody sees: the guild's choice, else the person's."""
    chosen = await house_of(interaction).store.guilds.get(interaction.guild_id)
    return words(chosen.locale or str(interaction.locale))


# Who may do what.


def is_moderator(interaction: Interaction) -> bool:
    """Say whether the person may manage other people's messages in this channel."""
    return interaction.guild_id is not None and interaction.permissions.manage_messages


def is_manager(interaction: Interaction, chosen: GuildSettings) -> bool:
    """Say whether the person may change this guild's settings, checked as it runs."""
    if interaction.guild_id is None:
        return False
    if interaction.permissions.manage_guild or interaction.user.id in chosen.admin_ids:
        return True
    member = interaction.user
    held = {role.id for role in member.roles} if isinstance(member, discord.Member) else set()
    return bool(held & set(chosen.admin_roles))


async def require_manager(interaction: Interaction) -> None:
    """Refuse everybody who may not change this guild's settings."""
    chosen = await house_of(interaction).store.guilds.get(interaction.guild_id)
    if not is_manager(interaction, chosen):
        raise Refusal("reply.admin_only")


def is_operator(interaction: Interaction) -> bool:
    """Say whether the person runs this bot: a configured admin, the owner or one of the team.

    Retraining changes the model of every guild, so no guild's own permissions count here.
    """
    bot = bot_of(interaction)
    return interaction.user.id in bot.settings.admin_ids | bot.owner_ids


def require_operator(interaction: Interaction) -> None:
    """Refuse everybody who does not run this bot."""
    if not is_operator(interaction):
        raise Refusal("reply.owner_only")


async def is_style_admin(interaction: Interaction) -> bool:
    """Say whether the person may teach this guild's own styles, checked as it runs."""
    if is_operator(interaction):
        return True
    return is_manager(
        interaction, await house_of(interaction).store.guilds.get(interaction.guild_id)
    )


async def require_style_admin(interaction: Interaction) -> None:
    """Refuse everybody who may teach neither this guild's styles nor the model that all share."""
    if not await is_style_admin(interaction):
        raise Refusal("style.admin_only" if interaction.guild_id else "reply.owner_only")


async def find_style(interaction: Interaction, named: str) -> Style:
    """Find one of this guild's own styles; another guild's does not exist here."""
    if not await is_style_admin(interaction):
        raise Refusal("style.admin_only")
    found = pick(await house_of(interaction).store.styles.of(interaction.guild_id), named)
    if found is None:
        raise Refusal("style.unknown", value=named[:40])
    return found


def may_see(interaction: Interaction, request: Request) -> bool:
    """Say whether the person may see a request here.

    One guild never sees what belongs to another. In its own guild a result is seen by its owner
    and by those who can read the channel it was asked in; elsewhere by its owner in a DM only, or
    by the others of the group it was asked in. Who is in a private thread sees it there, and who
    manages threads everywhere.
    """
    mine = request.user_id == interaction.user.id
    if request.guild_id is None and interaction.guild_id is None:
        return mine or (
            request.channel_id is not None and request.channel_id == interaction.channel_id
        )
    if request.guild_id is None or interaction.guild_id is None:
        return mine
    if interaction.guild_id != request.guild_id:
        return False
    if mine or request.channel_id == interaction.channel_id:
        return True
    guild, member = interaction.guild, interaction.user
    if guild is None or request.channel_id is None or not isinstance(member, discord.Member):
        return False
    channel = guild.get_channel_or_thread(request.channel_id)
    if channel is None:
        return False
    may = channel.permissions_for(member)
    if isinstance(channel, discord.Thread) and channel.is_private():
        # These are its parent's, and nobody tells us who has been let into the thread.
        return may.read_messages and may.manage_threads
    return may.read_messages


def may_manage(interaction: Interaction, request: Request) -> bool:
    """Say whether the person may cancel or delete a request they can see."""
    mine = request.user_id == interaction.user.id
    return may_see(interaction, request) and (mine or is_moderator(interaction))


async def find_request(interaction: Interaction, request_id: int) -> Request:
    """Find a request the person may see; whatever they may not see does not exist for them."""
    request = await house_of(interaction).store.requests.get(request_id)
    if request is None or request.origin != "discord" or not may_see(interaction, request):
        raise Refusal("reply.nothing_there")
    return request


async def whisper(interaction: Interaction, sentence: str, **more: Any) -> None:
    """Say something only the person sees, however far the interaction is."""
    if interaction.response.is_done():
        await interaction.followup.send(sentence, ephemeral=True, **more)
    else:
        await interaction.response.send_message(sentence, ephemeral=True, **more)


async def answer_with(interaction: Interaction, files: list[discord.File], **more: Any) -> None:
    """Answer with files that only the person sees, and close them."""
    try:  # discord.py closes the files of messages, but not those of first answers
        await interaction.response.send_message(files=files, ephemeral=True, **more)
    finally:
        for file in files:
            file.close()


def upload_room(interaction: Interaction) -> int:
    """Return how many bytes one file may have in the answer to this interaction."""
    return interaction.filesize_limit
