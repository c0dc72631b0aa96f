"""What is offered while somebody types; nothing is offered that the command would refuse."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from functools import wraps
from typing import Any, TypeVar

from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    house_of,
    require_style_admin,
    words_for,
)
from bot.limits import CHOICE_NAME, CHOICES
from bot.parameters import FAMILY, Kind
from bot.store.styles import folded

Value = TypeVar("Value", str, int)
Suggest = Callable[[Interaction, str], Coroutine[Any, Any, list[Choice[Value]]]]


def forgiving(suggest: Suggest[Value]) -> Suggest[Value]:
    """Offer nothing in place of a refusal: discord.py would log each letter typed as an error."""

    @wraps(suggest)
    async def offer(interaction: Interaction, typed: str) -> list[Choice[Value]]:
        try:
            return await suggest(interaction, typed)
        except Refusal:
            return []

    return offer


def styles_for(kind: Kind) -> Suggest[str]:
    """Offer the styles at hand that match; the service itself is not asked, so this is quick."""

    @forgiving
    async def suggest(interaction: Interaction, typed: str) -> list[Choice[str]]:
        house = house_of(interaction)
        wanted = folded(typed)
        family = FAMILY[kind].value
        own = await house.store.styles.visible(interaction.guild_id, family)
        served = await asyncio.to_thread(house.registry.aliases, family) if own else {}
        return [
            *(
                Choice(name=style.name, value=style.key)
                for style in own
                if style.live in served and wanted in folded(style.name)
            ),
            *(
                Choice(name=_label(style.name, style.description), value=style.name)
                for style in house.styles.offered(kind)
                if wanted in style.name.casefold() or wanted in style.description.casefold()
            ),
        ][:CHOICES]

    return suggest


@forgiving
async def own_styles(interaction: Interaction, typed: str) -> list[Choice[str]]:
    """Offer this guild's own styles that match, to those who may teach them."""
    await require_style_admin(interaction)
    wanted, say = folded(typed), words_for(interaction)
    found = await house_of(interaction).store.styles.of(interaction.guild_id)
    return [
        Choice(name=_label(style.name, say(f"train.{style.family}")), value=style.key)
        for style in found
        if wanted in folded(style.name)
    ][:CHOICES]


def _label(name: str, description: str) -> str:
    return (f"{name} — {description}" if description else name)[:CHOICE_NAME]
