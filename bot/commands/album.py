"""``/album``."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from bot.commands.common import Interaction
from bot.commands.menu import command, options
from bot.commands.submit import submit
from bot.commands.suggestions import styles_for
from models.contract import SEED_LIMIT, TITLE_LIMIT, TRACKS_MAX, TRACKS_MIN


@command("album")
@options("album", "title", "tracks", "style", "seed")
async def album(
    interaction: Interaction,
    title: app_commands.Range[str, 1, TITLE_LIMIT],
    tracks: app_commands.Range[int, TRACKS_MIN, TRACKS_MAX] | None = None,
    style: str | None = None,
    seed: app_commands.Range[int, 0, SEED_LIMIT - 1] | None = None,
) -> None:
    """Make a record."""
    values = {"title": title, "tracks": tracks, "style": style, "seed": seed}
    await submit(interaction, "album", values)


album.autocomplete("style")(styles_for("album"))


COMMANDS: tuple[Any, ...] = (album,)
