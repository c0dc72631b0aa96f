"""``/settings``: what a server's own admins may choose for their server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import discord
from discord import app_commands
from pydantic import ValidationError

from bot import limits
from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    house_of,
    require_manager,
    whisper,
    words_for,
)
from bot.commands.menu import AdminGroup, options, text
from bot.commands.settings_view import filters, overview
from bot.commands.suggestions import Suggest, forgiving, styles_for
from bot.filters import shows
from bot.own_styles import is_trained
from bot.parameters import FAMILY, Kind
from bot.patterns import Soundness, examine
from bot.store.guilds import Changes
from bot.store.shapes import GuildSettings
from bot.store.styles import pick
from bot.words import LOCALES, words
from models.contract import BARS_MAX, BARS_MIN, WORDS_MAX, WORDS_MIN

#: Most entries of one list of a server.
LIST_LIMIT = 100
#: Longest blocked word or pattern.
FILTER_LIMIT = 200
_ACTIONS = [Choice(name=text(f"choice.{act}"), value=act) for act in ("add", "remove")]


settings = AdminGroup("settings", require_manager)


@settings.sub("show")
async def show(interaction: Interaction) -> None:
    """Show the settings of this server."""
    embed = overview(words_for(interaction), await _chosen(interaction))
    await interaction.response.send_message(embed=embed, ephemeral=True)


@settings.sub("channel")
@options("settings.channel", "action", "channel")
@app_commands.choices(
    action=[*_ACTIONS, Choice(name=text("choice.everywhere"), value="everywhere")]
)
async def channel(
    interaction: Interaction,
    action: str,
    channel: discord.TextChannel | discord.VoiceChannel | discord.ForumChannel | None = None,
) -> None:
    """Choose the channels the bot answers in; “everywhere” also where listed ones are deleted."""
    if action == "everywhere":
        await _save(interaction, allowed_channels=())
    elif channel is None:
        raise Refusal("settings.which_channel")
    else:
        await _revise(interaction, _lists(action, allowed_channels=channel.id))


@settings.sub("limits")
@options("settings.limits", "words", "bars", "person", "server", "cooldown")
async def limit(
    interaction: Interaction,
    words: app_commands.Range[int, 0, WORDS_MAX] | None = None,
    bars: app_commands.Range[int, 0, BARS_MAX] | None = None,
    person: app_commands.Range[int, 0, 100000] | None = None,
    server: app_commands.Range[int, 0, 1000000] | None = None,
    cooldown: app_commands.Range[int, 0, 3600] | None = None,
) -> None:
    """Set limits; 0 takes one away."""
    changes: dict[str, Any] = {
        "words_max": max(words, WORDS_MIN) if words else words,
        "bars_max": max(bars, BARS_MIN) if bars else bars,
        "user_daily_limit": person,
        "daily_limit": server,
    }
    given = {name: value or None for name, value in changes.items() if value is not None}
    if cooldown is not None:
        given["cooldown_seconds"] = cooldown
    await _save(interaction, **given)


@settings.sub("style")
@options("settings.style", "essay", "beat")
async def style(
    interaction: Interaction, essay: str | None = None, beat: str | None = None
) -> None:
    """Choose the usual styles."""
    house = house_of(interaction)
    found: dict[str, str | None] = {}
    kinds: tuple[tuple[Kind, str | None], ...] = (("essay", essay), ("beat", beat))
    for kind, name in kinds:
        own = await house.store.styles.visible(interaction.guild_id, FAMILY[kind].value)
        taught = pick(own, name) if name else None
        if taught is not None and not await is_trained(taught, house.registry):
            raise Refusal("settings.style_untrained", value=taught.name)
        found[f"{kind}_style"] = (
            taught.name if taught else house.styles.find(kind, name) if name else None
        )
        if name and found[f"{kind}_style"] is None:
            raise Refusal("settings.style_unknown", value=name[:40])
    await _save(interaction, **found)


style.autocomplete("essay")(styles_for("essay"))
style.autocomplete("beat")(styles_for("beat"))


@settings.sub("language")
@options("settings.language", "language")
@app_commands.choices(
    language=[
        Choice(name=text("choice.each_person"), value="each"),
        *(Choice(name=words("en")(f"language.{short}"), value=short) for short in LOCALES),
    ]
)
async def language(interaction: Interaction, language: str) -> None:
    """Choose the language of what everybody sees."""
    await _save(interaction, locale=language if language in LOCALES else None)


@settings.sub("filter")
@options("settings.filter", "action", "word", "pattern")
@app_commands.choices(action=_ACTIONS)
async def filter_(
    interaction: Interaction,
    action: str,
    word: app_commands.Range[str, 1, FILTER_LIMIT] | None = None,
    pattern: app_commands.Range[str, 1, FILTER_LIMIT] | None = None,
) -> None:
    """Block a word or a pattern."""
    if word is None and pattern is None:
        listed = filters(words_for(interaction), await _chosen(interaction))
        await whisper(interaction, limits.clip(listed, limits.CONTENT))
        return
    if action == "add":
        if word is not None and not shows(word):
            raise Refusal("settings.word_unseen")
        if pattern is not None:
            await _require_sound(interaction, pattern)
    await _revise(interaction, _lists(action, blocked_words=word, blocked_patterns=pattern))


async def _require_sound(interaction: Interaction, pattern: str) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)  # a process is begun for it
    found = await examine(pattern)
    if found is not Soundness.SOUND:
        key = "broken" if found is Soundness.BROKEN else "costly"
        raise Refusal(f"settings.pattern_{key}", value=pattern[:40])


def _listed(entries: Callable[[GuildSettings], tuple[str, ...]]) -> Suggest[str]:
    """Offer what can be removed."""

    @forgiving
    async def suggest(interaction: Interaction, typed: str) -> list[Choice[str]]:
        await require_manager(interaction)  # discord.py asks no check before it completes
        if interaction.namespace.action != "remove":
            return []
        wanted = typed.casefold()
        found = [one for one in entries(await _chosen(interaction)) if wanted in one.casefold()]
        fitting = [entry for entry in found if len(entry) <= limits.CHOICE_NAME]
        return [Choice(name=entry, value=entry) for entry in fitting[: limits.CHOICES]]

    return suggest


filter_.autocomplete("word")(_listed(lambda chosen: chosen.blocked_words))
filter_.autocomplete("pattern")(_listed(lambda chosen: chosen.blocked_patterns))


@settings.sub("admin")
@options("settings.admin", "action", "member", "role")
@app_commands.choices(action=_ACTIONS)
async def admin(
    interaction: Interaction,
    action: str,
    member: discord.Member | discord.User | None = None,
    role: discord.Role | None = None,
) -> None:
    """Choose who else may change these settings; only those who manage the server may."""
    if not interaction.permissions.manage_guild:
        raise Refusal("reply.admin_only")
    person, group = (one.id if one is not None else None for one in (member, role))
    await _revise(interaction, _lists(action, admin_ids=person, admin_roles=group))


async def _chosen(interaction: Interaction) -> GuildSettings:
    return await house_of(interaction).store.guilds.get(interaction.guild_id)


def _lists(action: str, **entries: int | str | None) -> Changes:
    """Add an entry to each list that one is given for, or remove it there."""
    given = {name: entry for name, entry in entries.items() if entry is not None}
    return lambda now: {
        name: _changed(getattr(now, name), entry, action) for name, entry in given.items()
    }


def _changed(listed: tuple[Any, ...], entry: Any, action: str) -> tuple[Any, ...]:
    """Add or remove one entry; refuse to let a list grow without end."""
    others = tuple(old for old in listed if old != entry)
    if action != "add":
        return others
    if len(others) >= LIST_LIMIT:
        raise Refusal("settings.too_many", limit=LIST_LIMIT)
    return (*others, entry)


async def _save(interaction: Interaction, **changes: Any) -> None:
    await _revise(interaction, lambda _: changes)


async def _revise(interaction: Interaction, changes: Changes) -> None:
    """Change what is chosen at that moment: others may be changing it, too."""
    assert interaction.guild_id is not None
    say = words_for(interaction)
    try:
        chosen = await house_of(interaction).store.guilds.revise(interaction.guild_id, changes)
    except ValidationError as wrong:
        raise Refusal("reply.not_number", value=str(wrong.errors()[0]["input"])[:40]) from wrong
    await whisper(interaction, say("settings.saved"), embed=overview(say, chosen))


COMMANDS: tuple[Any, ...] = (settings,)
