"""``/album``."""

from __future__ import annotations

from typing import Any

from discord import app_commands

from bot.commands.common import Choice, Interaction, text
from bot.commands.essay import suggest_styles
from bot.commands.submit import submit
from models.contract import SEED_LIMIT, TITLE_LIMIT, TRACKS_MAX, TRACKS_MIN


@app_commands.command(
    name=text("command.album.name"), description=text("command.album.description")
)
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
@app_commands.rename(
    title=text("command.album.title.name"),
    tracks=text("command.album.tracks.name"),
    style=text("command.album.style.name"),
    seed=text("command.album.seed.name"),
)
@app_commands.describe(
    title=text("command.album.title.description"),
    tracks=text("command.album.tracks.description"),
    style=text("command.album.style.description"),
    seed=text("command.album.seed.description"),
)
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


@album.autocomplete("style")
async def _style(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await suggest_styles(interaction, "album", typed)


COMMANDS: tuple[Any, ...] = (album,)
