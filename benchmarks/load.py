"""Many people ask the running bot at once: how long each waits, and whether anything is lost.

The bot is a process of its own with the real gateway, store, worker and generation service; only
Discord is a stand-in on a loopback port. Progress and a table go to stderr, one JSON object to
stdout.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import Any

import psutil

from benchmarks.town import DATABASES, Asked, Town, database_in, open_town, quantile, start_bot
from bot.store import FINAL, Request, State, Store, migrate

TOPICS = (
    "Why libraries matter",
    "The sea at night",
    "Should homework be banned?",
    "A town without cars",
    "What friendship means",
    "The history of bread",
)
TICK = 0.5
#: Waits are compared with at least so many seconds: nobody minds three times an instant.
USUAL_WAIT = 1.0
PROGRESS_SECONDS = 10.0
#: After so many requests caches are full, and memory should not grow any more.
A_WHILE = 50


@dataclass(frozen=True)
class Plan:
    """What is asked: by how many, of what sizes, within which time."""

    requests: int = 500
    users: int = 100
    guilds: int = 20
    words: int = 200
    bars: int = 8
    beats: float = 0.2
    seconds: float = 60.0
    workers: int = 8
    patience: float = 300.0
    seed: int = 1

    def settings(self, folder: Path, database: str) -> dict[str, object]:
        """Set the bot up: its usual self, but nobody is turned away for asking often."""
        return {
            "data_dir": folder,
            "database_url": database,
            "workers": self.workers,
            "queue_limit": self.requests,
            "user_open_limit": self.requests,
            "user_daily_limit": self.requests,
            "log_level": "warning",
        }


class Memory:
    """Resident memory of the bot and of its service: at the start, after a while, and at most."""

    def __init__(self, bot: int) -> None:
        self._bot = psutil.Process(bot)
        self._seen: dict[str, dict[str, int]] = {}
        self.look(over=0)

    def look(self, over: int) -> None:
        """Measure once; so many requests are over."""
        try:
            now = {"bot": self._bot.memory_info().rss}
            now |= {"service": sum(child.memory_info().rss for child in self._bot.children())}
        except psutil.Error:
            return  # a process that has just ended
        for name, size in now.items():
            seen = self._seen.setdefault(name, {"start": size, "most": size})
            seen["most"] = max(seen["most"], size)
            if over >= A_WHILE:
                seen.setdefault(f"after_{A_WHILE}", size)

    def figures(self) -> dict[str, dict[str, int]]:
        """Name each process's memory in megabytes."""
        return {
            f"{name}_memory_mb": {at: round(size / 1e6) for at, size in seen.items()}
            for name, seen in self._seen.items()
        }


async def ask_all(town: Town, plan: Plan) -> None:
    """Give every command at a random moment of the time there is."""
    draw = random.Random(plan.seed)
    begun = time.monotonic()
    for number, moment in enumerate(
        sorted(draw.uniform(0, plan.seconds) for _ in range(plan.requests))
    ):
        await asyncio.sleep(max(0.0, begun + moment - time.monotonic()))
        user = number % plan.users
        guild = user % plan.guilds  # everybody lives in one guild
        if draw.random() < plan.beats:
            await town.ask("beat", user, guild, bars=plan.bars, seed=number)
        else:
            topic = draw.choice(TOPICS)
            await town.ask("essay", user, guild, topic=topic, length=plan.words, seed=number)


async def watch(town: Town, plan: Plan, memory: Memory) -> None:
    """Wait until all are over, or until nothing has moved for too long."""
    begun = moved = told = time.monotonic()
    before = -1
    while True:
        over = sum(asked.over for asked in town.asked.values())
        now = time.monotonic()
        moved, before = (now, over) if over != before else (moved, before)
        if now - told >= PROGRESS_SECONDS or over == plan.requests:
            known = sum(asked.acknowledged is not None for asked in town.asked.values())
            line = f"{len(town.asked)} asked, {known} acknowledged, {over} over"
            sys.stderr.write(f"{now - begun:6.1f} s: {line}\n")
            told = now
        if over == plan.requests:
            return
        if now - moved > plan.patience:
            sys.stderr.write(f"Nothing has moved for {plan.patience:g} s; giving up.\n")
            return
        await asyncio.to_thread(memory.look, over)
        await asyncio.sleep(TICK)


async def measure(plan: Plan, folder: Path, database: str) -> dict[str, Any]:
    """Let the crowd ask, and put the figures together."""
    await migrate(database)
    async with open_town(plan.guilds) as town:
        begun = time.monotonic()
        bot = await start_bot(town, folder, plan.settings(folder, database))
        try:
            sys.stderr.write(f"The bot was ready after {time.monotonic() - begun:.1f} s.\n")
            memory, begun = Memory(bot.process.pid), time.monotonic()
            await asyncio.gather(ask_all(town, plan), watch(town, plan, memory))
            ended = time.monotonic()
        finally:
            status = await bot.stop()
        lags = json.loads((folder / "lag.json").read_text()) if status == 0 else []
        late = [1000 * lag for at, lag in lags if begun <= at <= ended]
        asked = list(town.asked.values())
        figures = await audit(asked, database)
        figures["extra_messages"] = town.extra
    return {
        **{name: getattr(plan, name) for name in ("requests", "users", "guilds", "workers")},
        "seconds": round(ended - begun, 1),
        **times(asked),
        "loop_lag_ms": spread(late, 2),
        **memory.figures(),
        **figures,
    }


def times(asked: Sequence[Asked]) -> dict[str, Any]:
    """Say how long people waited, as they saw it."""
    kinds = {kind: [a for a in asked if a.kind == kind] for kind in ("essay", "beat")}
    return {
        "acknowledged_s": spread([a.acknowledged - a.at for a in asked if a.acknowledged], 3),
        "first_words_s": spread([a.first_words - a.at for a in asked if a.first_words]),
        **{
            f"{kind}_result_s": spread([a.ended - a.at for a in each if a.ended])
            for kind, each in kinds.items()
        },
    }


def spread(values: Sequence[float], digits: int = 1) -> dict[str, float | None]:
    """Describe values by their middle, their last hundredth and their largest."""
    shares = {"p50": 0.5, "p99": 0.99, "max": 1.0}
    found = {name: quantile(values, share) for name, share in shares.items()}
    return {name: None if at is None else round(at, digits) for name, at in found.items()}


async def audit(asked: Sequence[Asked], database: str) -> dict[str, Any]:
    """Look into the database: did each request end, once, and whose turn came when?"""
    store = await Store.open(database)
    try:
        states: Counter[str] = Counter()
        waits: dict[int, list[float]] = {}
        lost = doubled = 0
        for one in asked:
            row = await store.requests.get(one.number) if one.number is not None else None
            if row is None:
                lost += one.acknowledged is not None and one.refusal is None
                continue
            lost += not (row.is_final and one.over)
            states[row.state.value] += 1
            ends = [e for e in await store.requests.events(row.id) if e.new in FINAL]
            doubled += len(ends) > 1 or len(one.faces) > 1
            waits.setdefault(one.user, []).append(await _wait(store, row))
    finally:
        await store.close()
    return {
        "refused": sum(a.refusal is not None for a in asked),
        "unanswered": sum(a.acknowledged is None for a in asked),
        "lost": lost,
        "doubled": doubled,
        "failed": sum(states.values()) - states[State.DONE.value],
        "states": dict(states),
        **fairness(waits),
    }


async def _wait(store: Store, row: Request) -> float:
    """Return how many seconds a request waited for its turn."""
    events = await store.requests.events(row.id)
    began = next((e.at for e in events if e.new is State.RUNNING), row.finished_at)
    return (began - row.created_at).total_seconds() if began is not None else 0.0


def fairness(waits: dict[int, list[float]]) -> dict[str, Any]:
    """Compare the longest wait with the usual one, for requests and for people."""
    each = [wait for mine in waits.values() for wait in mine]
    people = [fmean(mine) for mine in waits.values()]
    if not each:
        return {"wait_s": spread([])}
    return {
        "wait_s": spread(each),
        "largest_wait_ratio": round(max(each) / max(median(each), USUAL_WAIT), 2),
        "largest_wait_ratio_of_a_user": round(max(people) / max(median(people), USUAL_WAIT), 2),
    }


def table(figures: dict[str, Any]) -> str:
    """Write the figures as a Markdown table."""
    lines = ["| figure | value |", "|---|---|"]
    for name, value in figures.items():
        shown = value
        if isinstance(value, dict):
            shown = ", ".join(f"{key} {inner}" for key, inner in value.items())
        lines.append(f"| {name.replace('_', ' ')} | {shown} |")
    return "\n".join(lines) + "\n"


def plan_of(args: argparse.Namespace) -> Plan:
    """Take a plan from the command line."""
    return Plan(**{name: getattr(args, name) for name in Plan.__dataclass_fields__})


def main() -> None:
    """Run the benchmark; exit 1 when something was lost or came twice."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    for name, option in Plan.__dataclass_fields__.items():
        parser.add_argument(f"--{name}", type=type(option.default), default=option.default)
    parser.add_argument("--database", help=DATABASES)
    parser.add_argument("--keep", type=Path, help="Folder to keep logs and data in")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = args.keep or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        with database_in(folder, args.database) as database:
            figures = asyncio.run(measure(plan_of(args), folder, database))
    sys.stderr.write(table(figures))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    sys.exit(1 if figures["lost"] or figures["doubled"] or figures["extra_messages"] else 0)


if __name__ == "__main__":
    main()
