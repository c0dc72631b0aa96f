"""Which training runs a person may see and steer, and how a run is asked for."""

from __future__ import annotations

from dataclasses import dataclass

from bot.commands.common import (
    Interaction,
    Refusal,
    find_style,
    house_of,
    is_operator,
    require_operator,
)
from bot.store.shapes import Run, Style
from models.contract import Family

#: What the admins of a server may ask for; those who run the bot may ask for more.
MINUTES_LIMIT = 120
PRESETS = ("cpu", "gpu", "tiny")


@dataclass(frozen=True)
class Order:
    """A run somebody may start."""

    family: Family
    style: Style | None
    minutes: int
    preset: str


async def order(
    interaction: Interaction, style: str | None, family: str | None, minutes: int, preset: str
) -> Order:
    """Check who asks for what; raise Refusal."""
    if (style is None) == (family is None):
        raise Refusal("train.which")
    if style is None:
        require_operator(interaction)
        return Order(Family(str(family)), None, minutes, preset)
    found = await find_style(interaction, style)
    if minutes > MINUTES_LIMIT and not is_operator(interaction):
        raise Refusal("train.too_long", limit=MINUTES_LIMIT)
    return Order(Family(found.family), found, minutes, preset)


def usual_preset(interaction: Interaction) -> str:
    """Choose the preset that fits the device."""
    return "gpu" if house_of(interaction).settings.device == "cuda" else "cpu"


async def seen_styles(interaction: Interaction) -> set[int] | None:
    """List the styles whose runs the person may see; None: every run."""
    if is_operator(interaction):
        return None
    return {style.id for style in await house_of(interaction).store.styles.of(interaction.guild_id)}


async def find_run(interaction: Interaction, run_id: int) -> Run:
    """Find a run the person may steer; any other does not exist for them."""
    run = await house_of(interaction).store.runs.get(run_id)
    seen = await seen_styles(interaction)
    if run is None or (seen is not None and run.style_id not in seen):
        raise Refusal("train.unknown", id=run_id)
    return run
