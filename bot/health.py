"""Whether the bot can do its work: /healthz that can fail, /metrics, and the doctor."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import structlog
import typer
from aiohttp import web
from prometheus_client import generate_latest

from bot import metrics
from bot.settings import Settings, SettingsError
from bot.store import Store, StoreError
from models.client import GenerationClient, GenerationError
from models.contract import Family
from models.registry import Registry, RegistryError

log = structlog.get_logger(__name__)

#: Returns one plain sentence when something is wrong, None when all is well.
Check = Callable[[], Awaitable[str | None]]

CHECK_SECONDS = 5.0
LAG_SECONDS = 60.0
#: How long a stop waits for somebody who asks at that moment.
STOP_SECONDS = 0.5
#: The generation of a day's files and one training run fit into this.
DISK_NEEDED = 2 * 10**9


class Health:
    """Asks each part whether it moves; a part that does not answer in time is stuck."""

    def __init__(self, checks: Mapping[str, Check], *, seconds: float = CHECK_SECONDS) -> None:
        self._checks = dict(checks)
        self._seconds = seconds

    async def failures(self) -> dict[str, str]:
        """Name the parts that fail, each with a sentence; empty when all is well."""
        found = await asyncio.gather(*(self._ask(check) for check in self._checks.values()))
        failing = {
            name: sentence
            for name, sentence in zip(self._checks, found, strict=True)
            if sentence is not None
        }
        for name in self._checks:
            metrics.FAILING.labels(name).set(name in failing)
        return failing

    async def _ask(self, check: Check) -> str | None:
        try:
            async with asyncio.timeout(self._seconds):
                return await check()
        except TimeoutError:
            return f"It has not answered for {self._seconds:g} s."
        except Exception as error:  # a check that breaks is a finding, not a crash
            return f"It failed with {type(error).__name__}."


def store_check(store: Store) -> Check:
    """Ask the database something small."""

    async def check() -> str | None:
        try:
            await store.ping()
        except StoreError as error:
            return str(error)
        return None

    return check


def service_check(client: GenerationClient) -> Check:
    """Ask the generation service whether its engines move."""

    async def check() -> str | None:
        try:
            health = await client.health()
        except GenerationError as error:
            return error.sentence
        return None if health.ok else health.sentence

    return check


class LoopWatch:
    """Measures by how much the event loop is late; a blocked loop loses the gateway."""

    def __init__(self, every: float = 0.25) -> None:
        self._every = every
        self._seen: deque[float] = deque(maxlen=round(LAG_SECONDS / every))

    @property
    def worst(self) -> float:
        """Longest delay of the last minute, in seconds."""
        return max(self._seen, default=0.0)

    async def run(self) -> None:
        """Measure until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self._every
            await asyncio.sleep(self._every)
            self._seen.append(max(0.0, loop.time() - due))
            metrics.LAG.set(self.worst)


class HealthServer:
    """Serves ``/healthz`` and ``/metrics`` on the settings' host and port."""

    def __init__(
        self, health: Health, measure: Callable[[], Awaitable[None]], settings: Settings
    ) -> None:
        self._health = health
        self._measure = measure
        self._settings = settings
        self._runner: web.AppRunner | None = None

    @property
    def port(self) -> int:
        """The port it listens on; 0 before it does."""
        addresses = self._runner.addresses if self._runner is not None else []
        return int(addresses[0][1]) if addresses else 0

    async def start(self) -> None:
        """Listen; raise SettingsError when the address cannot be had."""
        app = web.Application()
        app.router.add_get("/healthz", self._healthz)
        app.router.add_get("/metrics", self._metrics)
        self._runner = web.AppRunner(app, access_log=None, shutdown_timeout=STOP_SECONDS)
        await self._runner.setup()
        host, port = self._settings.health_host, self._settings.health_port
        try:
            await web.TCPSite(self._runner, host, port).start()
        except OSError as error:
            reason = os.strerror(error.errno) if error.errno else str(error)
            raise SettingsError(
                f"HEALTH_HOST and HEALTH_PORT name {host}:{port}, which cannot be used: {reason}."
            ) from error

    async def stop(self) -> None:
        """Stop listening."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _healthz(self, _: web.Request) -> web.Response:
        failing = await self._health.failures()
        return web.json_response(
            {"ok": not failing, "failing": failing}, status=503 if failing else 200
        )

    async def _metrics(self, _: web.Request) -> web.Response:
        try:
            async with asyncio.timeout(CHECK_SECONDS):
                await self._measure()
        except Exception as error:  # the figures are wanted most when something is away
            log.warning("not all could be measured", error=type(error).__name__)
            metrics.MEASURED.set(0)
        else:
            metrics.MEASURED.set(1)
        return web.Response(
            body=generate_latest(metrics.REGISTRY),
            headers={"Content-Type": "text/plain; version=0.0.4; charset=utf-8"},
        )


@dataclass(frozen=True)
class Finding:
    """What the doctor found out about one part."""

    part: str
    ok: bool
    sentence: str


async def doctor(settings: Settings) -> int:
    """Print what was found about each part; return 0 when all is well, else 1."""
    findings = await examine(settings)
    for finding in findings:
        typer.echo(f"{'ok  ' if finding.ok else 'FAIL'}  {finding.part}: {finding.sentence}")
    return 0 if all(finding.ok for finding in findings) else 1


async def examine(settings: Settings) -> list[Finding]:
    """Examine everything the bot needs, and say of each what to do."""
    token = _token(settings)
    return [
        token,
        *(await _discord(settings) if token.ok else []),
        await _database(settings),
        *await asyncio.to_thread(lambda: list(_checkpoints(settings))),
        await _service(settings),
        _disk(settings),
    ]


def _token(settings: Settings) -> Finding:
    try:
        token = settings.token()
    except SettingsError as error:
        return Finding("token", False, str(error))
    if token is None:
        return Finding("token", False, "Set DISCORD_TOKEN or DISCORD_TOKEN_FILE to connect.")
    if token.count(".") != 2:
        return Finding("token", False, "DISCORD_TOKEN has not the form of a bot's token.")
    return Finding("token", True, "A token is set.")


async def _discord(settings: Settings) -> list[Finding]:
    from bot.commands.checkup import inspect  # all else works without Discord's library

    return [Finding(*report) for report in await inspect(settings.token() or "")]


async def _database(settings: Settings) -> Finding:
    try:
        store = await Store.open(settings.database)
    except (StoreError, SettingsError) as error:
        return Finding("database", False, str(error))
    try:
        await store.ping()
    except StoreError as error:
        return Finding("database", False, str(error))
    finally:
        await store.close()
    return Finding("database", True, "The database answers and is up to date.")


def _checkpoints(settings: Settings) -> Iterator[Finding]:
    registry = Registry(settings.registry_dir)
    for family in Family:
        part = f"{family.value} model"
        try:
            version = registry.resolve(family.value)
            version.verify()
        except RegistryError as error:
            yield Finding(part, False, f"{error} Train one or restore the shipped files.")
        except (OSError, ValueError):  # its list of aliases is no JSON, or out of reach
            where = settings.registry_dir / family.value
            yield Finding(part, False, f"The models in {where} cannot be read; look at its files.")
        else:
            yield Finding(part, True, f"Version {version.name} is whole.")


async def _service(settings: Settings) -> Finding:
    if settings.generation_url is None:
        if (wrong := _wrong_soundfont(settings.soundfont)) is not None:
            return Finding("service", False, wrong)
        return Finding("service", True, "The bot starts the model service itself.")
    client = GenerationClient(settings.generation_url)
    try:
        health = await client.health()
    except GenerationError as error:
        return Finding("service", False, f"{error.sentence} Check GENERATION_URL.")
    finally:
        await client.aclose()
    return Finding("service", health.ok, health.sentence)


def _wrong_soundfont(font: Path | None) -> str | None:
    """Say what is wrong with the file of sounds, without the code that plays it."""
    if font is None:
        return None
    if not font.is_file():
        return f"SOUNDFONT names {font}, and there is no such file."
    try:
        with font.open("rb") as file:
            head = file.read(12)
    except OSError as error:
        return f"SOUNDFONT names {font}, which cannot be read: {error.strerror}."
    if head[:4] != b"RIFF" or head[8:] != b"sfbk":
        return f"SOUNDFONT names {font}, which is not an .sf2 or .sf3 file."
    return None


def _disk(settings: Settings) -> Finding:
    folder = settings.data_dir.absolute()
    while not folder.exists():
        folder = folder.parent
    if not folder.is_dir():
        return Finding("disk", False, f"DATA_DIR needs a folder, and {folder} is a file.")
    if not os.access(folder, os.W_OK | os.X_OK):
        return Finding("disk", False, f"The bot may not write into {folder}; change DATA_DIR.")
    free = shutil.disk_usage(folder).free
    sentence = f"{free / 1e9:.1f} GB are free where DATA_DIR lies"
    if free < DISK_NEEDED:
        return Finding("disk", False, f"Only {sentence}; {DISK_NEEDED / 1e9:.0f} GB are needed.")
    return Finding("disk", True, f"{sentence}.")
