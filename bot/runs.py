"""The keeper of training runs: starts them, watches them, tells about them and takes their fruit.

A run is a row in the store and a child process. The child outlives the bot; a bot that starts
finds the rows that still run and adopts their children or says what became of them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Protocol

import structlog

from bot.corpus import Corpus
from bot.run_ground import Ground, RunRefused, style_key, training_command, why_not
from bot.run_watch import Pace, RunWatch
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import Store
from bot.store.shapes import NewRun, Run, RunState, Style
from bot.training_process import TrainingProcess, judge
from bot.versions import VersionRefused, Versions
from models.client import GenerationClient
from models.contract import Family
from models.registry import Registry, RegistryError

log = structlog.get_logger(__name__)

MINUTES_MIN, MINUTES_MAX = 1, 24 * 60


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
        self._settings = settings
        self._announcer = announcer
        self._pace = Pace(look_seconds, card_seconds, stop_grace)
        self._command = command or training_command
        self.registry = Registry(settings.registry_dir)
        self.versions = Versions(self.registry, client)
        self.corpus = Corpus(store, settings)
        self.ground = Ground(store, self.corpus, self.registry, settings)
        # Two presses of one button must not both find that nothing has been started.
        self._door = asyncio.Lock()
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
        message_id: int | None = None,
        locale: str = "en",
    ) -> Run:
        """Queue a run of a style, or of the model all share; raise RunRefused with the reason.

        A message that shows an open run starts no second one.
        """
        if not MINUTES_MIN <= minutes <= MINUTES_MAX:
            raise RunRefused(Sentence("run_minutes", low=MINUTES_MIN, high=MINUTES_MAX))
        await self.ground.check(family, style, preset)
        new = NewRun(
            family=family.value,
            minutes=minutes,
            requested_by=by,
            guild_id=guild_id,
            channel_id=channel_id,
            message_id=message_id,
            locale=locale,
            style_id=style.id if style is not None else None,
            preset=preset,
        )
        async with self._door:
            shown = {run.message_id for run in await self._store.runs.open(family.value)}
            if message_id is not None and message_id in shown:
                raise RunRefused(Sentence("run_begun"))
            return await self._queue(new)

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
        await self.versions.forget(Family(style.family), style.key)
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
                await self.show_end(stopped)
                await self.corpus.clear_ended_runs()
            asked.append(stopped)
        self._wake.set()
        return asked

    async def run(self) -> None:
        """Keep the runs until cancelled; the children go on when the bot ends."""
        try:
            while True:
                self._wake.clear()
                try:
                    await self._advance()
                except Exception:  # a database that is away for a while must not end it
                    log.exception("keeper stumbled")
                # Not wait_for: in Python 3.11 it can swallow a cancellation.
                with suppress(TimeoutError):
                    async with asyncio.timeout(10 * self._pace.look):
                        await self._wake.wait()
        finally:
            for watch in self._watches.values():
                watch.cancel()
            await asyncio.gather(*self._watches.values(), return_exceptions=True)
            self._watches.clear()

    def left_by(self, run: Run) -> TrainingProcess:
        """Look into the folder of a run, whoever may be writing there."""
        return TrainingProcess(self._folder(run), None)

    def last_lines(self, run: Run) -> tuple[str, ...]:
        """Read the last words of a run that failed."""
        return self.left_by(run).last_lines() if run.state is RunState.FAILED else ()

    async def _advance(self) -> None:
        """Watch what runs, and start what may."""
        runs = await self._store.runs.open()
        for run in runs:
            if run.state is RunState.RUNNING and run.id not in self._watches:
                self._watch(run, TrainingProcess.adopt(self._folder(run)))
        busy = {run.family for run in runs if run.state is RunState.RUNNING}
        for run in runs:
            if run.state is RunState.WAITING and run.family not in busy:
                try:
                    await self._launch(run)
                except Exception:  # the other family's run may start all the same
                    log.exception("run stumbled", run=run.id)

    async def _launch(self, run: Run) -> None:
        folder = self._folder(run)
        if not await self._store.runs.start(run.id, str(folder)):
            return
        try:
            run = await self.ground.prepare(run, folder)
            child = await TrainingProcess.spawn(folder, self._command(run, folder, self._settings))
        except Exception as error:
            expected = isinstance(error, RunRefused | OSError | RegistryError)
            log.error("run not started", run=run.id, error=str(error), exc_info=not expected)
            await self._finish(run, RunState.FAILED, why_not(error))
            return
        self._watch(run, child)
        log.info("run started", run=run.id, family=run.family, pid=child.pid)
        await self._store.runs.set_pid(run.id, child.pid)

    def _watch(self, run: Run, child: TrainingProcess) -> None:
        watch = asyncio.create_task(self._follow(run, child), name=f"run {run.id}")
        self._watches[run.id] = watch
        watch.add_done_callback(lambda task: self._unwatch(run.id, task))

    def _unwatch(self, run_id: int, task: asyncio.Task[None]) -> None:
        if not task.cancelled():
            self._watches.pop(run_id, None)
            if error := task.exception():  # watched again at the next turn, not at once
                log.error("run watch failed", run=run_id, exc_info=error)
            else:
                self._wake.set()

    async def _follow(self, run: Run, child: TrainingProcess) -> None:
        """Follow a child to its end, then close the run."""
        run = await RunWatch(self._store, child, self._pace, self._tell).follow(run)
        ending = await asyncio.to_thread(child.ending)
        state, sentence = judge(ending, stopped=run.stop_requested)
        version = (ending.outcome or {}).get("version") or None
        if state is RunState.PROMOTED:
            try:
                await self.versions.take_up(Family(run.family), style_key(run), str(version))
            except VersionRefused as no:
                state, sentence = RunState.FAILED, no.sentence
        await self._finish(run, state, sentence, version)

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
        await self.show_end(run)
        self._wake.set()
        await self.corpus.clear_ended_runs()

    async def _tell(self, run: Run, curve: Path | None) -> None:
        try:
            await self._announcer.progress(run, curve)
        except Exception as error:
            log.warning("run not shown", run=run.id, error=repr(error))

    async def show_end(self, run: Run) -> None:
        """Announce how a run ended."""
        run = await self._store.runs.get(run.id) or run
        left = self.left_by(run)
        try:
            await self._announcer.finished(run, left.curve, self.last_lines(run))
        except Exception as error:
            log.warning("end of run not shown", run=run.id, error=repr(error))

    def _folder(self, run: Run) -> Path:
        if run.run_dir is not None:
            return Path(run.run_dir)
        return (self._settings.runs_dir / f"{run.id:05d}-{run.family}").resolve()
