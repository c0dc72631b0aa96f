"""The generation service: every model it holds, how requests get in, and how versions change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TypeVar

from models.acceptance import Unacceptable, check_key, check_opening, check_style
from models.contract import (
    AlbumRequest,
    BeatRequest,
    EngineHealth,
    EssayRequest,
    Family,
    Health,
    ModelInfo,
    Models,
    Problem,
    Progress,
    Reloaded,
)
from models.desks import BeatDesk, BeatModel, EssayDesk, EssayModel
from models.essay.engine import EssayEngine
from models.music.soundfont import SoundFontError
from models.music.studio import BeatStudio
from models.pool import step_back
from models.registry import Registry, RegistryError, Version
from models.shelf import Shelf
from models.streams import BROKEN, STOPPING, Full, Stream
from models.titles import name_tracks

log = logging.getLogger(__name__)

#: An engine that has work but has made no step for this long is stuck.
STUCK_SECONDS = 30.0
#: What the versions of all families may take together.
MEMORY_MB = 1024.0
#: Requests that may wait for versions to be loaded.
ARRIVALS = 32
#: Loading makes way for those who write and play.
LOADER_NICENESS = 5
#: How often, and how long after each other, the engine is asked whether it has stepped.
STEP_CHECKS, STEP_SECONDS = 50, 0.02
LIVE, PREVIOUS = "live", "previous"


@dataclass(frozen=True)
class Makers:
    """How the engines are made; tests put smaller ones in."""

    essay: Callable[[], EssayModel]
    music: Callable[[], BeatModel]

    @classmethod
    def real(cls, device: str = "auto", soundfont: Path | None = None) -> Makers:
        """Make the real engines on a device."""
        return cls(
            essay=lambda: EssayEngine(device=device),
            music=lambda: BeatStudio(device=device, soundfont=soundfont),
        )


Desk = EssayDesk | BeatDesk
Asked = TypeVar("Asked", EssayRequest, BeatRequest, AlbumRequest)
#: Queues a request; its events go to a stream that waits for them, where there is one.
Opener = Callable[[Asked, Stream | None], Stream]


class GenerationService:
    """Holds one desk for each family that has a version; lives on one event loop."""

    def __init__(
        self,
        registry: Registry,
        makers: Makers,
        *,
        stuck_seconds: float = STUCK_SECONDS,
        memory_mb: float = MEMORY_MB,
    ) -> None:
        """Load nothing yet; ``memory_mb`` is for the versions of all families together."""
        self.shelf = Shelf(memory_mb)
        self._registry = registry
        self._makers = makers
        self._stuck_seconds = stuck_seconds
        self._essays: EssayDesk | None = None
        self._beats: BeatDesk | None = None
        self._remarks: dict[Family, str] = {}
        self._locks = {family: asyncio.Lock() for family in Family}
        self._loader = ThreadPoolExecutor(
            len(Family), "loader", initializer=step_back, initargs=(LOADER_NICENESS,)
        )
        self._arriving: set[asyncio.Task[None]] = set()  # requests whose version is being loaded
        self._known: dict[tuple[Family, str], str] = {}  # what each reloaded alias stood for

    async def start(self) -> None:
        """Load the live version of each family, or the one before it if that is damaged."""
        for family in Family:
            try:
                await self.reload(family)
            except Unacceptable as error:
                log.error("live %s model not loaded: %s", family.value, error)
                with suppress(Unacceptable):
                    instead = await self.reload(family, PREVIOUS)
                    self._remarks[family] = f"{error} {instead.now} is used instead."

    async def stop(self) -> None:
        """End every engine's threads."""
        for task in self._arriving:
            task.cancel()
        self._loader.shutdown(wait=False, cancel_futures=True)
        if self._beats is not None:
            self._beats.stop()
        if self._essays is not None:
            await asyncio.to_thread(self._essays.stop)

    def essay(self, request: EssayRequest) -> Stream:
        """Queue an essay; raise Unacceptable or Full."""
        if self._essays is None:
            raise Unacceptable(self._remarks[Family.ESSAY])
        check_opening(request)
        return self._enter(Family.ESSAY, request, self._essays.open)

    def beat(self, request: BeatRequest) -> Stream:
        """Queue a beat; raise Unacceptable or Full."""
        if self._beats is None:
            raise Unacceptable(self._remarks[Family.MUSIC])
        check_key(request.key)
        return self._enter(Family.MUSIC, request, self._beats.open)

    def album(self, request: AlbumRequest) -> Stream:
        """Queue a record; raise Unacceptable or Full."""
        beats = self._beats
        if beats is None:
            raise Unacceptable(self._remarks[Family.MUSIC])
        namer = partial(name_tracks, request, writer=self._essays)
        return self._enter(
            Family.MUSIC, request, lambda asked, stream: beats.album(asked, namer, stream)
        )

    def models(self) -> Models:
        """List what is held, of each family the live version first, with its aliases."""
        return Models(
            models=tuple(
                self._named(desk.info(name))
                for desk in self._desks()
                for name in self.shelf.names(desk.family)
            )
        )

    def health(self) -> Health:
        """Say whether every engine that has work moves, and which does not."""
        engines = tuple(self._judge(desk.health()) for desk in self._desks())
        stuck = [engine.family.value for engine in engines if not engine.ok]
        if stuck:
            names = " and the ".join(stuck)
            return Health(ok=False, engines=engines, sentence=f"The {names} model does not move.")
        if self._remarks:
            return Health(ok=True, engines=engines, sentence=" ".join(self._remarks.values()))
        return Health(ok=True, engines=engines)

    # ---- requests --------------------------------------------------------------------------

    def _enter(self, family: Family, request: Asked, opener: Opener[Asked]) -> Stream:
        """Queue a request on the version it asks for; it waits while that is loaded."""
        name = self._wanted(family, request.version)
        if name is None or (family, name) in self.shelf:
            return self._open(family, request, opener, name, None)
        if len(self._arriving) >= ARRIVALS:
            raise Full("Too many requests are waiting for models at the moment.", 5.0)
        stream = Stream()
        stream.put(Progress(stage="queued", done=0.0))
        task = asyncio.create_task(self._open_later(family, request, opener, name, stream))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)
        return stream

    def _wanted(self, family: Family, ref: str | None) -> str | None:
        """Name the version that an alias or a name stands for now; None for the live one."""
        if ref is None or ref == LIVE:
            return None
        name = self._aliases(family).get(ref, ref)
        if (family, name) in self.shelf:
            return name
        try:
            return self._registry.resolve(family.value, ref).name
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except (OSError, ValueError) as error:
            raise Unacceptable(f"The {family.value} models cannot be read.") from error

    def _open(
        self,
        family: Family,
        request: Asked,
        opener: Opener[Asked],
        name: str | None,
        stream: Stream | None,
    ) -> Stream:
        """Queue a request on a version that is held, and keep that until it has ended."""
        check_style(self._desk(family).info(name), request.style)
        done = self.shelf.use(family, name) if name is not None else _nothing
        try:
            stream = opener(request.model_copy(update={"version": name}), stream)
        except BaseException:
            done()
            raise
        stream.on_end = done
        return stream

    async def _open_later(
        self, family: Family, request: Asked, opener: Opener[Asked], name: str, stream: Stream
    ) -> None:
        """Load a version, then queue the request that waits for it."""
        try:
            async with self._locks[family]:
                await self._hold(family, name)
            if not stream.cancelled.is_set():
                self._open(family, request, opener, name, stream)
        except Unacceptable as error:
            stream.put(Problem(sentence=str(error), again=False))
        except Full as full:
            stream.put(Problem(sentence=str(full), retry_after=full.retry_after))
        except asyncio.CancelledError:
            stream.put(Problem(sentence=STOPPING))
            raise
        except Exception:
            log.exception("a request for %s %s could not begin", family.value, name)
            stream.put(Problem(sentence=BROKEN))

    # ---- versions --------------------------------------------------------------------------

    async def reload(self, family: Family, ref: str = LIVE) -> Reloaded:
        """Load what an alias stands for beside what is held; raise Unacceptable.

        With ``live`` new requests then get that version. Whatever goes wrong, the version that
        was live before stays and keeps serving.
        """
        async with self._locks[family]:
            begun = time.monotonic()
            live = self.shelf.live(family)
            before = live if ref == LIVE else self._known.get((family, ref))
            try:
                name = await self._hold(family, ref)
            except Unacceptable as error:
                if live is None:
                    self._remarks[family] = str(error)
                raise
            if ref == LIVE or live is None:
                self._desk(family).promote(name)
                self.shelf.make_live(family, name)
                self._remarks.pop(family, None)
            self._known[family, ref] = name
            seconds = time.monotonic() - begun
            stall = await self._stall(family, begun)
        log.info("%s %s: %s -> %s in %.2f s", family.value, ref, before, name, seconds)
        return Reloaded(family=family, before=before, now=name, seconds=seconds, stall=stall)

    async def _hold(self, family: Family, ref: str) -> str:
        """Verify a version and load it unless it is held; raise Unacceptable. Needs the lock."""
        loop = asyncio.get_running_loop()
        try:
            version = await loop.run_in_executor(self._loader, self._find, family, ref)
            if (family, version.name) in self.shelf:
                return version.name
            desk, size = await loop.run_in_executor(self._loader, self._take_up, family, version)
        except Unacceptable:
            self.shelf.loads[family, "refused"] += 1
            raise
        if isinstance(desk, EssayDesk):
            self._essays = desk
        else:
            self._beats = desk
        self.shelf.loads[family, "done"] += 1
        self.shelf.put(family, version.name, size, lambda: desk.drop(version.name))
        return version.name

    def _find(self, family: Family, ref: str) -> Version:
        """Find a version and check its files; runs in a thread."""
        try:
            if not self._registry.versions(family.value):
                raise Unacceptable(f"There is no {family.value} model yet.")
            version = self._registry.resolve(family.value, ref)
            version.verify()
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except (OSError, ValueError) as error:
            raise Unacceptable(f"The {family.value} models cannot be read.") from error
        return version

    def _take_up(self, family: Family, version: Version) -> tuple[Desk, int]:
        """Load a version at the family's desk, a new one if there is none; runs in a thread."""
        try:
            if family is Family.ESSAY:
                essays = self._essays or EssayDesk(self._makers.essay())
                return essays, essays.hold(version)
            beats = self._beats or BeatDesk(self._makers.music())
            return beats, beats.hold(version)
        except (RegistryError, SoundFontError) as error:
            raise Unacceptable(str(error)) from error
        except Exception as error:
            log.exception("%s %s cannot be loaded", family.value, version.name)
            raise Unacceptable(f"{family.value} {version.name} cannot be loaded.") from error

    async def _stall(self, family: Family, begun: float) -> float | None:
        """Measure the slowest step since a moment, the first one after now included."""
        desk, now = self._desk(family), time.monotonic()
        for _ in range(STEP_CHECKS):
            if desk.health().active == 0 or desk.stall(now) is not None:
                break
            await asyncio.sleep(STEP_SECONDS)
        return desk.stall(begun)

    def _named(self, model: ModelInfo) -> ModelInfo:
        aliases = self._aliases(model.family)
        names = sorted(alias for alias, name in aliases.items() if name == model.version)
        return model.model_copy(update={"aliases": tuple(names)})

    def _aliases(self, family: Family) -> dict[str, str]:
        """Read the aliases of a family; none while their file is broken."""
        try:
            return self._registry.aliases(family.value)
        except (OSError, ValueError):
            return {}

    def _judge(self, engine: EngineHealth) -> EngineHealth:
        working = engine.active + engine.waiting > 0
        stuck = working and engine.idle_seconds > self._stuck_seconds
        return engine.model_copy(update={"ok": engine.ok and not stuck})

    def _desk(self, family: Family) -> Desk:
        desk = self._essays if family is Family.ESSAY else self._beats
        if desk is None:
            raise Unacceptable(f"There is no {family.value} model yet.")
        return desk

    def _desks(self) -> list[Desk]:
        return [desk for desk in (self._essays, self._beats) if desk is not None]


def _nothing() -> None:
    """Have nothing to end."""
