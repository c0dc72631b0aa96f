"""``/essay``, and "Essay about this" and "Continue as essay" on a message."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.commands.common import Interaction, Refusal, house_of, text
from bot.commands.submit import submit
from bot.limits import CHOICES
from bot.openings import cleaned, topic_of
from bot.parameters import FAMILY, Kind
from bot.store.styles import folded
from models.contract import OPENING_LIMIT, SEED_LIMIT, TOPIC_LIMIT

LENGTHS = {"short": 200, "medium": 400, "long": 800}

Choice = app_commands.Choice


async def suggest_styles(interaction: Interaction, kind: Kind, typed: str) -> list[Choice[str]]:
    """Offer the styles at hand that match; the service itself is not asked, so this is quick."""
    house = house_of(interaction)
    wanted = typed.strip().casefold()
    own = await house.store.styles.visible(interaction.guild_id, FAMILY[kind].value)
    return [
        *(
            Choice(name=style.name, value=style.key)
            for style in own
            if wanted in folded(style.name)
        ),
        *(
            Choice(name=_label(style.name, style.description), value=style.name)
            for style in house.styles.of(kind)
            if wanted in style.name.casefold() or wanted in style.description.casefold()
        ),
    ][:CHOICES]


def _label(name: str, description: str) -> str:
    return (f"{name} — {description}" if description else name)[:100]


@app_commands.command(
    name=text("command.essay.name"), description=text("command.essay.description")
)
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
@app_commands.rename(
    topic=text("command.essay.topic.name"),
    length=text("command.essay.length.name"),
    style=text("command.essay.style.name"),
    seed=text("command.essay.seed.name"),
)
@app_commands.describe(
    topic=text("command.essay.topic.description"),
    length=text("command.essay.length.description"),
    style=text("command.essay.style.description"),
    seed=text("command.essay.seed.description"),
)
@app_commands.choices(
    length=[Choice(name=text(f"choice.{name}"), value=words) for name, words in LENGTHS.items()]
)
async def essay(
    interaction: Interaction,
    topic: app_commands.Range[str, 1, TOPIC_LIMIT],
    length: int | None = None,
    style: str | None = None,
    seed: app_commands.Range[int, 0, SEED_LIMIT - 1] | None = None,
) -> None:
    """Write an essay."""
    values = {"topic": topic, "words": length, "style": style, "seed": seed}
    await submit(interaction, "essay", values)


@essay.autocomplete("style")
async def _style(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await suggest_styles(interaction, "essay", typed)


@app_commands.context_menu(name=text("menu.essay_about"))
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def essay_about(interaction: Interaction, message: discord.Message) -> None:
    """Write an essay about what a message says."""
    topic = " ".join(_text_of(message).split())
    await submit(interaction, "essay", {"topic": topic[:TOPIC_LIMIT]})


@app_commands.context_menu(name=text("menu.essay_on"))
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
async def essay_on(interaction: Interaction, message: discord.Message) -> None:
    """Write an essay that goes on from what a message says."""
    opening = cleaned(_text_of(message))
    topic = topic_of(opening)
    if not topic:
        raise Refusal("reply.no_text")
    if len(opening) > OPENING_LIMIT:
        raise Refusal("reply.text_long", limit=OPENING_LIMIT)
    await submit(interaction, "essay", {"topic": topic, "opening": opening})


def _text_of(message: discord.Message) -> str:
    """Return what a message says, or what it passes on; Discord sends it with the menu's click."""
    forwarded = (snapshot.content for snapshot in message.message_snapshots)
    found = message.clean_content or next(forwarded, "")
    if not found.strip():
        raise Refusal("reply.no_text")
    return found


COMMANDS: tuple[Any, ...] = (essay, essay_about, essay_on)
