"""The terminal as a place requests come from: same door, queue, worker and service as Discord."""

from __future__ import annotations

import asyncio
import re
import threading
import unicodedata
from collections.abc import AsyncGenerator, AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Any, Protocol

from bot.admission import Admission, Ask, Refused
from bot.files import write_whole
from bot.frontend import Result, Undeliverable
from bot.parameters import AlbumParameters, BeatParameters, EssayParameters
from bot.service_process import generation_url
from bot.settings import Settings
from bot.store import NOBODY, Request, Store, migrate
from bot.styles import Styles
from bot.worker import Worker
from models.client import GenerationClient
from models.contract import Progress

ORIGIN = "console"
#: Essays are written together; more at once than this only wait inside the service.
AT_ONCE = 32
#: A person at the terminal has stopped it: what runs is let go, not finished, and nothing waits
#: for the models that went on with it.
STOP_SECONDS = 2.0
SERVICE_SECONDS = 0.5


class SetUpError(Exception):
    """Something that every request needs is missing; the message is one plain sentence."""


class Show(Protocol):
    """What a terminal shows while one request is worked on."""

    def progress(self, done: float, stage: str) -> None:
        """Show how far it is, from 0 to 1."""

    def text(self, so_far: str) -> None:
        """Show the text so far."""

    def check(self) -> None:
        """Raise what kept it from showing all."""


@dataclass(frozen=True)
class Finished:
    """How one request ended: with a result and its files, or with a sentence."""

    ask: Ask
    request: Request | None = None
    result: Result | None = None
    files: tuple[Path, ...] = ()
    sentence: str | None = None
    #: Whether what was asked for can never be made, so that asking again is no use.
    refused: bool = False

    @property
    def wrong(self) -> bool:
        """Whether it is the asking that was wrong, and nothing here."""
        return self.request is None or self.refused

    def report(self) -> dict[str, Any]:
        """Name everything a program may want to know."""
        files = [str(path) for path in self.files]
        if self.result is None or self.request is None:
            asked = {key: value for key, value in self.ask.parameters.items() if value is not None}
            return {**asked, "error": self.sentence}
        if (essay := self.result.essay) is not None:
            wanted = self.request.parameters
            assert isinstance(wanted, EssayParameters)
            return {
                "topic": wanted.topic,
                "title": essay.plan.title,
                "text": essay.text,
                "words": wanted.words,
                "style": essay.style,
                "seed": essay.seed,
                "model_version": essay.model_version,
                "seconds": essay.seconds,
                "note": essay.note,
                "files": files,
            }
        if (album := self.result.album) is not None:
            facts = album.model_dump(mode="json", exclude={"archive", "medley", "cover"})
            return {**facts, "files": files}
        asked_for = self.request.parameters
        assert self.result.take is not None and isinstance(asked_for, BeatParameters)
        kept = ("style", "bpm", "bars", "key", "seed", "model_version", "seconds", "duration")
        facts = self.result.take.model_dump(mode="json", include={*kept, "loudness", "true_peak"})
        return {**facts, "energy": asked_for.energy, "files": files}


@dataclass(frozen=True)
class End:
    """What became of a request: a result with its files, or a sentence."""

    result: Result | None = None
    files: tuple[Path, ...] = ()
    sentence: str | None = None
    refused: bool = False


class ConsoleFrontEnd:
    """Shows requests in a terminal and puts their files into a folder."""

    def __init__(self, out: Path) -> None:
        self._out = out
        self._naming = threading.Lock()  # files are copied in threads
        self._shows: dict[int, Show] = {}
        self._ends: dict[int, asyncio.Future[End]] = {}

    async def watch(self, request: Request, show: Show) -> End:
        """Show a request until its end."""
        self._shows[request.id] = show
        try:
            return await self._end_of(request)
        finally:
            del self._shows[request.id], self._ends[request.id]

    async def queued(self, request: Request, place: int, eta: float | None) -> None:
        """Say nothing: in one's own process the queue is short."""

    async def started(self, request: Request) -> None:
        """Say nothing: progress follows at once."""

    async def progress(self, request: Request, progress: Progress) -> None:
        """Show how far it is."""
        if (show := self._shows.get(request.id)) is not None:
            part = f"track {progress.part} of {progress.parts}, " if progress.part else ""
            show.progress(progress.done, part + progress.stage)

    async def text(self, request: Request, so_far: str) -> None:
        """Show the text so far."""
        if (show := self._shows.get(request.id)) is not None:
            show.text(so_far)

    async def deliver(self, request: Request, result: Result) -> int | None:
        """Copy the files to where they were wanted."""
        if (show := self._shows.get(request.id)) is not None:
            if result.essay is not None:
                show.text(result.essay.text)
            show.progress(1.0, "done")
        try:
            files = await asyncio.to_thread(self._copy, request, result)
        except OSError as error:  # said at once: who waits here would wait for ever
            sentence = _no_room(self._out, error)
            self._end(request, End(sentence=sentence))
            raise Undeliverable(sentence) from error
        self._end(request, End(result, files))
        return None

    async def failed(self, request: Request, sentence: str, *, refused: bool = False) -> None:
        """Pass the sentence on."""
        self._end(request, End(sentence=sentence, refused=refused))

    async def cancelled(self, request: Request) -> None:
        """Pass on that it was stopped."""
        self._end(request, End(sentence="Stopped."))

    def _copy(self, request: Request, result: Result) -> tuple[Path, ...]:
        files = {artifact.kind: artifact.path.read_bytes() for artifact in result.artifacts}
        with self._naming:
            stem = self._free(file_stem(request, result), files)
            paths = {kind: self._out / f"{stem}.{kind}" for kind in files}
            for kind, path in paths.items():
                write_whole(path, files[kind])
        return tuple(paths.values())

    def _free(self, stem: str, files: Mapping[str, bytes]) -> str:
        """Number a name that files of another result have; the same result keeps its name."""
        names = (stem if number == 1 else f"{stem}-{number}" for number in count(1))
        return next(name for name in names if self._may_write(name, files))

    def _may_write(self, stem: str, files: Mapping[str, bytes]) -> bool:
        paths = {self._out / f"{stem}.{kind}": data for kind, data in files.items()}
        return all(not path.exists() or path.read_bytes() == data for path, data in paths.items())

    def _end_of(self, request: Request) -> asyncio.Future[End]:
        if request.id not in self._ends:
            self._ends[request.id] = asyncio.get_running_loop().create_future()
        return self._ends[request.id]

    def _end(self, request: Request, end: End) -> None:
        waiting = self._end_of(request)
        if not waiting.done():
            waiting.set_result(end)


def file_stem(request: Request, result: Result) -> str:
    """Name a result's files, in plain ASCII."""
    if isinstance(request.parameters, EssayParameters):
        what = request.parameters.topic
    elif isinstance(request.parameters, AlbumParameters):
        what = request.parameters.title
    else:
        assert result.take is not None
        what = f"{result.take.style} {result.take.bpm} bpm"
    plain = unicodedata.normalize("NFKD", what).encode("ascii", "ignore").decode().lower()
    slug = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-")
    return "-".join(part for part in (request.kind, slug, str(request.seed)) if part)


class Workshop:
    """Everything a request passes through, open for as long as it is needed."""

    def __init__(self, admission: Admission, worker: Worker, front: ConsoleFrontEnd) -> None:
        self._admission = admission
        self._worker = worker
        self._front = front

    async def make(self, ask: Ask, show: Show) -> Finished:
        """Send one request in and wait for its end."""
        ask = replace(ask, origin=ORIGIN, user_id=NOBODY, reserved_for=self._worker.name)
        answer = await self._admission.admit(ask)
        if isinstance(answer, Refused):
            return Finished(ask, sentence=answer.sentence)
        self._worker.kick()
        end = await self._front.watch(answer.request, show)
        return Finished(ask, answer.request, end.result, end.files, end.sentence, end.refused)

    async def make_all(self, asks: Sequence[Ask], show: Show) -> AsyncGenerator[Finished, None]:
        """Send every request in at once; yield their ends in the order they were given."""
        tasks = [asyncio.create_task(self.make(ask, show)) for ask in asks]
        try:
            for task in tasks:
                yield await task
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def workshop(settings: Settings, out: Path, *, at_once: int = 1) -> AsyncIterator[Workshop]:
    """Open database, service and worker; raise SetUpError, StoreError or ServiceFailed."""
    settings = settings.model_copy(update={"workers": max(1, min(AT_ONCE, at_once))})
    front = ConsoleFrontEnd(out)
    _prepare(out)
    await migrate(settings.database)
    store = await Store.open(settings.database)
    try:
        async with (
            generation_url(settings, stop_seconds=SERVICE_SECONDS) as url,
            GenerationClient(url) as client,
        ):
            styles = Styles(client)
            if not await styles.refresh():
                raise SetUpError(f"The generation service at {url} does not answer.")
            worker = Worker(store, client, {ORIGIN: front}, settings)
            running = asyncio.create_task(worker.run(), name="worker")
            try:
                yield Workshop(Admission(store, styles, settings), worker, front)
            finally:
                try:
                    await _let_go(store, worker)
                finally:
                    await worker.stop(STOP_SECONDS)
                    await running
    finally:
        await store.close()


def _prepare(out: Path) -> None:
    """Make the folder for the files, before anything is made that could not be kept there."""
    try:
        out.mkdir(parents=True, exist_ok=True)
        write_whole(out / ".ghostwriter", b"")
        (out / ".ghostwriter").unlink(missing_ok=True)
    except OSError as error:
        raise SetUpError(_no_room(out, error)) from error


def _no_room(out: Path, error: OSError) -> str:
    return f"No files can be written into {out}: {error.strerror}."


async def _let_go(store: Store, worker: Worker) -> None:
    """Cancel what is still open: no other process may take it."""
    for request in await store.requests.unfinished(ORIGIN):
        if request.reserved_for == worker.name:
            await worker.cancel(request.id)
