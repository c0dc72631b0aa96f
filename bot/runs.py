"""The keeper of training runs: starts them, watches them, tells about them and takes their fruit.

A run is a row in the store and a child process. The child outlives the bot; a bot that starts
finds the rows that still run and adopts their children or says what became of them.
"""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import structlog

from bot.corpus import Corpus
from bot.run_ground import Ground, RunRefused, style_key, training_command, why_not
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import Store
from bot.store.shapes import NewRun, Run, RunState, Style
from bot.training_process import TrainingProcess, judge
from bot.versions import CANDIDATE, LIVE, PREVIOUS, Versions, alias
from models.client import GenerationClient, GenerationRefused, GenerationUnavailable
from models.contract import Family
from models.registry import Registry, RegistryError

log = structlog.get_logger(__name__)

MINUTES_MIN, MINUTES_MAX = 1, 24 * 60
#: Evaluation and the gate come on top of the minutes asked for.
OVERTIME_SECONDS = 30 * 60.0
RELOAD_PAUSES = (2.0, 5.0, 10.0, 30.0)


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
        self.registry = Registry(settings.registry_dir)
        self.versions = Versions(self.registry, client)
        self.corpus = Corpus(store, settings)
        self.ground = Ground(store, self.corpus, self.registry, settings)
        self._wake = asyncio.Event()
        self._watches: dict[int, asyncio.Task[None]] = {}

    async def start(
        self,
        family: Family,
        minutes: int,
        *,
        by: int,
        style: Style | None = None,
        preset: str | None = None,
        guild_id: int | None = None,
        channel_id: int | None = None,
        locale: str = "en",
    ) -> Run:
        """Queue a run of a style, or of the model all share; raise RunRefused with the reason."""
        if not MINUTES_MIN <= minutes <= MINUTES_MAX:
            raise RunRefused(Sentence("run_minutes", low=MINUTES_MIN, high=MINUTES_MAX))
        await self.ground.check(family, style, preset)
        return await self._queue(
            NewRun(
                family=family.value,
                minutes=minutes,
                requested_by=by,
                guild_id=guild_id,
                channel_id=channel_id,
                locale=locale,
                style_id=style.id if style is not None else None,
                preset=preset,
            )
        )

    async def resume(
        self, run: Run, *, by: int, channel_id: int | None = None, locale: str = "en"
    ) -> Run:
        """Queue a run that goes on from another one's checkpoint; raise RunRefused."""
        await self.ground.check_resume(run)
        return await self._queue(
            NewRun(
                family=run.family,
                minutes=run.minutes,
                requested_by=by,
                guild_id=run.guild_id,
                channel_id=channel_id or run.channel_id,
                locale=locale,
                style_id=run.style_id,
                preset=run.preset,
                resumes=run.id,
                run_dir=run.run_dir,
            )
        )

    async def _queue(self, new: NewRun) -> Run:
        run = await self._store.runs.create(new)
        if run is None:
            raise RunRefused(Sentence("run_busy", family=new.family))
        self._wake.set()
        return run

    async def drop_style(self, style: Style) -> bool:
        """Delete a style, its files and its aliases; False while it is being trained."""
        if any(run.style_id == style.id for run in await self._store.runs.open(style.family)):
            return False
        await self.corpus.drop(style)
        for name in (LIVE, PREVIOUS, CANDIDATE):
            with suppress(RegistryError):
                await asyncio.to_thread(
                    self.registry.drop_alias, style.family, alias(style.key, name), "style deleted"
                )
        return True

    async def stop(self, family: Family, run_id: int | None = None) -> list[Run]:
        """Stop the family's runs: a waiting one at once, a running one after its present step."""
        asked = []
        for run in reversed(await self._store.runs.open(family.value)):
            if run_id not in (None, run.id):
                continue
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

    def sample(self, run: Run) -> Path | None:
        """Find what the weights of a run last wrote or drew."""
        return self._left_by(run).sample

    def log(self, run: Run) -> Path | None:
        """Find everything a run has said."""
        path = self._folder(run) / "log.txt"
        return path if path.is_file() else None

    def outcome(self, run: Run) -> Mapping[str, Any]:
        """Read what a run wrote at its end."""
        return self._left_by(run).ending().outcome or {}

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
            run = await self.ground.prepare(run, folder)
            child = await TrainingProcess.spawn(folder, self._command(run, folder, self._settings))
        except (RunRefused, OSError, RegistryError) as error:
            log.error("run not started", run=run.id, error=str(error))
            await self._finish(run, RunState.FAILED, why_not(error))
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
                await self._client.reload(family, alias(style_key(run), LIVE))
                return RunState.PROMOTED, sentence
            except GenerationRefused as error:
                log.error("new version refused", run=run.id, reason=error.sentence)
                await asyncio.to_thread(self._take_back, run, error.sentence)
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

    def _take_back(self, run: Run, why: str) -> None:
        """Let the version before serve again; a style's first version leaves nobody behind."""
        try:
            self.registry.rollback(run.family, why, style_key(run))
        except RegistryError:
            with suppress(RegistryError):
                self.registry.drop_alias(run.family, alias(style_key(run), LIVE), why)

    def _left_by(self, run: Run) -> TrainingProcess:
        return TrainingProcess(self._folder(run), None)

    def _folder(self, run: Run) -> Path:
        if run.run_dir is not None:
            return Path(run.run_dir)
        return (self._settings.runs_dir / f"{run.id:05d}-{run.family}").resolve()
