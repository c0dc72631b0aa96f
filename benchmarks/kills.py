"""SIGKILL of the bot and of its generation service at random moments while people ask.

The bot is killed as a whole process, connected to a stand-in for Discord; the service is the real
one on tiny models, which the bot's own keeper of services starts again. In the end every request
has one final state, and every card that anybody saw says one thing.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.town import BOOT_SECONDS, DATABASES, Bot, Town, database_in, open_town, start_bot
from bot import service_process
from bot.logs import set_up_logs
from bot.service_process import LocalService
from bot.settings import load_settings
from bot.store import FINAL, Store, migrate

USERS = 12
GUILDS = 3
STALE_SECONDS = 2.0
#: Every command in a while, so that all stages of a request are there at any moment.
ASK_EVERY = 0.25
#: No more than these wait at once: the end need not be waited for longer than the kills took.
OPEN = 24
#: For how long nothing may happen to what is still open after the last kill.
PATIENCE = 120.0


@dataclass(frozen=True)
class Kill:
    """Who is killed, how long after the kill before, and whether it may be starting still."""

    victim: str
    after: float
    early: bool


@dataclass(frozen=True)
class Schedule:
    """The kills, drawn from a seed."""

    kills: int = 50
    seed: int = 5
    longest: float = 3.0

    def draw(self) -> list[Kill]:
        """Draw each kill in turn; half are the bot's, a fifth come without waiting for all."""
        draw = random.Random(self.seed)
        victims = ["bot", "service"] * (self.kills // 2) + ["bot"] * (self.kills % 2)
        draw.shuffle(victims)
        return [Kill(v, draw.uniform(0.0, self.longest), draw.random() < 0.2) for v in victims]


class Stage:
    """The town, the bot and the service, while some of them die."""

    def __init__(self, town: Town, folder: Path, database: str, service: LocalService) -> None:
        self._town = town
        self._folder = folder
        self._service = service
        self._settings = {
            "data_dir": folder,
            "database_url": database,
            "generation_url": service.base_url,
            "heartbeat_seconds": 0.2,
            "stale_seconds": STALE_SECONDS,
            "user_open_limit": 1000,
            "user_daily_limit": 1_000_000,
            "queue_limit": 1000,
            "log_level": "warning",
        }
        self.bot: Bot | None = None
        self._draw = random.Random(1)

    async def begin(self) -> None:
        """Start the bot, again."""
        self.bot = await start_bot(self._town, self._folder, self._settings)

    async def wait_ready(self) -> None:
        """Wait until the service serves; the bot always does when it has begun."""
        await self._service.wait_ready(BOOT_SECONDS)

    async def kill(self, victim: str) -> None:
        """Kill the bot and start it anew, or kill the service, which comes back by itself."""
        if victim == "bot":
            assert self.bot is not None
            await self.bot.kill()
            await self.begin()
        elif (pid := self._service.pid) is not None:
            with contextlib.suppress(ProcessLookupError):  # it is just being started again
                os.kill(pid, signal.SIGKILL)

    async def ask_for_ever(self) -> None:
        """Ask for essays and beats, one after the other, whenever there is somebody to ask."""
        for number in range(1_000_000):
            await asyncio.sleep(ASK_EVERY)
            while self._town.open >= OPEN:
                await asyncio.sleep(ASK_EVERY)
            user = self._draw.randrange(USERS)
            with contextlib.suppress(ConnectionError, OSError):
                if self._draw.random() < 0.2:
                    await self._town.ask("beat", user, user % GUILDS, bars=4, seed=number)
                else:
                    more = {"topic": f"The sea {number}", "length": 200, "seed": number}
                    await self._town.ask("essay", user, user % GUILDS, **more)


async def rehearse(
    schedule: Schedule, folder: Path, database: str, registry: Path | None = None
) -> dict[str, Any]:
    """Kill as the schedule says, let all end, and count what was lost or came twice."""
    await migrate(database)
    settings = load_settings(_env_file=None, data_dir=folder, device="cpu")
    folder.mkdir(parents=True, exist_ok=True)
    if registry is not None and not settings.registry_dir.exists():
        settings.registry_dir.symlink_to(registry, target_is_directory=True)
    # Killed every few seconds, it would soon be kept waiting for half a minute each time.
    service_process.BACK_OFF = (0.0,) * 6
    service = LocalService(settings, check_seconds=0.2)
    await service.start()
    begun = time.monotonic()
    try:
        async with open_town(GUILDS) as town:
            stage = Stage(town, folder, database, service)
            await stage.begin()
            asking = asyncio.create_task(stage.ask_for_ever())
            await _kill_all(stage, town, schedule)
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
            await _settle(database)
            assert stage.bot is not None
            await stage.bot.stop()
            figures = await audit(town, database)
    finally:
        await service.stop()
    seconds = round(time.monotonic() - begun, 1)
    return {"kills": schedule.kills, "seconds": seconds, "restarts": service.restarts, **figures}


async def _kill_all(stage: Stage, town: Town, schedule: Schedule) -> None:
    for number, kill in enumerate(schedule.draw(), 1):
        if not kill.early:
            await stage.wait_ready()
        await asyncio.sleep(kill.after)
        await stage.kill(kill.victim)
        over = sum(asked.over for asked in town.asked.values())
        line = f"kill {number}: {kill.victim}; {len(town.asked)} asked, {over} over"
        sys.stderr.write(f"{line}\n")


async def _settle(database: str) -> None:
    """Wait until no request is open any more, however it was left behind."""
    store = await Store.open(database)
    left, moved = -1, time.monotonic()
    try:
        while (now := len(await store.requests.unfinished("discord"))) > 0:
            if now != left:
                left, moved = now, time.monotonic()
            if time.monotonic() - moved > PATIENCE:
                sys.stderr.write(f"{now} requests are still open; nothing moves.\n")
                return
            await asyncio.sleep(0.2)
    finally:
        await store.close()
    await asyncio.sleep(0.5)  # the last cards


async def audit(town: Town, database: str) -> dict[str, Any]:
    """Compare what people saw with what the database says."""
    seen = {a.number: a for a in town.asked.values() if a.number is not None}
    states: Counter[str] = Counter()
    lost = doubled = contradicted = 0
    store = await Store.open(database)
    try:
        number = 0
        while (row := await store.requests.get(number := number + 1)) is not None:
            states[row.state.value] += 1
            ends = [e for e in await store.requests.events(row.id) if e.new in FINAL]
            lost += not row.is_final
            doubled += len(ends) > 1
            card = seen.pop(row.id, None)
            if card is None:
                continue  # killed before anybody saw a card: nobody waits for it
            lost += not card.over and row.state.value in ("done", "failed")
            doubled += len(card.faces) > 1
            contradicted += row.state.value == "done" and not card.over
    finally:
        await store.close()
    return {
        "asked": len(town.asked),
        "accepted": sum(states.values()),
        "lost": lost + len(seen),  # a card whose request is not in the database
        "doubled": doubled + town.extra,
        "contradicted": contradicted,
        "states": dict(states),
    }


def main() -> None:
    """Run the rehearsal and print one JSON object; exit 1 when something was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--kills", type=int, default=Schedule.kills)
    parser.add_argument("--seed", type=int, default=Schedule.seed)
    parser.add_argument("--database", help=DATABASES)
    parser.add_argument("--shipped", action="store_true", help="Use the shipped models, not tiny")
    args = parser.parse_args()
    set_up_logs("error")  # on stderr; stdout is for the figures
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        registry = None if args.shipped else tiny_registry(folder / "tiny")
        schedule = Schedule(args.kills, args.seed)
        with database_in(folder, args.database) as database:
            figures = asyncio.run(rehearse(schedule, folder, database, registry))
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")
    sys.exit(1 if figures["lost"] or figures["doubled"] or figures["contradicted"] else 0)


def tiny_registry(root: Path) -> Path:
    """Train and publish the tiny models."""
    from tests import tiny  # torch is needed here only

    root.mkdir()
    tiny.publish_essay(root)
    tiny.publish_music(root)
    return root / "registry"


if __name__ == "__main__":
    main()
