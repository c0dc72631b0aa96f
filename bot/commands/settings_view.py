"""What is shown of a server's settings."""

from __future__ import annotations

import discord

from bot import cards, limits
from bot.store.shapes import GuildSettings
from bot.words import Words


def overview(say: Words, chosen: GuildSettings) -> discord.Embed:
    """Show everything a server has chosen."""
    embed = discord.Embed(title=say("settings.title"), colour=cards.GREY)
    places = " ".join(f"<#{channel}>" for channel in chosen.allowed_channels)
    people = [f"<@{user}>" for user in chosen.admin_ids]
    people += [f"<@&{role}>" for role in chosen.admin_roles]
    blocked = say("settings.no_filters")
    if chosen.blocked_words or chosen.blocked_patterns:
        blocked = say(
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
        ("filters", blocked),
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


def filters(say: Words, chosen: GuildSettings) -> str:
    """Spell out what a server blocks."""
    return say(
        "settings.filter_list",
        words=cards.plain(", ".join(chosen.blocked_words)) or "–",
        patterns=cards.plain(", ".join(chosen.blocked_patterns)) or "–",
    )
