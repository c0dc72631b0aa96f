"""``/settings``: what a server's own admins may choose for their server."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import discord
from discord import app_commands
from pydantic import ValidationError

from bot import cards, limits
from bot.commands.common import (
    Interaction,
    Refusal,
    house_of,
    is_manager,
    text,
    whisper,
    words_for,
)
from bot.commands.essay import Choice, suggest_styles
from bot.filters import Filter, PatternError
from bot.parameters import FAMILY, Kind
from bot.store.shapes import GuildSettings
from bot.store.styles import pick
from bot.words import LOCALES, Words, words
from models.contract import BARS_MAX, BARS_MIN, WORDS_MAX, WORDS_MIN

#: Most entries of one list of a server.
LIST_LIMIT = 100
#: Longest blocked word or pattern.
FILTER_LIMIT = 200
_ACTIONS = [Choice(name=text(f"choice.{act}"), value=act) for act in ("add", "remove")]


class Settings(app_commands.Group):
    """The group; Discord's own permission is a hint to it, the check below is what counts."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Let only people in who may manage this server, as the command runs."""
        if interaction.guild_id is None:
            raise Refused("reply.server_only")
        chosen = await house_of(interaction).store.guilds.get(interaction.guild_id)
        if not is_manager(interaction, chosen):
            raise Refused("reply.admin_only")
        return True


class Refused(app_commands.AppCommandError, Refusal):
    """A refusal out of a check, which discord.py only passes on as its own kind of error."""


settings = Settings(
    name=text("command.settings.name"),
    description=text("command.settings.description"),
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_installs=app_commands.AppInstallationType(guild=True),
    allowed_contexts=app_commands.AppCommandContext(guild=True),
)


Callback = Callable[..., Coroutine[Any, Any, None]]


def _sub(name: str) -> Callable[[Callback], app_commands.Command[Any, ..., None]]:
    return settings.command(
        name=text(f"command.settings.{name}.name"),
        description=text(f"command.settings.{name}.description"),
    )


def _options(name: str, *options: str) -> Callable[[Callback], Callback]:
    """Name and describe the options of a subcommand from the words."""
    key = f"command.settings.{name}"

    def decorate(command: Callback) -> Callback:
        named = {option: text(f"{key}.{option}.name") for option in options}
        described = {option: text(f"{key}.{option}.description") for option in options}
        return app_commands.rename(**named)(app_commands.describe(**described)(command))

    return decorate


@_sub("show")
async def show(interaction: Interaction) -> None:
    """Show the settings of this server."""
    chosen = await house_of(interaction).store.guilds.get(interaction.guild_id)
    embed = overview(words_for(interaction), chosen)
    await interaction.response.send_message(embed=embed, ephemeral=True)


@_sub("channel")
@_options("channel", "channel", "action")
@app_commands.choices(action=_ACTIONS)
async def channel(
    interaction: Interaction,
    channel: discord.TextChannel | discord.VoiceChannel | discord.ForumChannel,
    action: str,
) -> None:
    """Choose the channels the bot answers in."""
    chosen = await _chosen(interaction)
    listed = _changed(chosen.allowed_channels, channel.id, action)
    await _save(interaction, allowed_channels=listed)


@_sub("limits")
@_options("limits", "words", "bars", "person", "server", "cooldown")
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


@_sub("style")
@_options("style", "essay", "beat")
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
        found[f"{kind}_style"] = (
            taught.name if taught else house.styles.find(kind, name) if name else None
        )
        if name and found[f"{kind}_style"] is None:
            raise Refusal("settings.style_unknown", value=name[:40])
    await _save(interaction, **found)


@style.autocomplete("essay")
async def _essay_style(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await suggest_styles(interaction, "essay", typed)


@style.autocomplete("beat")
async def _beat_style(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await suggest_styles(interaction, "beat", typed)


@_sub("language")
@_options("language", "language")
@app_commands.choices(
    language=[
        Choice(name=text("choice.each_person"), value="each"),
        *(Choice(name=words("en")(f"language.{short}"), value=short) for short in LOCALES),
    ]
)
async def language(interaction: Interaction, language: str) -> None:
    """Choose the language of what everybody sees."""
    await _save(interaction, locale=language if language in LOCALES else None)


@_sub("filter")
@_options("filter", "action", "word", "pattern")
@app_commands.choices(action=_ACTIONS)
async def filter_(
    interaction: Interaction,
    action: str,
    word: app_commands.Range[str, 1, FILTER_LIMIT] | None = None,
    pattern: app_commands.Range[str, 1, FILTER_LIMIT] | None = None,
) -> None:
    """Block a word or a pattern."""
    chosen = await _chosen(interaction)
    changes: dict[str, Any] = {}
    if word is not None:
        changes["blocked_words"] = _changed(chosen.blocked_words, word, action)
    if pattern is not None:
        try:
            Filter(patterns=(pattern,))
        except PatternError:
            raise Refusal("settings.pattern_broken", value=pattern[:40]) from None
        changes["blocked_patterns"] = _changed(chosen.blocked_patterns, pattern, action)
    if changes:
        await _save(interaction, **changes)
        return
    await whisper(
        interaction, limits.clip(_filters(words_for(interaction), chosen), limits.CONTENT)
    )


@filter_.autocomplete("word")
async def _blocked_word(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await _offered(interaction, typed, lambda chosen: chosen.blocked_words)


@filter_.autocomplete("pattern")
async def _blocked_pattern(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await _offered(interaction, typed, lambda chosen: chosen.blocked_patterns)


async def _offered(
    interaction: Interaction, typed: str, listed: Callable[[GuildSettings], tuple[str, ...]]
) -> list[Choice[str]]:
    """Offer what can be removed; discord.py asks no check before it completes."""
    chosen = await _chosen(interaction)
    if interaction.namespace.action != "remove" or not is_manager(interaction, chosen):
        return []
    wanted = typed.casefold()
    found = (entry for entry in listed(chosen) if wanted in entry.casefold())
    fitting = [entry for entry in found if len(entry) <= limits.CHOICE_NAME]
    return [Choice(name=entry, value=entry) for entry in fitting[: limits.CHOICES]]


@_sub("admin")
@_options("admin", "action", "member", "role")
@app_commands.choices(action=_ACTIONS)
async def admin(
    interaction: Interaction,
    action: str,
    member: discord.Member | None = None,
    role: discord.Role | None = None,
) -> None:
    """Choose who else may change these settings; only those who manage the server may."""
    if not interaction.permissions.manage_guild:
        raise Refusal("reply.admin_only")
    chosen = await _chosen(interaction)
    changes: dict[str, Any] = {}
    if member is not None:
        changes["admin_ids"] = _changed(chosen.admin_ids, member.id, action)
    if role is not None:
        changes["admin_roles"] = _changed(chosen.admin_roles, role.id, action)
    await _save(interaction, **changes)


async def _chosen(interaction: Interaction) -> GuildSettings:
    return await house_of(interaction).store.guilds.get(interaction.guild_id)


def _changed(listed: tuple[Any, ...], entry: Any, action: str) -> tuple[Any, ...]:
    """Add or remove one entry; refuse to let a list grow without end."""
    others = tuple(old for old in listed if old != entry)
    if action != "add":
        return others
    if len(others) >= LIST_LIMIT:
        raise Refusal("settings.too_many", limit=LIST_LIMIT)
    return (*others, entry)


async def _save(interaction: Interaction, **changes: Any) -> None:
    assert interaction.guild_id is not None
    say = words_for(interaction)
    try:
        chosen = await house_of(interaction).store.guilds.change(interaction.guild_id, **changes)
    except ValidationError as wrong:
        raise Refusal("reply.not_number", value=str(wrong.errors()[0]["input"])[:40]) from wrong
    await whisper(interaction, say("settings.saved"), embed=overview(say, chosen))


def overview(say: Words, chosen: GuildSettings) -> discord.Embed:
    """Show everything a server has chosen."""
    embed = discord.Embed(title=say("settings.title"), colour=cards.GREY)
    places = " ".join(f"<#{channel}>" for channel in chosen.allowed_channels)
    people = [f"<@{user}>" for user in chosen.admin_ids]
    people += [f"<@&{role}>" for role in chosen.admin_roles]
    filters = say("settings.no_filters")
    if chosen.blocked_words or chosen.blocked_patterns:
        filters = say(
            "settings.filter_count",
            words=len(chosen.blocked_words),
            patterns=len(chosen.blocked_patterns),
        )
    known = chosen.locale and say(f"language.{chosen.locale}")
    for name, value in (
        ("channels", places or say("settings.everywhere")),
        ("limits", _limits(say, chosen)),
        ("styles", _styles(say, chosen)),
        ("language", known or say("settings.language_user")),
        ("filters", filters),
        ("admins", " ".join(people) or say("settings.admins_only")),
    ):
        shown = limits.clip(value, limits.EMBED_FIELD_VALUE)
        embed.add_field(name=say(f"settings.{name}"), value=shown, inline=False)
    return embed


def _limits(say: Words, chosen: GuildSettings) -> str:
    numbers = {
        "limit_words": chosen.words_max,
        "limit_bars": chosen.bars_max,
        "limit_user": chosen.user_daily_limit,
        "limit_guild": chosen.daily_limit,
        "limit_cooldown": chosen.cooldown_seconds,
    }
    lines = [say(f"settings.{key}", n=number) for key, number in numbers.items() if number]
    return "\n".join(lines) or say("settings.none")


def _styles(say: Words, chosen: GuildSettings) -> str:
    found = {"style_essay": chosen.essay_style, "style_beat": chosen.beat_style}
    lines = [say(f"settings.{key}", style=cards.plain(name)) for key, name in found.items() if name]
    return "\n".join(lines) or say("settings.none")


def _filters(say: Words, chosen: GuildSettings) -> str:
    return say(
        "settings.filter_list",
        words=cards.plain(", ".join(chosen.blocked_words)) or "–",
        patterns=cards.plain(", ".join(chosen.blocked_patterns)) or "–",
    )


COMMANDS: tuple[Any, ...] = (settings,)
