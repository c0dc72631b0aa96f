"""``/beat``."""

from __future__ import annotations

from typing import Any

import discord
from discord import app_commands

from bot import samples
from bot.commands.attachments import fetched, own_name
from bot.commands.common import Choice, Interaction
from bot.commands.menu import command, options, text
from bot.commands.submit import Fetch, submit
from bot.commands.suggestions import styles_for
from bot.parameters import Energy
from bot.samples import Sample
from models.contract import (
    BARS_MAX,
    BARS_MIN,
    BPM_MAX,
    BPM_MIN,
    KEYS,
    SEED_LIMIT,
    AudioFormat,
)


@command("beat")
@options("beat", "style", "bpm", "bars", "key", "energy", "seed", "format", "sample")
@app_commands.choices(
    key=[Choice(name=text(f"key.{key}"), value=key) for key in KEYS],
    energy=[Choice(name=text(f"choice.{much}"), value=much.value) for much in Energy],
    format=[Choice(name=text(f"choice.{kind}"), value=kind.value) for kind in AudioFormat],
)
async def beat(
    interaction: Interaction,
    style: str | None = None,
    bpm: app_commands.Range[int, BPM_MIN, BPM_MAX] | None = None,
    bars: app_commands.Range[int, BARS_MIN, BARS_MAX] | None = None,
    key: str | None = None,
    energy: str | None = None,
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
        "energy": energy,
        "seed": seed,
        "format": format,
    }
    fetch = None if sample is None else _sent(sample)
    await submit(interaction, "beat", values, sample=fetch)


def _sent(attachment: discord.Attachment) -> Fetch:
    """Bring a file a person has sent along; nothing is fetched that is too large or no music."""

    async def fetch() -> Sample:
        name = own_name(attachment)
        samples.check(name, attachment.size)
        return await samples.read_sample(name, await fetched(attachment))

    return fetch


beat.autocomplete("style")(styles_for("beat"))


COMMANDS: tuple[Any, ...] = (beat,)
