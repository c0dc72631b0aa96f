"""The face of a training run: one embed that fills up, with the curve of its loss."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import discord
import structlog
from discord.utils import format_dt, snowflake_time, utcnow

from bot import cards, limits
from bot.cards import AMBER, GREEN, GREY, RED, plain
from bot.sentences import Sentence
from bot.store.shapes import NOBODY, Run, RunState
from bot.verdicts import Verdict, judge
from bot.words import Words, words

if TYPE_CHECKING:
    from bot.app import GhostwriterBot, House

log = structlog.get_logger(__name__)

COLOURS = {
    RunState.WAITING: GREY,
    RunState.RUNNING: AMBER,
    RunState.PROMOTED: GREEN,
    RunState.REFUSED: GREY,
    RunState.FAILED: RED,
    RunState.STOPPED: GREY,
}
ICONS = {
    RunState.WAITING: "⏳",
    RunState.RUNNING: "🏋️",
    RunState.PROMOTED: "✅",
    RunState.REFUSED: "↩️",
    RunState.FAILED: "⚠️",
    RunState.STOPPED: "✖️",
}
#: Discord allows few edits of messages older than an hour (error 30046).
OLD_SECONDS = 3300.0
OLD_PAUSE = 300.0
_BAR = 14
_LINES = 900
_SAMPLE = 700


@dataclass(frozen=True)
class Face:
    """What a run's message shows; pictures are opened only when it is sent."""

    embed: discord.Embed
    view: discord.ui.View
    pictures: Sequence[tuple[Path, str]] = field(default=())

    def files(self) -> list[discord.File]:
        """Open the pictures afresh: discord.py reads each File object once."""
        return [discord.File(path, filename=name) for path, name in self.pictures]

    @property
    def stamp(self) -> tuple[int, ...]:
        """What changes when a picture does."""
        return tuple(path.stat().st_mtime_ns for path, _ in self.pictures)


async def face(
    house: House, say: Words, run: Run, curve: Path | None, last_lines: tuple[str, ...] = ()
) -> Face:
    """Show a run as it is now, with what its present weights made."""
    style = await house.store.styles.get(run.style_id) if run.style_id is not None else None
    shown = embed(say, run, last_lines, style.name if style is not None else None)
    sample = house.keeper.left_by(run).sample
    pictures = [] if curve is None else [(curve, "loss.png")]
    if sample is not None and sample.suffix == ".png":
        pictures.append((sample, "sample.png"))
    elif sample is not None and not last_lines:
        text = sample.read_text(encoding="utf-8", errors="replace")[: 2 * _SAMPLE]
        value = limits.clip(plain(text.strip()), _SAMPLE)
        if value:
            shown.add_field(name=say("train.sample"), value=value, inline=False)
    return Face(shown, buttons(say, run, await house.keeper.ground.resumable(run)), tuple(pictures))


def buttons(say: Words, run: Run, resumable: bool) -> discord.ui.View:
    """Offer what can be done with a run."""
    acts = []
    if run.finished_at is None:
        acts.append(("stop", "train.stop_button", "✋"))
    if resumable:
        acts.append(("resume", "train.resume_button", "▶️"))
    if run.state is RunState.REFUSED and run.version:
        acts.append(("compare", "train.compare_button", "⚖️"))
    place = f"{run.family}:{run.id}"
    return cards.row_of(say, [(f"gwt:{act}:{place}", key, sign) for act, key, sign in acts])


def embed(
    say: Words, run: Run, last_lines: tuple[str, ...] = (), style: str | None = None
) -> discord.Embed:
    """Say in an embed how a run is."""
    name = say("train.title", family=say(f"train.{run.family}"))
    title = f"{ICONS[run.state]} {name}" + (f" · {plain(style)}" if style else "")
    made = discord.Embed(title=title, description=_text(say, run), colour=COLOURS[run.state])
    for name, value in _figures(say, run):
        made.add_field(name=name, value=limits.clip(value, limits.EMBED_FIELD_VALUE))
    if last_lines:
        text = limits.tail("\n".join(last_lines).replace("`", "ʼ"), _LINES)
        made.add_field(name=say("train.lines"), value=f"```\n{text}\n```", inline=False)
    return made.set_footer(text=say("train.number", id=run.id))


def _text(say: Words, run: Run) -> str:
    """Say where the run stands, in a sentence or as a bar."""
    if run.state is RunState.WAITING:
        return say("train.queued")
    if run.state is not RunState.RUNNING:
        known = Sentence("run_unbegun" if run.state is RunState.STOPPED else f"run_{run.state}")
        return limits.clip(plain(say.say(run.sentence or known)), limits.EMBED_DESCRIPTION)
    if run.stop_requested:
        return say("train.stopping")
    done = fraction(run)
    if done is None:
        return say("train.beginning")
    return cards.bar(done, _BAR)


def fraction(run: Run) -> float | None:
    """Say how far the run is, from 0 to 1; None before its first step."""
    value = run.progress.get("fraction")
    if not isinstance(value, int | float):
        return None
    return min(1.0, max(0.0, float(value)))


def _figures(say: Words, run: Run) -> list[tuple[str, str]]:
    """List what is known in numbers, each with its name."""
    progress = run.progress
    found = []
    if (step := _number(progress, "step")) is not None:
        steps = _number(progress, "steps")
        of = (
            say("train.steps", step=f"{step:.0f}", steps=f"{steps:.0f}") if steps else f"{step:.0f}"
        )
        found.append((say("train.step"), of))
    if (loss := _number(progress, "loss")) is not None:
        found.append((say("train.loss"), f"{loss:.3f}"))
    held_out = progress.get("held_out")
    score = _number(held_out, "score") if isinstance(held_out, dict) else None
    if score is not None:
        found.append((say("train.held_out"), f"{score:.4f}"))
    if run.state is RunState.RUNNING:
        if (rate := _number(progress, "units_per_s")) is not None:
            unit = str(progress.get("unit", ""))
            found.append((say("train.speed"), say("train.rate", rate=f"{rate:,.0f}", unit=unit)))
        if (eta := _number(progress, "eta_s")) is not None:
            found.append((say("train.ready"), format_dt(utcnow() + timedelta(seconds=eta), "R")))
    record = run.record or {}
    if "documents" in record:
        learned = say.count("style.count", len(record["documents"]))
        if record.get("absent"):
            learned += " · " + say.count("train.absent", len(record["absent"]))
        found.append((say("train.learns"), learned))
    if run.version:
        found.append((say("train.new"), run.version))
    known = run.requested_by != NOBODY  # else they wished to be forgotten
    who = f"<@{run.requested_by}>" if known else say("train.nobody")
    found.append((say("train.asked"), say.count("train.minutes", run.minutes, who=who)))
    return found


def _number(values: Any, name: str) -> float | None:
    value = values.get(name)
    return float(value) if isinstance(value, int | float) else None


def _age(moment: datetime) -> float:
    return (utcnow() - moment).total_seconds()


class RunCards:
    """Keeps the message of each run up to date; a restarted bot finds it by the run's row."""

    def __init__(self, bot: GhostwriterBot) -> None:
        self._bot = bot
        self._pictures: dict[int, tuple[int, ...]] = {}  # run -> time stamps of what is shown
        self._edited: dict[int, float] = {}

    async def progress(self, run: Run, curve: Path | None) -> None:
        """Edit the run's message; seldom when it has grown old, also while the run waited."""
        old = run.message_id is not None and _age(snowflake_time(run.message_id)) > OLD_SECONDS
        now = time.monotonic()
        if old and now - self._edited.get(run.id, 0.0) < OLD_PAUSE:
            return
        self._edited[run.id] = now
        await self._edit(run, curve, ())

    async def finished(self, run: Run, curve: Path | None, last_lines: tuple[str, ...]) -> None:
        """Show how a run ended, in a new message if the old one cannot be edited any more."""
        if run.channel_id is None or run.message_id is None:
            return
        try:
            await self._edit(run, curve, last_lines)
        except discord.HTTPException as error:
            if judge(error.code, error.status) not in (Verdict.GONE, Verdict.TOO_OLD):
                raise
            channel = self._bot.get_partial_messageable(run.channel_id)
            card = await face(self._bot.house, words(run.locale), run, curve, last_lines)
            sent = await channel.send(embed=card.embed, files=card.files(), view=card.view)
            await self._bot.house.store.runs.set_message(run.id, run.channel_id, sent.id)
        finally:
            self._pictures.pop(run.id, None)
            self._edited.pop(run.id, None)

    async def _edit(self, run: Run, curve: Path | None, last_lines: tuple[str, ...]) -> None:
        if run.channel_id is None or run.message_id is None:
            return
        channel = self._bot.get_partial_messageable(run.channel_id)
        message = channel.get_partial_message(run.message_id)
        card = await face(self._bot.house, words(run.locale), run, curve, last_lines)
        stamp = card.stamp
        if not stamp or self._pictures.get(run.id) == stamp:
            await message.edit(embed=card.embed, view=card.view)
            return
        await message.edit(embed=card.embed, view=card.view, attachments=card.files())
        self._pictures[run.id] = stamp
