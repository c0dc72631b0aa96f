"""The local generation service: started, watched, restarted and stopped by the bot."""

from __future__ import annotations

import asyncio
import os
import sys
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import BinaryIO

import structlog

from bot import priority
from bot.settings import SECRETS, Settings
from models.client import GenerationClient, GenerationError

log = structlog.get_logger(__name__)

ROOT = Path(__file__).resolve().parent.parent
LOG_LIMIT = 5_000_000
BACK_OFF = (0.0, 1.0, 2.0, 5.0, 15.0, 30.0)
#: A child that has worked for this long starts again without waiting.
SETTLED_SECONDS = 60.0
#: Requests have ended or are handed back by then, so there is nothing to wait for long.
STOP_SECONDS = 3.0


class ServiceFailed(Exception):
    """The service cannot be started; the message is a sentence and its last log lines."""


class LocalService:
    """One child process that holds the models, always on the same loopback port."""

    def __init__(
        self,
        settings: Settings,
        *,
        boot_seconds: float = 180.0,
        check_seconds: float = 2.0,
        answer_seconds: float = 5.0,
        misses: int = 4,
        stop_seconds: float = STOP_SECONDS,
        module: Sequence[str] = ("-m", "models.server"),
    ) -> None:
        """Start nothing yet; ``misses`` failed checks in a row make a restart."""
        self._settings = settings
        self._boot_seconds = boot_seconds
        self._check_seconds = check_seconds
        self._answer_seconds = answer_seconds
        self._misses = misses
        self._stop_seconds = stop_seconds
        self._module = module
        self._port = 0
        self._process: asyncio.subprocess.Process | None = None
        self._watcher: asyncio.Task[None] | None = None
        self._ready = asyncio.Event()
        self._log_path = settings.data_dir / "logs" / "service.log"
        self._log_begin = 0
        self._port_path = settings.data_dir / "run" / f"service-{os.getpid()}.port"
        self.restarts = 0

    @property
    def base_url(self) -> str:
        """Where the service listens; known after ``start``."""
        return f"http://127.0.0.1:{self._port}"

    @property
    def pid(self) -> int | None:
        """Number of the present child process."""
        return self._process.pid if self._process is not None else None

    async def start(self) -> str:
        """Start the child, wait until it serves and return its address; raise ServiceFailed."""
        try:
            await self._boot()
        except BaseException:
            await self._end()
            raise
        self._watcher = asyncio.create_task(self._watch(), name="service watcher")
        return self.base_url

    async def wait_ready(self, seconds: float) -> bool:
        """Wait until the service serves again; False when it does not in time."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ready.wait()
        return self._ready.is_set()

    async def stop(self) -> None:
        """End the child: gracefully, then by force."""
        if self._watcher is not None:
            self._watcher.cancel()
            with suppress(asyncio.CancelledError):
                await self._watcher
            self._watcher = None
        await self._end()

    async def _boot(self) -> None:
        """Start a child and wait until it answers."""
        self._port_path.parent.mkdir(parents=True, exist_ok=True)
        self._port_path.unlink(missing_ok=True)
        with self._open_log() as output:
            self._process = await asyncio.create_subprocess_exec(
                *self._command(),
                stdin=asyncio.subprocess.PIPE,  # closes when the bot dies, which ends the child
                stdout=output,
                stderr=output,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is for the bot, which then stops it in order
            )
        priority.make_way(self._process.pid, priority.SERVICE)
        deadline = time.monotonic() + self._boot_seconds
        while not await self._answers():
            if self._process.returncode is not None:
                raise ServiceFailed(self._last_words("The model service cannot start"))
            if time.monotonic() > deadline:
                raise ServiceFailed(self._last_words("The model service takes too long to start"))
            await asyncio.sleep(0.1)
        self._ready.set()
        log.info("service ready", url=self.base_url, pid=self._process.pid)

    async def _answers(self) -> bool:
        """Say whether the child has opened its port and answers there."""
        try:
            self._port = int(self._port_path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return False
        return await self._check() is None

    async def _check(self) -> str | None:
        """Ask once for its health; return what is wrong, None when nothing is."""
        async with GenerationClient(
            self.base_url, connect_timeout=1.0, idle_timeout=self._answer_seconds
        ) as client:
            try:
                health = await client.health()
            except GenerationError as error:
                return error.sentence
        return None if health.ok else health.sentence

    async def _watch(self) -> None:
        """Restart the child whenever it has ended or does not move, for as long as we live."""
        failures = 0
        while True:
            begun = time.monotonic()
            reason = await self._trouble()
            self._ready.clear()
            if time.monotonic() - begun > SETTLED_SECONDS:
                failures = 0
            log.warning("service down", reason=reason)
            await self._kill()
            await asyncio.sleep(BACK_OFF[min(failures, len(BACK_OFF) - 1)])
            failures += 1
            self.restarts += 1
            try:
                await self._boot()
            except (ServiceFailed, OSError) as error:
                log.error("service restart failed", error=str(error))
                await self._kill()

    async def _trouble(self) -> str:
        """Return only when the child needs to be replaced, with the reason."""
        assert self._process is not None
        missed = 0
        while True:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            with suppress(TimeoutError):
                async with asyncio.timeout(self._check_seconds):
                    await self._process.wait()
            if self._process.returncode is not None:
                return f"The process ended with {self._process.returncode}."
            wrong = await self._check()
            missed = 0 if wrong is None else missed + 1
            if wrong is not None and missed >= self._misses:
                return wrong

    async def _end(self) -> None:
        self._ready.clear()
        self._port_path.unlink(missing_ok=True)
        if self._process is None or self._process.returncode is not None:
            return
        self._process.terminate()
        with suppress(TimeoutError):
            async with asyncio.timeout(self._stop_seconds):
                await self._process.wait()
        await self._kill()

    async def _kill(self) -> None:
        if self._process is not None and self._process.returncode is None:
            with suppress(ProcessLookupError):
                self._process.kill()
            await self._process.wait()

    def _command(self) -> list[str]:
        settings = self._settings
        command = [sys.executable, *self._module, "--host", "127.0.0.1"]
        command += ["--port", str(self._port), "--port-file", str(self._port_path.resolve())]
        command += ["--registry", str(settings.registry_dir.resolve()), "--device", settings.device]
        command += ["--memory-mb", str(settings.memory_mb), "--end-with-parent"]
        if settings.soundfont is not None:
            command += ["--soundfont", str(settings.soundfont.resolve())]
        if settings.log_json:
            command += ["--log-json"]
        return command

    def _open_log(self) -> BinaryIO:
        """Open the log for appending; one older file is kept."""
        self._log_path.parent.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            if self._log_path.stat().st_size > LOG_LIMIT:
                self._log_path.replace(self._log_path.with_suffix(".log.1"))
        output = self._log_path.open("ab")
        self._log_begin = output.tell()
        return output

    def _last_words(self, sentence: str) -> str:
        with self._log_path.open("rb") as log_file:
            log_file.seek(self._log_begin)  # what earlier children said is no help
            lines = log_file.read().decode(errors="replace").splitlines()
        if not lines:
            return f"{sentence}; it said nothing in {self._log_path}."
        return "\n".join([f"{sentence}; the end of {self._log_path} says:", *lines[-8:]])


def _environment() -> dict[str, str]:
    """Let the child find the packages wherever the bot was started from, and no secret."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    kept = {name: value for name, value in os.environ.items() if name.upper() not in SECRETS}
    return {**kept, "PYTHONPATH": path}


@asynccontextmanager
async def generation_url(
    settings: Settings, *, stop_seconds: float = STOP_SECONDS
) -> AsyncIterator[str]:
    """Give the address of the generation service: the configured one, or one of our own."""
    if settings.generation_url is not None:
        yield settings.generation_url
        return
    service = LocalService(settings, stop_seconds=stop_seconds)
    try:
        yield await service.start()
    finally:
        await service.stop()
