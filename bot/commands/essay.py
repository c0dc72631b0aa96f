"""``/essay``, and "Essay about this" and "Continue as essay" on a message."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot.commands.common import Choice, Interaction, Refusal
from bot.commands.menu import command, message_menu, options, text
from bot.commands.submit import submit
from bot.commands.suggestions import styles_for
from bot.openings import cleaned, topic_of
from models.contract import OPENING_LIMIT, SEED_LIMIT, TOPIC_LIMIT

LENGTHS = {"short": 200, "medium": 400, "long": 800}


@command("essay")
@options("essay", "topic", "length", "style", "seed")
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


essay.autocomplete("style")(styles_for("essay"))


@message_menu("essay_about")
async def essay_about(interaction: Interaction, message: discord.Message) -> None:
    """Write an essay about what a message says."""
    topic = " ".join(_text_of(message).split())
    await submit(interaction, "essay", {"topic": topic[:TOPIC_LIMIT]})


@message_menu("essay_on")
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
