"""A request made into a result: asked of the generation service, filtered, written, recorded."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Protocol, TypeVar

import structlog

from bot.files import Shelf
from bot.filters import filter_of
from bot.frontend import FrontEnd, Result
from bot.parameters import BeatParameters, EssayParameters
from bot.sentences import Sentence
from bot.store import Artifact, Request, Store
from models.client import GenerationUnavailable
from models.contract import (
    BeatEvent,
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayEvent,
    EssayRequest,
    Progress,
)

log = structlog.get_logger()

E = TypeVar("E", bound=EssayEvent | BeatEvent)


class Blocked(Exception):
    """The guild does not allow what was written."""

    def __init__(self) -> None:
        self.sentence = Sentence("filtered_output")
        super().__init__(self.sentence)


class Broken(Exception):
    """The service broke after work on the request had begun."""

    def __init__(self, sentence: str) -> None:
        super().__init__(sentence)
        self.sentence = sentence


class Lost(Exception):
    """Somebody else holds the request now."""


class Generator(Protocol):
    """What makes essays and beats: the client of the generation service."""

    def essay(self, request: EssayRequest) -> AsyncGenerator[EssayEvent, None]:
        """Yield progress, the plan and pieces of text, ending with EssayDone."""

    def beat(self, request: BeatRequest) -> AsyncGenerator[BeatEvent, None]:
        """Yield progress, ending with BeatTake."""


class Maker:
    """Makes results; what was made before a crash is not made again."""

    def __init__(self, store: Store, client: Generator, shelf: Shelf) -> None:
        self._store = store
        self._client = client
        self._shelf = shelf

    async def make(self, request: Request, front: FrontEnd) -> Result:
        """Return a recorded result, telling the front end on the way."""
        found = await self._found(request)
        if found is not None:
            return found
        made = await self._generate(request, front)
        guild = filter_of(await self._store.guilds.get(request.guild_id))
        if isinstance(made, EssayDone) and guild.blocks(made.text, made.plan.title):
            raise Blocked
        artifacts = await self._shelf.keep(request.id, made)
        if not await self._store.requests.keep(request, made, artifacts):
            raise Lost
        return _result(made, artifacts)

    async def _found(self, request: Request) -> Result | None:
        if request.outcome is None:
            return None
        artifacts = await self._store.artifacts.of(request.id)
        return _result(request.outcome, artifacts) if self._shelf.whole(artifacts) else None

    async def _generate(self, request: Request, front: FrontEnd) -> EssayDone | BeatTake:
        wanted = request.parameters
        if isinstance(wanted, EssayParameters):
            return await self._essay(request, wanted, front)
        return await self._beat(request, wanted, front)

    async def _essay(self, request: Request, wanted: EssayParameters, front: FrontEnd) -> EssayDone:
        asked = EssayRequest(
            request_id=request.nonce,
            topic=wanted.topic,
            words=wanted.words,
            style=wanted.style,
            seed=request.seed,
            opening=wanted.opening,
        )
        so_far = ""
        async with aclosing(_watched(self._client.essay(asked))) as stream:
            async for event in stream:
                if isinstance(event, EssayDelta):
                    so_far += event.text
                    await quietly(front.text(request, so_far))
                elif isinstance(event, Progress):
                    await quietly(front.progress(request, event))
                elif isinstance(event, EssayDone):
                    return event
        raise Broken(Sentence("unavailable"))

    async def _beat(self, request: Request, wanted: BeatParameters, front: FrontEnd) -> BeatTake:
        asked = BeatRequest(
            request_id=request.nonce,
            style=wanted.style,
            bpm=wanted.bpm,
            bars=wanted.bars,
            key=wanted.key,
            seed=request.seed,
            format=wanted.format,
            max_bytes=request.upload_limit,
            variation=wanted.variation,
        )
        async with aclosing(_watched(self._client.beat(asked))) as stream:
            async for event in stream:
                if isinstance(event, Progress):
                    await quietly(front.progress(request, event))
                else:
                    return event
        raise Broken(Sentence("unavailable"))


async def _watched(stream: AsyncGenerator[E, None]) -> AsyncGenerator[E, None]:
    """Pass a stream on; tell a service that broke at this work from one that was not there.

    Closing the stream is what frees the request's slot when the work is broken off.
    """
    begun = False
    async with aclosing(stream):
        try:
            async for event in stream:
                begun = begun or not (isinstance(event, Progress) and event.stage == "queued")
                yield event
        except GenerationUnavailable as error:
            if begun:
                raise Broken(error.sentence) from error
            raise


async def quietly(call: Awaitable[None]) -> None:
    """Tell the front end something; its troubles are its own."""
    try:
        await call
    except Exception:
        log.warning("front end could not be told", exc_info=True)


def _result(made: EssayDone | BeatTake, artifacts: tuple[Artifact, ...]) -> Result:
    if isinstance(made, EssayDone):
        return Result(essay=made, take=None, artifacts=artifacts)
    stripped = made.model_copy(update={"audio": None, "midi": "", "picture": ""})
    return Result(essay=None, take=stripped, artifacts=artifacts)
