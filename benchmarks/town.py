"""A Discord on a loopback port with many guilds and people, and a bot of its own process in it."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

from aiohttp import web

from tests.flow.loopback import Loopback
from tests.postgres import PostgresServer, find_binaries

#: What ``--database`` takes.
DATABASES = "“postgres” (a server of its own) or a SQLAlchemy URL; default: SQLite"
ROOT = Path(__file__).resolve().parents[1]
#: Loading the shipped models takes seconds on a quiet machine.
BOOT_SECONDS = 300.0
_NUMBER = re.compile(r"#(\d+)$")


@dataclass
class Asked:
    """One command somebody gave, and what its person saw; moments are monotonic seconds."""

    kind: str
    user: int
    guild: int
    at: float
    acknowledged: float | None = None
    first_words: float | None = None
    ended: float | None = None
    #: Number of the request; None: it was refused, or nobody answered.
    number: int | None = None
    refusal: str | None = None
    #: Every different last face of the card: one, if all is well.
    faces: list[str] = field(default_factory=list)

    @property
    def over(self) -> bool:
        """Whether nothing more is to come."""
        return self.ended is not None or self.refusal is not None


class Town(Loopback):
    """Notes when each answer comes, and what it says in the end."""

    def __init__(self, guilds: int) -> None:
        super().__init__([(1000 + n, 5000 + n) for n in range(guilds)])
        self.asked: dict[str, Asked] = {}
        #: Messages that came beside the cards; none should.
        self.extra = 0

    @property
    def open(self) -> int:
        """How many cards promise something that has not come yet."""
        return sum(a.acknowledged is not None and not a.over for a in self.asked.values())

    async def ask(self, kind: str, user: int, guild: int, **options: Any) -> Asked:
        """Give a command as somebody; raise ConnectionError when the bot is not there."""
        if not self.sockets or self.sockets[-1].closed:
            raise ConnectionError("nobody is connected")
        token = f"token-{len(self.asked)}"
        asked = self.asked[token] = Asked(kind, user, guild, time.monotonic())
        place = self.places[guild % len(self.places)]
        await self.command(kind, place=place, user=10_000 + user, token=token, **options)
        return asked

    async def _callback(
        self, request: web.Request, path: str, body: dict[str, Any]
    ) -> web.StreamResponse:
        asked = self.asked.get(path.split("/")[3])
        if asked is not None and asked.acknowledged is None:
            asked.acknowledged = time.monotonic()
            _see(asked, body.get("data") or {})
        return await super()._callback(request, path, body)

    async def _rest(self, request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/api/v10")
        if request.method == "PATCH" and path.startswith("/webhooks/"):
            asked = self.asked.get(path.split("/")[3])
            if asked is not None:
                _see(asked, await self._body(request))
        elif request.method == "POST" and path.endswith("/messages"):
            self.extra += 1
        self.requests.clear()  # hundreds of essays would be a lot to remember
        self.files.clear()
        return await super()._rest(request)


def _see(asked: Asked, message: Mapping[str, Any]) -> None:
    """Note what a message says now."""
    embeds = message.get("embeds") or []
    if not embeds:
        if message.get("content"):
            asked.refusal = str(message["content"])
        return
    embed = embeds[0]
    footer = str(embed.get("footer", {}).get("text", ""))
    if (match := _NUMBER.search(footer)) is not None:
        asked.number = int(match[1])
    if asked.first_words is None and str(embed.get("description", "")).endswith("▌"):
        asked.first_words = time.monotonic()
    acts = {
        str(item.get("custom_id", "")).split(":")[1]
        for row in message.get("components") or ()
        for item in row.get("components") or ()
    }
    if "again" in acts:  # the card of something that is over
        asked.ended = asked.ended or time.monotonic()
        face = json.dumps([embed.get(part) for part in ("title", "description", "footer")])
        if face not in asked.faces:
            asked.faces.append(face)


@dataclass
class Bot:
    """The bot's own process."""

    process: asyncio.subprocess.Process
    log: TextIO

    async def kill(self) -> None:
        """End it by SIGKILL."""
        self.process.kill()
        await self.process.wait()
        self.log.close()

    async def stop(self) -> int:
        """End it in order; return its exit status."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
        status = await self.process.wait()
        self.log.close()
        return status


async def start_bot(town: Town, folder: Path, settings: Mapping[str, object]) -> Bot:
    """Start the bot and wait until it has connected; raise RuntimeError when it has not."""
    town.identified.clear()
    variables = {name.upper(): str(value) for name, value in settings.items()}
    kept = {name: value for name, value in os.environ.items() if name in _KEPT}
    log = (folder / "bot.log").open("a", encoding="utf-8")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "benchmarks.connected",
        *("--port", str(town.port), "--lag", str(folder / "lag.json")),
        env={**kept, "DISCORD_TOKEN": "a.b.c", "HEALTH_PORT": "0", **variables},
        cwd=ROOT,
        stdout=log,
        stderr=log,
    )
    connecting = asyncio.create_task(town.identified.wait())
    ending = asyncio.create_task(process.wait())
    done, left = await asyncio.wait(
        {connecting, ending}, timeout=BOOT_SECONDS, return_when=asyncio.FIRST_COMPLETED
    )
    for task in left:
        task.cancel()
    bot = Bot(process, log)
    if connecting not in done:
        await bot.stop()
        raise RuntimeError(f"The bot did not connect; its log is {folder / 'bot.log'}.")
    return bot


@asynccontextmanager
async def open_town(guilds: int) -> AsyncIterator[Town]:
    """Open the port, and close it."""
    town = Town(guilds)
    await town.start()
    try:
        yield town
    finally:
        await town.stop()


@contextmanager
def database_in(folder: Path, wanted: str | None) -> Iterator[str]:
    """Give a database's address with its driver; by default SQLite in the folder.

    ``postgres`` stands for a server of its own that is gone afterwards.
    """
    if wanted == "postgres":
        with _postgres() as url:
            yield url
    elif wanted is None:
        yield f"sqlite+aiosqlite:///{folder / 'ghostwriter.db'}"
    else:
        yield wanted.replace("postgresql://", "postgresql+asyncpg://", 1)


@contextmanager
def _postgres() -> Iterator[str]:
    """Start PostgreSQL on a loopback port; exit with a sentence where it is not installed."""
    binaries = find_binaries()
    if binaries is None:
        sys.exit("PostgreSQL is not installed; on Debian: apt-get install postgresql.")
    server = PostgresServer(binaries)
    server.start()
    try:
        yield server.create("ghostwriter")
    finally:
        server.stop()


def quantile(values: Iterable[float], share: float) -> float | None:
    """Return the value that ``share`` of the values do not exceed; None without values."""
    ordered = sorted(values)
    if not ordered:
        return None
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


_KEPT = frozenset({"PATH", "HOME", "LANG", "LD_LIBRARY_PATH", "OMP_NUM_THREADS", "TMPDIR"})
