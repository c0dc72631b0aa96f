"""The async client of the generation service: the same for a local process and for a cluster.

Imports neither torch nor discord. Every failure is one of three errors that tell the caller what
to do next: wait (busy), give up (refused), or try again (unavailable).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from types import TracebackType
from typing import TypeVar
from urllib.parse import quote

import httpx
from pydantic import ValidationError

from models.contract import (
    EVENTS,
    AlbumEvent,
    AlbumRequest,
    AlbumTake,
    BeatEvent,
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayEvent,
    EssayPlan,
    EssayRequest,
    Family,
    Health,
    Models,
    Problem,
    Progress,
    Reloaded,
    Shape,
)

GONE = "The model service stopped in the middle of this request."
AWAY = "The model service does not answer at the moment."
GARBLED = "The model service sent an answer that makes no sense."
BUSY = "The model service is full at the moment."
REFUSED = "The model service does not accept this request."

#: Loading, verifying and warming a version takes longer than any other plain call.
RELOAD_SECONDS = 180.0

ShapeT = TypeVar("ShapeT", bound=Shape)


class GenerationError(Exception):
    """A request was not served; ``sentence`` can be shown to a person."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class GenerationBusy(GenerationError):
    """The service is full: ask again after ``retry_after`` seconds."""

    def __init__(self, sentence: str = BUSY, retry_after: float = 5.0) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class GenerationRefused(GenerationError):
    """The request itself is wrong: asking again gives the same answer."""


class GenerationUnavailable(GenerationError):
    """The service broke or cannot be reached: asking again makes sense."""


class GenerationClient:
    """Talks to one generation service; safe to share between tasks."""

    def __init__(
        self, base_url: str, *, connect_timeout: float = 2.0, idle_timeout: float = 60.0
    ) -> None:
        """Open nothing yet; ``idle_timeout`` is the longest silence, and pings break silences."""
        self.base_url = base_url.rstrip("/")
        # The service is a neighbour: a proxy of the environment must never stand between.
        # The store decides how many requests run at once, so the pool sets no limit.
        self._http = httpx.AsyncClient(
            base_url=self.base_url,
            timeout=httpx.Timeout(idle_timeout, connect=connect_timeout, pool=None),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=8),
            trust_env=False,
            verify=self.base_url.startswith("https"),  # reading certificates takes a while
        )

    async def __aenter__(self) -> GenerationClient:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def essay(self, request: EssayRequest) -> AsyncGenerator[EssayEvent, None]:
        """Yield progress, the plan and pieces of text, ending with EssayDone.

        Closing the generator closes the connection, which frees the essay's slot at once.
        """
        async with aclosing(self._stream("/v1/essays", request, EssayDone)) as events:
            async for event in events:
                if isinstance(event, Progress | EssayPlan | EssayDelta | EssayDone):
                    yield event

    async def beat(self, request: BeatRequest) -> AsyncGenerator[BeatEvent, None]:
        """Yield progress, ending with BeatTake; closing the generator stops the work."""
        async with aclosing(self._stream("/v1/beats", request, BeatTake)) as events:
            async for event in events:
                if isinstance(event, Progress | BeatTake):
                    yield event

    async def album(self, request: AlbumRequest) -> AsyncGenerator[AlbumEvent, None]:
        """Yield progress by track, ending with AlbumTake; closing the generator stops the work."""
        async with aclosing(self._stream("/v1/albums", request, AlbumTake)) as events:
            async for event in events:
                if isinstance(event, Progress | AlbumTake):
                    yield event

    async def models(self) -> Models:
        """List the models the service holds, with their styles."""
        return await self._call("GET", "/v1/models", Models)

    async def reload(self, family: Family, ref: str = "live") -> Reloaded:
        """Swap in the family's live version, or load another beside it.

        Raises GenerationRefused when it is damaged.
        """
        path = f"/v1/models/{family.value}/reload?ref={quote(ref, safe='')}"
        return await self._call("POST", path, Reloaded, seconds=RELOAD_SECONDS)

    async def health(self) -> Health:
        """Ask whether the engines move; a sick service answers too, with ``ok`` false."""
        return await self._call("GET", "/healthz", Health, accept=(200, 503))

    async def aclose(self) -> None:
        """Close every connection."""
        await self._http.aclose()

    async def _call(
        self,
        method: str,
        path: str,
        shape: type[ShapeT],
        *,
        accept: tuple[int, ...] = (200,),
        seconds: float | None = None,
    ) -> ShapeT:
        timeout = httpx.USE_CLIENT_DEFAULT if seconds is None else seconds
        try:
            response = await self._http.request(method, path, timeout=timeout)
        except httpx.HTTPError as error:
            raise GenerationUnavailable(AWAY) from error
        if response.status_code not in accept:
            raise _refusal(response)
        return _parse(shape, response.content)

    async def _stream(
        self, path: str, request: Shape, last: type[Shape]
    ) -> AsyncGenerator[Shape, None]:
        """Post a request and yield its events up to and including the one of type ``last``."""
        sent = self._http.build_request(
            "POST",
            path,
            content=request.model_dump_json(),
            headers={"Content-Type": "application/json", "Accept": "text/event-stream"},
        )
        try:
            response = await self._http.send(sent, stream=True)
        except httpx.HTTPError as error:
            raise GenerationUnavailable(AWAY) from error
        try:
            if response.status_code != 200:
                await response.aread()
                raise _refusal(response)
            async for name, data in server_events(response.aiter_bytes()):
                event = _event(name, data)
                if event is None:
                    continue
                yield event
                if isinstance(event, last):
                    return
            raise GenerationUnavailable(GONE)
        except httpx.HTTPError as error:
            raise GenerationUnavailable(GONE) from error
        finally:
            await response.aclose()


async def server_events(chunks: AsyncIterator[bytes]) -> AsyncGenerator[tuple[str, bytes], None]:
    """Parse a stream of server-sent events into (event, data) pairs.

    Works on bytes and splits at line feeds only: text lines split by ``str.splitlines`` would
    break at characters such as U+2028, which JSON may hold unescaped.
    """
    name, data = "", list[bytes]()
    buffer, scanned = bytearray(), 0
    async for chunk in chunks:
        buffer += chunk
        while (end := buffer.find(b"\n", scanned)) >= 0:
            line = bytes(buffer[:end]).removesuffix(b"\r")
            del buffer[: end + 1]
            scanned = 0
            field, _, value = line.partition(b":")
            value = value.removeprefix(b" ")
            if field == b"event":
                name = value.decode()
            elif field == b"data":
                data.append(value)
            elif not line:
                if data:
                    yield name, b"\n".join(data)
                name, data = "", []
        scanned = len(buffer)


def _event(name: str, data: bytes) -> Shape | None:
    """Read one event; None for a kind this client does not know yet."""
    shape = EVENTS.get(name)
    if shape is None:
        return None
    event = _parse(shape, data)
    if isinstance(event, Problem):
        if event.retry_after is not None:
            raise GenerationBusy(event.sentence, event.retry_after)
        if not event.again:
            raise GenerationRefused(event.sentence)
        raise GenerationUnavailable(event.sentence)
    return event


def _parse(shape: type[ShapeT], data: bytes) -> ShapeT:
    try:
        return shape.model_validate_json(data)
    except ValidationError as error:
        raise GenerationUnavailable(GARBLED) from error


def _refusal(response: httpx.Response) -> GenerationError:
    """Turn an answer that is not a success into the error that says what to do next."""
    try:
        problem: Problem | None = Problem.model_validate_json(response.content)
    except ValidationError:
        problem = None
    if response.status_code == 429:
        wait = problem.retry_after if problem and problem.retry_after is not None else None
        if wait is None:
            header = response.headers.get("Retry-After", "")
            wait = float(header) if header.isdigit() else 5.0
        return GenerationBusy(problem.sentence if problem else BUSY, wait)
    if 400 <= response.status_code < 500:
        return GenerationRefused(problem.sentence if problem else REFUSED)
    return GenerationUnavailable(problem.sentence if problem else AWAY)
