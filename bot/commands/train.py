"""``/train``: start, watch, stop and resume the training of the models and of styles."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterable
from datetime import timedelta
from pathlib import Path

import discord
from discord import app_commands
from discord.utils import format_dt, utcnow

from bot import cards, limits
from bot.cards import plain
from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    answer_with,
    house_of,
    require_style_admin,
    words_for,
    words_here,
)
from bot.commands.menu import AdminGroup, families, options, text
from bot.commands.run_access import (
    PRESETS,
    Order,
    find_run,
    order,
    seen_styles,
    usual_preset,
)
from bot.commands.run_buttons import confirm_row, resume_here
from bot.commands.run_card import ICONS, face
from bot.commands.style_report import amount
from bot.commands.suggestions import forgiving, own_styles
from bot.runs import MINUTES_MAX, MINUTES_MIN
from bot.store.shapes import Run
from bot.words import Words
from models.contract import Family

#: Runs that one answer shows: Discord takes ten embeds.
SHOWN = 6
LISTED = 15
#: Bytes of a log that are handed over.
LOG_BYTES = 500_000
MINUTES = 15  # of learning; the gate takes a few more, and a style shall be ready in twenty
#: What it takes to transcribe a recording of four minutes; only the first run has to.
SECONDS_A_RECORDING = 8.0


train = AdminGroup("train", require_style_admin, dms=True)


@train.sub("start")
@options("train.start", "style", "minutes", "preset", "family")
@app_commands.choices(
    family=families(),
    preset=[Choice(name=text(f"choice.{preset}"), value=preset) for preset in PRESETS],
)
async def start(
    interaction: Interaction,
    style: str | None = None,
    minutes: app_commands.Range[int, MINUTES_MIN, MINUTES_MAX] = MINUTES,
    preset: str | None = None,
    family: str | None = None,
) -> None:
    """Show what would be learned from and how long it takes; a button starts it."""
    house = house_of(interaction)
    asked = await order(interaction, style, family, minutes, preset or usual_preset(interaction))
    await house.keeper.ground.check(asked.family, asked.style, asked.preset)
    say = await words_here(interaction)
    embed = await _question(interaction, say, asked)
    await interaction.response.send_message(embed=embed, view=confirm_row(say, asked))


start.autocomplete("style")(own_styles)


async def _question(interaction: Interaction, say: Words, asked: Order) -> discord.Embed:
    house = house_of(interaction)
    title = say("train.title", family=say(f"train.{asked.family.value}"))
    if asked.style is not None:
        title += f" · {plain(asked.style.name)}"
    before = await house.store.runs.open(asked.family.value)
    left = sum(_left(run) for run in before) + 60.0 * asked.minutes
    embed = discord.Embed(title=title, description=say("train.sure"), colour=cards.GREY)
    if asked.style is not None:
        measure = await house.corpus.measure(asked.style)
        data = amount(say, asked.style, measure)
        left += SECONDS_A_RECORDING * measure.recordings
    else:
        folder = house.settings.corpus_dir(asked.family.value)
        sizes = await asyncio.to_thread(_sizes, folder)
        data = f"{say.count('style.count', len(sizes))} · {cards.size(sum(sizes))}"
    when = format_dt(utcnow() + timedelta(seconds=left), "R")
    embed.add_field(name=say("train.learns"), value=data, inline=False)
    embed.add_field(name=say("train.ready"), value=when)
    embed.add_field(name=say("train.preset"), value=asked.preset)
    return embed


def _sizes(folder: Path) -> list[int]:
    return [path.stat().st_size for path in folder.rglob("*") if path.is_file()]


def _left(run: Run) -> float:
    """Say how many seconds an open run may still take."""
    eta = run.progress.get("eta_s")
    return float(eta) if isinstance(eta, int | float) else 60.0 * run.minutes


@train.sub("status")
async def status(interaction: Interaction) -> None:
    """Show what runs and waits, and the last run of each family."""
    house, say = house_of(interaction), words_for(interaction)
    seen = await seen_styles(interaction)
    runs = [run for run in await house.store.runs.open() if seen is None or run.style_id in seen]
    for family in Family:
        if not any(run.family == family.value for run in runs):
            runs += await house.store.runs.history(family.value, limit=1, styles=seen)
    if not runs:
        raise Refusal("train.nothing")
    keeper = house.keeper
    shown = [
        await face(house, say, run, keeper.left_by(run).curve, keeper.last_lines(run))
        for run in runs[:SHOWN]
    ]
    pictures = [picture for one in shown for picture in one.pictures][: limits.FILES]
    files = [discord.File(path, filename=name) for path, name in pictures]
    await answer_with(interaction, files, embeds=[one.embed for one in shown])


@train.sub("stop")
@options("train.stop", "family")
@app_commands.choices(family=families())
async def stop(interaction: Interaction, family: str | None = None) -> None:
    """Stop the runs of a family, or of all."""
    house, say = house_of(interaction), words_for(interaction)
    seen = await seen_styles(interaction)
    stopped: list[Run] = []
    for run in await house.store.runs.open(family):
        if seen is None or run.style_id in seen:
            stopped += await house.keeper.stop(Family(run.family), run.id)
    if not stopped:
        raise Refusal("train.no_run")
    shown = [await face(house, say, run, None) for run in stopped]
    await interaction.response.send_message(embeds=[one.embed for one in shown], ephemeral=True)


@train.sub("resume")
@options("train", "run")
async def resume(interaction: Interaction, run: app_commands.Range[int, 1] | None = None) -> None:
    """Go on with a run that was stopped or broke off, by default the last one."""
    if run is not None:
        await resume_here(interaction, await find_run(interaction, run))
        return
    house = house_of(interaction)
    last = await house.store.runs.history(limit=LISTED, styles=await seen_styles(interaction))
    for found in last:
        if await house.keeper.ground.resumable(found):
            await resume_here(interaction, found)
            return
    raise Refusal("train.no_resume")


@train.sub("list")
@options("train.list", "page")
async def list_(interaction: Interaction, page: app_commands.Range[int, 1, 1000] = 1) -> None:
    """List the runs, newest first."""
    store, say = house_of(interaction).store, words_for(interaction)
    seen = await seen_styles(interaction)
    runs = await store.runs.history(limit=LISTED, styles=seen, page=page - 1)
    if not runs:
        raise Refusal("train.nothing")
    names = {}
    for style_id in {run.style_id for run in runs if run.style_id is not None}:
        if (style := await store.styles.get(style_id)) is not None:
            names[style_id] = style.name
    lines = [_line(say, run, names.get(run.style_id or 0)) for run in runs]
    embed = discord.Embed(
        title=say("train.list"),
        description=limits.clip("\n".join(lines), limits.EMBED_DESCRIPTION),
        colour=cards.GREY,
    )
    await interaction.response.send_message(embed=embed, ephemeral=True)


def _line(say: Words, run: Run, style: str | None) -> str:
    parts = [f"`#{run.id}` {ICONS[run.state]} {say(f'train.{run.family}')}"]
    parts += [plain(style)] if style else []
    parts += [run.version] if run.version else []
    return " · ".join([*parts, format_dt(run.finished_at or run.created_at, "R")])


@train.sub("log")
@options("train", "run")
async def log(interaction: Interaction, run: app_commands.Range[int, 1]) -> None:
    """Hand over what a run has said, and what it learned from."""
    house, say = house_of(interaction), words_for(interaction)
    found = await find_run(interaction, run)
    path = house.keeper.left_by(found).log
    if path is None:
        raise Refusal("train.no_log", id=run)
    data = (await asyncio.to_thread(path.read_bytes))[-LOG_BYTES:]
    files = [discord.File(io.BytesIO(data or b"\n"), filename=f"run-{run}.txt")]
    record = path.with_name("record.json")
    if record.is_file():
        files.append(discord.File(record, filename=f"run-{run}.json"))
    await answer_with(interaction, files, content=say("train.log", id=run))


@resume.autocomplete("run")
@forgiving
async def _resumable(interaction: Interaction, typed: int | str) -> list[Choice[int]]:
    ground = house_of(interaction).keeper.ground
    runs = await _runs(interaction, typed)
    return _choices(interaction, [run for run in runs if await ground.resumable(run)])


@log.autocomplete("run")
@forgiving
async def _logged(interaction: Interaction, typed: int | str) -> list[Choice[int]]:
    keeper = house_of(interaction).keeper
    runs = await _runs(interaction, typed)
    return _choices(interaction, [run for run in runs if keeper.left_by(run).log is not None])


async def _runs(interaction: Interaction, typed: int | str) -> list[Run]:
    """Find the newest runs that the person may see and whose number has what is typed in it."""
    await require_style_admin(interaction)  # discord.py asks no check before it completes
    seen = await seen_styles(interaction)
    found = await house_of(interaction).store.runs.history(limit=limits.CHOICES, styles=seen)
    return [run for run in found if str(typed or "") in str(run.id)]


def _choices(interaction: Interaction, runs: Iterable[Run]) -> list[Choice[int]]:
    say = words_for(interaction)
    return [
        Choice(
            name=limits.clip(
                f"#{run.id} {say(f'train.{run.family}')} {run.version or ''}".rstrip(),
                limits.CHOICE_NAME,
            ),
            value=run.id,
        )
        for run in runs
    ]


COMMANDS = (train,)
