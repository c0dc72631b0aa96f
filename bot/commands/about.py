"""``/about``: which models answer, with their cards, how long the queue is, and the health."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import discord

from bot import cards, limits
from bot.buttons import SafeButton
from bot.commands.common import Interaction, Refusal, answer_with, house_of, words_for
from bot.commands.menu import command
from bot.parameters import KINDS, Kind
from bot.store.states import State
from bot.words import Words
from models.contract import Family, ModelInfo, StyleInfo
from models.registry import Registry, RegistryError

#: The service is asked anew, but only as long as the answer still comes in time.
PATIENCE = 1.5


@command("about")
async def about(interaction: Interaction) -> None:
    """Describe the models, the queue and the health."""
    say, house = words_for(interaction), house_of(interaction)
    embed = discord.Embed(
        title=say("about.title"), description=say("about.text"), colour=cards.GREEN
    )
    kinds: tuple[Kind, ...] = ("essay", "beat")
    models = {kind: house.styles.model(kind) for kind in kinds}
    for kind, model in models.items():
        if model is not None:
            _add_model(say, embed, model, house.styles.offered(kind))
    if not any(models.values()):
        embed.add_field(name=say("about.health"), value=say("about.no_models"), inline=False)
    depth = await house.store.requests.depth()
    queue = say(
        "about.queue_line",
        waiting=depth.get(State.QUEUED, 0),
        running=depth.get(State.RUNNING, 0),
    )
    embed.add_field(name=say("about.queue"), value=queue)
    embed.add_field(name=say("about.health"), value=await _health(interaction, say))
    embed.add_field(name=say("about.licence"), value=say("about.licence_line"), inline=False)
    view = cards.view_of(
        discord.ui.Button(
            label=limits.clip(say("about.card", version=model.version), limits.BUTTON_LABEL),
            custom_id=f"gwa:card:{kind}",
            emoji="📄",
        )
        for kind, model in models.items()
        if model is not None
    )
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


class AboutButton(SafeButton, template=r"gwa:card:(?P<kind>essay|beat)"):
    """A button that hands over the card of a live model."""

    async def press(self, interaction: Interaction) -> None:
        """Look for the card beside the model's files."""
        house = house_of(interaction)
        kind = next(kind for kind in KINDS if kind == self.parts["kind"])
        model = house.styles.model(kind)
        path = None if model is None else await asyncio.to_thread(_card, house.registry, model)
        if model is None or path is None:
            raise Refusal("about.no_card")
        await answer_with(interaction, [discord.File(path, f"{model.version}.md")])


def _card(registry: Registry, model: ModelInfo) -> Path | None:
    try:
        path = registry.resolve(model.family.value, model.version).path / "README.md"
    except RegistryError:
        return None
    return path if path.is_file() else None


def _add_model(
    say: Words, embed: discord.Embed, model: ModelInfo, offered: Sequence[StyleInfo]
) -> None:
    family = say("about.essay" if model.family is Family.ESSAY else "about.music")
    styles = ", ".join(style.name for style in offered) or say("about.no_styles")
    line = say(
        "about.model_line",
        parameters=f"{model.parameters / 1e6:.1f}",
        licence=cards.plain(model.licence),
        device=model.device,
        styles=cards.plain(styles),
    )
    name = say("about.model", family=family, version=model.version)
    embed.add_field(
        name=limits.clip(name, limits.EMBED_FIELD_NAME),
        value=limits.clip(line, limits.EMBED_FIELD_VALUE),
        inline=False,
    )


async def _health(interaction: Interaction, say: Words) -> str:
    try:
        async with asyncio.timeout(PATIENCE):
            failed = await house_of(interaction).health.failures()
    except TimeoutError:
        failed = {"health": ""}
    if not failed:
        return say("about.well")
    return say("about.ill", what=", ".join(sorted(failed)))


COMMANDS: tuple[Any, ...] = (about,)
