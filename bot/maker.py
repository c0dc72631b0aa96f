"""A request made into a result: asked of the generation service, filtered, written, recorded."""

from __future__ import annotations

import asyncio
import base64
import time
from collections.abc import AsyncGenerator, Awaitable
from contextlib import aclosing
from typing import Protocol, TypeVar

import structlog

from bot.files import Shelf
from bot.filters import blocked, filters, written
from bot.frontend import FrontEnd, Result
from bot.limits import UPLOAD_REQUEST
from bot.own_styles import named, prompt_style
from bot.parameters import ENERGIES, AlbumParameters, BeatParameters, EssayParameters
from bot.sentences import Sentence
from bot.store import SAMPLE, Artifact, GuildSettings, Outcome, Request, Store
from bot.store.mapping import stripped
from models.client import GenerationRefused, GenerationUnavailable
from models.contract import (
    AlbumEvent,
    AlbumRequest,
    AlbumTake,
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

E = TypeVar("E", bound=EssayEvent | BeatEvent | AlbumEvent)
T = TypeVar("T", bound=BeatTake | AlbumTake)

#: Bytes left to an album's medley, cover and card beside its zip in one upload.
BESIDE_ALBUM = 2 * 2**20
#: How often a text in a guild with filters is looked at while it is being written.
LOOK_SECONDS = 1.0


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
    """What makes essays, beats and records: the client of the generation service."""

    def essay(self, request: EssayRequest) -> AsyncGenerator[EssayEvent, None]:
        """Yield progress, the plan and pieces of text, ending with EssayDone."""

    def beat(self, request: BeatRequest) -> AsyncGenerator[BeatEvent, None]:
        """Yield progress, ending with BeatTake."""

    def album(self, request: AlbumRequest) -> AsyncGenerator[AlbumEvent, None]:
        """Yield progress, ending with AlbumTake."""


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
        made = named(await self._generate(request, front), request.parameters)
        guild = await self._store.guilds.get(request.guild_id)
        if await blocked(guild, *written(made)):
            raise Blocked
        artifacts = await self._shelf.keep(request.id, made)
        if not await self._store.requests.keep(request, made, artifacts):
            raise Lost
        return _result(made, artifacts)

    async def _found(self, request: Request) -> Result | None:
        if request.outcome is None:
            return None
        artifacts = await self._store.artifacts.of(request.id)
        whole = await asyncio.to_thread(self._shelf.whole, artifacts)  # albums are large
        return _result(request.outcome, artifacts) if whole else None

    async def _generate(self, request: Request, front: FrontEnd) -> Outcome:
        wanted = request.parameters
        if isinstance(wanted, EssayParameters):
            return await self._essay(request, wanted, front)
        if isinstance(wanted, AlbumParameters):
            return await _last(self._client.album(_album(request, wanted)), request, front)
        sample = await sample_of(request, self._store, self._shelf)
        asked = beat_asked(request, wanted, sample)
        return await _last(self._client.beat(asked), request, front)

    async def _essay(self, request: Request, wanted: EssayParameters, front: FrontEnd) -> EssayDone:
        asked = EssayRequest(
            request_id=request.nonce,
            topic=wanted.topic,
            words=wanted.words,
            style=prompt_style(wanted),
            seed=request.seed,
            opening=wanted.opening,
            version=wanted.version,
        )
        so_far, shown = "", _Shown(await self._store.guilds.get(request.guild_id))
        async with aclosing(_watched(self._client.essay(asked))) as stream:
            async for event in stream:
                if isinstance(event, EssayDelta):
                    so_far += event.text
                    if await shown.allows(so_far):
                        await quietly(front.text(request, so_far))
                elif isinstance(event, Progress):
                    await quietly(front.progress(request, event))
                elif isinstance(event, EssayDone):
                    return event
        raise Broken(Sentence("unavailable"))


class _Shown:
    """What of a text may be shown while it is being written.

    The verdict is about the whole text; but what has been shown cannot be taken back.
    """

    def __init__(self, guild: GuildSettings) -> None:
        self._guild = guild
        self._filtered = filters(guild)
        self._looked = float("-inf")

    async def allows(self, so_far: str) -> bool:
        """Say whether the text so far may be shown; it is not looked at for each word."""
        if not self._filtered:
            return True
        now = time.monotonic()
        if now - self._looked < LOOK_SECONDS:
            return False  # cards are edited less often than that
        self._looked = now
        return not await blocked(self._guild, so_far)


async def sample_of(request: Request, store: Store, shelf: Shelf) -> bytes | None:
    """Read the file that a beat is played around; raise GenerationRefused when it is gone."""
    asked = request.parameters
    if not isinstance(asked, BeatParameters) or asked.sample is None:
        return None
    kept = await store.artifacts.get(request.id, SAMPLE)
    data = None if kept is None else await shelf.read(kept)
    if data is None:
        raise GenerationRefused(Sentence("sample_gone"))
    return data


def beat_asked(request: Request, wanted: BeatParameters, sample: bytes | None) -> BeatRequest:
    """Write a beat's request for the service."""
    return BeatRequest(
        request_id=request.nonce,
        style=prompt_style(wanted),
        bpm=wanted.bpm,
        bars=wanted.bars,
        key=wanted.key,
        seed=request.seed,
        format=wanted.format,
        max_bytes=request.upload_limit,
        variation=wanted.variation,
        energy=None if wanted.energy is None else ENERGIES[wanted.energy],
        sample=None if sample is None else base64.b64encode(sample).decode("ascii"),
        version=wanted.version,
    )


def _album(request: Request, wanted: AlbumParameters) -> AlbumRequest:
    """Write a record's request; its zip must leave room for the rest of the message."""
    room = request.upload_limit
    return AlbumRequest(
        request_id=request.nonce,
        title=wanted.title,
        tracks=wanted.tracks,
        style=prompt_style(wanted),
        seed=request.seed,
        max_bytes=None if room is None else min(room, UPLOAD_REQUEST - BESIDE_ALBUM),
        version=wanted.version,
    )


async def _last(stream: AsyncGenerator[Progress | T, None], request: Request, front: FrontEnd) -> T:
    """Tell of the progress; return what the stream ends with."""
    async with aclosing(_watched(stream)) as events:
        async for event in events:
            if not isinstance(event, Progress):
                return event
            await quietly(front.progress(request, event))
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


def _result(made: Outcome, artifacts: tuple[Artifact, ...]) -> Result:
    made = stripped(made)
    return Result(
        essay=made if isinstance(made, EssayDone) else None,
        take=made if isinstance(made, BeatTake) else None,
        album=made if isinstance(made, AlbumTake) else None,
        artifacts=tuple(a for a in artifacts if a.kind != SAMPLE),
    )
