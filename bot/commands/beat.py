"""``/beat``."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
import discord
from discord import app_commands

from bot import samples
from bot.commands.common import Interaction, text
from bot.commands.essay import Choice, suggest_styles
from bot.commands.submit import Fetch, submit
from bot.samples import Sample
from bot.sentences import Sentence
from bot.uploads import UploadError, shown_name
from models.contract import (
    BARS_MAX,
    BARS_MIN,
    BPM_MAX,
    BPM_MIN,
    KEYS,
    SEED_LIMIT,
    AudioFormat,
)

#: How long a file may take to come from Discord.
DOWNLOAD_SECONDS = 20.0


@app_commands.command(name=text("command.beat.name"), description=text("command.beat.description"))
@app_commands.allowed_installs(guilds=True, users=True)
@app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
@app_commands.rename(
    style=text("command.beat.style.name"),
    bpm=text("command.beat.bpm.name"),
    bars=text("command.beat.bars.name"),
    key=text("command.beat.key.name"),
    seed=text("command.beat.seed.name"),
    format=text("command.beat.format.name"),
    sample=text("command.beat.sample.name"),
)
@app_commands.describe(
    style=text("command.beat.style.description"),
    bpm=text("command.beat.bpm.description"),
    bars=text("command.beat.bars.description"),
    key=text("command.beat.key.description"),
    seed=text("command.beat.seed.description"),
    format=text("command.beat.format.description"),
    sample=text("command.beat.sample.description"),
)
@app_commands.choices(
    key=[Choice(name=text(f"key.{key}"), value=key) for key in KEYS],
    format=[Choice(name=text(f"choice.{kind}"), value=kind.value) for kind in AudioFormat],
)
async def beat(
    interaction: Interaction,
    style: str | None = None,
    bpm: app_commands.Range[int, BPM_MIN, BPM_MAX] | None = None,
    bars: app_commands.Range[int, BARS_MIN, BARS_MAX] | None = None,
    key: str | None = None,
    seed: app_commands.Range[int, 0, SEED_LIMIT - 1] | None = None,
    format: str | None = None,
    sample: discord.Attachment | None = None,
) -> None:
    """Make a beat."""
    values = {
        "style": style,
        "bpm": bpm,
        "bars": bars,
        "key": key,
        "seed": seed,
        "format": format,
    }
    fetch = None if sample is None else _sent(sample)
    await submit(interaction, "beat", values, sample=fetch)


def _sent(attachment: discord.Attachment) -> Fetch:
    """Bring a file a person has sent along; nothing is fetched that is too large or no music."""

    async def fetch() -> Sample:
        name = attachment.filename
        samples.check(name, attachment.size)
        try:
            async with asyncio.timeout(DOWNLOAD_SECONDS):
                data = await attachment.read()
        except TimeoutError:
            raise UploadError(Sentence("upload_slow", name=shown_name(name))) from None
        except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
            raise UploadError(Sentence("upload_broken", name=shown_name(name))) from error
        return await samples.read_sample(name, data)

    return fetch


@beat.autocomplete("style")
async def _style(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await suggest_styles(interaction, "beat", typed)


COMMANDS: tuple[Any, ...] = (beat,)
