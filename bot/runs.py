"""The keeper of training runs: starts them, watches them, tells about them and takes their fruit.

A run is a row in the store and a child process. The child outlives the bot; a bot that starts
finds the rows that still run and adopts their children or says what became of them.
"""

from __future__ import annotations

import asyncio
import shutil
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog

from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import Store
from bot.store.shapes import NewRun, Run, RunState
from bot.training_process import TrainingProcess, judge
from models.client import GenerationClient, GenerationRefused, GenerationUnavailable
from models.contract import Family
from models.registry import Registry, RegistryError

log = structlog.get_logger(__name__)

MINUTES_MIN, MINUTES_MAX = 1, 24 * 60
#: Bytes that checkpoints and a candidate may take.
DISK_NEEDED = 500_000_000
#: Evaluation and the gate come on top of the minutes asked for.
OVERTIME_SECONDS = 30 * 60.0
RELOAD_PAUSES = (2.0, 5.0, 10.0, 30.0)


class RunRefused(Exception):
    """The run cannot be started; the message is one plain sentence."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Announcer(Protocol):
    """Shows a run where it was asked for; an exception from it disturbs nothing."""

    async def progress(self, run: Run, curve: Path | None) -> None:
        """Show how far the run is; comes every few seconds."""

    async def finished(self, run: Run, curve: Path | None, last_lines: tuple[str, ...]) -> None:
        """Show how the run ended; ``last_lines`` of its output are there after a failure."""


class RunKeeper:
    """Keeps at most one running and one waiting run of each family."""

    def __init__(
        self,
        store: Store,
        client: GenerationClient,
        settings: Settings,
        announcer: Announcer,
        *,
        look_seconds: float = 2.0,
        card_seconds: float = 5.0,
        stop_grace: float = 90.0,
        command: Callable[[Run, Path, Settings], list[str]] | None = None,
    ) -> None:
        """Start nothing yet; ``command`` words another child than the usual one."""
        self._store = store
        self._client = client
        self._settings = settings
        self._announcer = announcer
        self._look_seconds = look_seconds
        self._card_seconds = card_seconds
        self._stop_grace = stop_grace
        self._command = command or training_command
        self._registry = Registry(settings.registry_dir)
        self._wake = asyncio.Event()
        self._watches: dict[int, asyncio.Task[None]] = {}

    async def start(
        self,
        family: Family,
        minutes: int,
        *,
        by: int,
        guild_id: int | None = None,
        channel_id: int | None = None,
        locale: str = "en",
    ) -> Run:
        """Queue a run; raise RunRefused with the reason."""
        if not MINUTES_MIN <= minutes <= MINUTES_MAX:
            raise RunRefused(Sentence("run_minutes", low=MINUTES_MIN, high=MINUTES_MAX))
        await asyncio.to_thread(self._check_ground, family)
        run = await self._store.runs.create(
            NewRun(
                family=family.value,
                minutes=minutes,
                requested_by=by,
                guild_id=guild_id,
                channel_id=channel_id,
                locale=locale,
            )
        )
        if run is None:
            raise RunRefused(Sentence("run_busy", family=family.value))
        self._wake.set()
        return run

    async def stop(self, family: Family) -> list[Run]:
        """Stop the family's runs: a waiting one at once, a running one after its present step."""
        asked = []
        for run in reversed(await self._store.runs.open(family.value)):
            stopped = await self._store.runs.request_stop(run.id)
            if stopped is None:
                continue
            if stopped.state is RunState.STOPPED:
                await self._tell_end(stopped)
            asked.append(stopped)
        self._wake.set()
        return asked

    async def run(self) -> None:
        """Keep the runs until cancelled; the children go on when the bot ends."""
        try:
            while True:
                self._wake.clear()
                await self._advance()
                # Not wait_for: in Python 3.11 it can swallow a cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(10 * self._look_seconds):
                        await self._wake.wait()
        finally:
            for watch in self._watches.values():
                watch.cancel()
            await asyncio.gather(*self._watches.values(), return_exceptions=True)
            self._watches.clear()

    def curve(self, run: Run) -> Path | None:
        """Find the picture of a run's loss."""
        return self._left_by(run).curve

    def last_lines(self, run: Run) -> tuple[str, ...]:
        """Read the last words of a run that failed."""
        return self._left_by(run).last_lines() if run.state is RunState.FAILED else ()

    async def show_end(self, run: Run) -> None:
        """Announce once more how a run ended."""
        await self._tell_end(run)

    async def _advance(self) -> None:
        """Watch what runs, and start what may."""
        runs = await self._store.runs.open()
        for run in runs:
            if run.state is RunState.RUNNING and run.id not in self._watches:
                self._watch(run, TrainingProcess.adopt(self._folder(run)))
        busy = {run.family for run in runs if run.state is RunState.RUNNING}
        for run in runs:
            if run.state is RunState.WAITING and run.family not in busy:
                await self._launch(run)

    async def _launch(self, run: Run) -> None:
        folder = self._folder(run)
        if not await self._store.runs.start(run.id, str(folder)):
            return
        try:
            self._check_ground(Family(run.family))
            child = await TrainingProcess.spawn(folder, self._command(run, folder, self._settings))
        except (RunRefused, OSError) as error:
            log.error("run not started", run=run.id, error=str(error))
            sentence = (
                error.sentence if isinstance(error, RunRefused) else Sentence("run_unstarted")
            )
            await self._finish(run, RunState.FAILED, sentence)
            return
        await self._store.runs.set_pid(run.id, child.pid)
        log.info("run started", run=run.id, family=run.family, pid=child.pid)
        self._watch(run, child)

    def _watch(self, run: Run, child: TrainingProcess) -> None:
        watch = asyncio.create_task(self._follow(run, child), name=f"run {run.id}")
        self._watches[run.id] = watch
        watch.add_done_callback(lambda task: self._unwatch(run.id, task))

    def _unwatch(self, run_id: int, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            if error := task.exception():
                log.error("run watch failed", run=run_id, exc_info=error)
            self._watches.pop(run_id, None)
            self._wake.set()

    async def _follow(self, run: Run, child: TrainingProcess) -> None:
        """Carry progress to the row and the card until the child ends, then close the run."""
        shown = 0.0
        begun = time.monotonic()
        asked_at: float | None = None
        while child.alive():
            await child.wait(self._look_seconds)
            progress = await asyncio.to_thread(child.progress)
            if progress is not None:
                await self._store.runs.report(run.id, progress)
            run = await self._store.runs.get(run.id) or run
            late = time.monotonic() - begun > run.minutes * 60 + OVERTIME_SECONDS
            if run.stop_requested or late:
                if asked_at is None:
                    asked_at = time.monotonic()
                    child.ask_to_stop()
                self._press(child, time.monotonic() - asked_at)
            if time.monotonic() - shown >= self._card_seconds:
                shown = time.monotonic()
                await self._tell(run, child)
        await self._close(run, child)

    def _press(self, child: TrainingProcess, asked_for: float) -> None:
        """Make a child stop that was asked some seconds ago, at first gently."""
        if asked_for > 2 * self._stop_grace:
            child.send(signal.SIGKILL)
        elif asked_for > self._stop_grace:
            child.send(signal.SIGTERM)

    async def _close(self, run: Run, child: TrainingProcess) -> None:
        """Close a run whose child has ended."""
        progress = await asyncio.to_thread(child.progress)
        if progress is not None:
            await self._store.runs.report(run.id, progress)
        ending = await asyncio.to_thread(child.ending)
        state, sentence = judge(ending, stopped=run.stop_requested)
        version = (ending.outcome or {}).get("version") or None
        if state is RunState.PROMOTED:
            state, sentence = await self._take_up(run, str(version), sentence)
        await self._finish(run, state, sentence, version)

    async def _take_up(self, run: Run, version: str, sentence: str) -> tuple[RunState, str]:
        """Make the service use the new version; go back to the old one if it cannot."""
        family = Family(run.family)
        for pause in (*RELOAD_PAUSES, None):
            try:
                await self._client.reload(family)
                return RunState.PROMOTED, sentence
            except GenerationRefused as error:
                log.error("new version refused", run=run.id, reason=error.sentence)
                with suppress(RegistryError):
                    await asyncio.to_thread(self._registry.rollback, family.value, error.sentence)
                return RunState.FAILED, Sentence("run_unusable", version=version)
            except GenerationUnavailable:
                if pause is not None:
                    await asyncio.sleep(pause)
        # The alias has moved: the service takes the new version when it comes back.
        return RunState.PROMOTED, sentence

    async def _finish(
        self,
        run: Run,
        state: RunState,
        sentence: str,
        version: str | None = None,
    ) -> None:
        if not await self._store.runs.finish(run.id, state, sentence, version):
            return
        log.info("run ended", run=run.id, state=state.value, sentence=str(sentence))
        await self._tell_end(run)
        self._wake.set()

    async def _tell(self, run: Run, child: TrainingProcess) -> None:
        try:
            await self._announcer.progress(run, child.curve)
        except Exception as error:
            log.warning("run not shown", run=run.id, error=repr(error))

    async def _tell_end(self, run: Run) -> None:
        run = await self._store.runs.get(run.id) or run
        try:
            await self._announcer.finished(run, self.curve(run), self.last_lines(run))
        except Exception as error:
            log.warning("end of run not shown", run=run.id, error=repr(error))

    def _check_ground(self, family: Family) -> None:
        """Refuse a run that has nothing to learn from or no room to write."""
        corpus = self._settings.corpus_dir(family.value)
        if not any(path.is_file() for path in corpus.rglob("*")):
            raise RunRefused(Sentence("run_empty", folder=corpus))
        self._settings.runs_dir.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self._settings.runs_dir).free < DISK_NEEDED:
            raise RunRefused(Sentence("run_disk"))

    def _left_by(self, run: Run) -> TrainingProcess:
        return TrainingProcess(self._folder(run), None)

    def _folder(self, run: Run) -> Path:
        if run.run_dir is not None:
            return Path(run.run_dir)
        return (self._settings.runs_dir / f"{run.id:05d}-{run.family}").resolve()


def training_command(run: Run, folder: Path, settings: Settings) -> list[str]:
    """Word the command that trains a family further from its live version."""
    return [
        *(sys.executable, "-m", "training", run.family),
        *("--corpus", str(settings.corpus_dir(run.family).resolve())),
        *("--out", str(folder.resolve())),
        *("--continue-from", "live"),
        *("--registry", str(settings.registry_dir.resolve())),
        *("--max-minutes", str(run.minutes)),
        "--promote",
    ]
