"""The generation service: how requests get in, and what it says of itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from models.acceptance import Unacceptable, check_key, check_opening, check_style
from models.contract import (
    AlbumRequest,
    BeatRequest,
    EngineHealth,
    EssayRequest,
    Family,
    Health,
    Models,
    Problem,
    Progress,
    Reloaded,
)
from models.library import LIVE, MEMORY_MB, Library, Makers
from models.registry import Registry
from models.shelf import Shelf
from models.streams import BROKEN, STOPPING, Full, Stream
from models.titles import name_tracks

log = logging.getLogger(__name__)

#: An engine that has work but has made no step for this long is stuck.
STUCK_SECONDS = 30.0
#: Requests that may wait for versions to be loaded.
ARRIVALS = 32

Asked = TypeVar("Asked", EssayRequest, BeatRequest, AlbumRequest)
#: Queues a request; its events go to a stream that waits for them, where there is one.
Opener = Callable[[Asked, Stream | None], Stream]


class GenerationService:
    """Brings requests to the desks of its library; lives on one event loop."""

    def __init__(
        self,
        registry: Registry,
        makers: Makers,
        *,
        stuck_seconds: float = STUCK_SECONDS,
        memory_mb: float = MEMORY_MB,
    ) -> None:
        """Load nothing yet; ``memory_mb`` is for the versions of all families together."""
        self._library = Library(registry, makers, memory_mb)
        self._stuck_seconds = stuck_seconds
        self._arriving: set[asyncio.Task[None]] = set()  # requests whose version is being loaded

    async def start(self) -> None:
        """Load the live version of each family, or the one before it if that is damaged."""
        await self._library.start()

    async def stop(self) -> None:
        """Give up the requests that wait for a version, and end every engine's threads."""
        for task in self._arriving:
            task.cancel()
        await self._library.stop()

    def essay(self, request: EssayRequest) -> Stream:
        """Queue an essay; raise Unacceptable or Full."""
        if self._library.essays is None:
            raise Unacceptable(self._library.remarks[Family.ESSAY])
        check_opening(request)
        return self._enter(Family.ESSAY, request, self._library.essays.open)

    def beat(self, request: BeatRequest) -> Stream:
        """Queue a beat; raise Unacceptable or Full."""
        if self._library.beats is None:
            raise Unacceptable(self._library.remarks[Family.MUSIC])
        check_key(request.key)
        return self._enter(Family.MUSIC, request, self._library.beats.open)

    def album(self, request: AlbumRequest) -> Stream:
        """Queue a record; raise Unacceptable or Full."""
        beats = self._library.beats
        if beats is None:
            raise Unacceptable(self._library.remarks[Family.MUSIC])
        namer = partial(name_tracks, request, writer=self._library.essays)
        return self._enter(
            Family.MUSIC, request, lambda asked, stream: beats.album(asked, namer, stream)
        )

    async def reload(self, family: Family, ref: str = LIVE) -> Reloaded:
        """Load what an alias stands for, and with ``live`` serve it; raise Unacceptable."""
        return await self._library.reload(family, ref)

    def models(self) -> Models:
        """List what is held, of each family the live version first, with its aliases."""
        return self._library.models()

    @property
    def shelf(self) -> Shelf:
        """What is held, for whoever counts it."""
        return self._library.shelf

    def health(self) -> Health:
        """Say whether every engine that has work moves, and which does not."""
        engines = tuple(self._judge(desk.health()) for desk in self._library.desks())
        stuck = [engine.family.value for engine in engines if not engine.ok]
        if stuck:
            names = " and the ".join(stuck)
            return Health(ok=False, engines=engines, sentence=f"The {names} model does not move.")
        if remarks := self._library.remarks.values():
            return Health(ok=True, engines=engines, sentence=" ".join(remarks))
        return Health(ok=True, engines=engines)

    def _judge(self, engine: EngineHealth) -> EngineHealth:
        working = engine.active + engine.waiting > 0
        stuck = working and engine.idle_seconds > self._stuck_seconds
        return engine.model_copy(update={"ok": engine.ok and not stuck})

    # ---- requests --------------------------------------------------------------------------

    def _enter(self, family: Family, request: Asked, opener: Opener[Asked]) -> Stream:
        """Queue a request on the version it asks for; it waits while that is loaded."""
        name = self._library.stands_for(family, request.version)
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

    def _open(
        self,
        family: Family,
        request: Asked,
        opener: Opener[Asked],
        name: str | None,
        stream: Stream | None,
    ) -> Stream:
        """Queue a request on a version that is held, and keep that until it has ended."""
        check_style(self._library.desk(family).info(name), request.style)
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
            await self._library.hold(family, name)
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


def _nothing() -> None:
    """Have nothing to end."""
