"""Styles that guilds taught the models: which of them a request may use, and how it is asked for.

Such a style is a version of its own, held by the service under the alias ``s<id>.live``. What the
version learned is, for the model, the style ``own``; people see the name the guild gave it.
"""

from __future__ import annotations

import asyncio
import re

from bot.asking import Ask, WrongValue
from bot.parameters import FAMILY, Parameters
from bot.sentences import Sentence
from bot.store import GuildSettings, Outcome, Store, Style
from bot.store.styles import pick
from bot.styles import OWN
from models.registry import Registry

_ALIAS = re.compile(r"s(\d{1,18})\.live")


async def own_style(
    ask: Ask, guild: GuildSettings, store: Store, registry: Registry
) -> Style | None:
    """Find the guild's or published style that is asked for; raise WrongValue for an untrained one.

    None when no such style is meant, or an untrained one is but the usual one here; another guild's
    is never found, whatever was typed.
    """
    usual = guild.essay_style if ask.kind == "essay" else guild.beat_style
    asked = str(ask.parameters.get("style") or "").strip()
    wanted = asked or (usual or "").strip()
    if not wanted:
        return None
    family = FAMILY[ask.kind].value
    visible = await store.styles.visible(ask.guild_id, family)
    # What asks again names the very style: two guilds may give theirs the same name.
    before = ask.parameters.get("version")
    style = next((one for one in visible if one.live == before), None) or pick(visible, wanted)
    if style is None:
        return None
    if await is_trained(style, registry):
        return style
    if asked:
        raise WrongValue(Sentence("style_untrained", value=style.name))
    return None


async def is_trained(style: Style, registry: Registry) -> bool:
    """Say whether a version serves a style."""
    return style.live in await asyncio.to_thread(registry.aliases, style.family)


def prompt_style(asked: Parameters) -> str | None:
    """Name the style as the version that is asked knows it."""
    return asked.style if asked.version is None else OWN


def named(made: Outcome, asked: Parameters) -> Outcome:
    """Give a result in a guild's style the name that people know."""
    if asked.version is None or asked.style is None:
        return made
    return made.model_copy(update={"style": asked.style})


def style_of(asked: Parameters) -> int | None:
    """Number of the guild's style that was asked for; None where it is the model's own."""
    match = _ALIAS.fullmatch(asked.version or "")
    return int(match[1]) if match is not None else None
