"""A generation client and a front end that a test can steer and read."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass, field

from bot.frontend import Result
from bot.store import Request
from models.contract import (
    AlbumEvent,
    AlbumRequest,
    AlbumTake,
    AlbumTrack,
    BeatEvent,
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayEvent,
    EssayPlan,
    EssayRequest,
    Family,
    ModelInfo,
    Models,
    Progress,
    StyleInfo,
)

PLAN = EssayPlan(title="On a thing", paragraphs=(("thing",),))
STYLES = (
    StyleInfo(name="general", description="Plain."),
    StyleInfo(name="Letters", description="To a friend."),
)


def essay_done(request: EssayRequest, text: str = "One two three.") -> EssayDone:
    return EssayDone(
        text=text,
        plan=PLAN,
        words=request.words,
        seed=request.seed,
        style=request.style or "general",
        model_version="essay-1",
        tokens=4,
        seconds=0.01,
    )


def beat_take(request: BeatRequest) -> BeatTake:
    return BeatTake(
        style="house",
        bpm=request.bpm or 120,
        bars=request.bars,
        key=request.key or "C minor",
        seed=request.seed,
        model_version="music-1",
        sections=("verse",),
        duration=8.0,
        format=request.format,
        audio=base64.b64encode(b"sound").decode(),
        midi=base64.b64encode(b"notes").decode(),
        picture=base64.b64encode(b"pixels").decode(),
        loudness=-14.0,
        seconds=0.01,
    )


def album_take(request: AlbumRequest, words: str = "One two three.") -> AlbumTake:
    files = {name: base64.b64encode(name.encode()).decode() for name in ("archive", "medley")}
    return AlbumTake(
        title=request.title,
        style=request.style or "house",
        seed=request.seed,
        model_version="music-1",
        tracks=tuple(
            AlbumTrack(number=n, title=words, bpm=120, key="C minor", bars=32, duration=64.0)
            for n in range(1, request.tracks + 1)
        ),
        cover=base64.b64encode(b"pixels").decode(),
        seconds=0.01,
        **files,
    )


@dataclass
class Script:
    """What happens to the next request: pieces of text, then an error or the end."""

    error: Exception | None = None
    #: Whether the error comes before any work has begun.
    at_once: bool = False
    text: str = "One two three."
    #: Pieces wait for this; set by default.
    gate: asyncio.Event = field(default_factory=asyncio.Event)
    hold: bool = False


class ScriptedClient:
    """Plays a script for each request in turn, and the plain one when there is none left."""

    def __init__(self, *scripts: Script) -> None:
        self.scripts = list(scripts)
        self.styles: tuple[StyleInfo, ...] = STYLES
        self.asked: list[EssayRequest | BeatRequest | AlbumRequest] = []
        self.open = 0
        self.most_open = 0

    def _next(self) -> Script:
        return self.scripts.pop(0) if self.scripts else Script()

    async def essay(self, request: EssayRequest) -> AsyncGenerator[EssayEvent, None]:
        script = self._enter(request)
        try:
            if script.error is not None and script.at_once:
                raise script.error
            yield Progress(stage="writing", done=0)
            yield PLAN
            for word in script.text.split():
                if script.hold:
                    await script.gate.wait()
                yield EssayDelta(text=f"{word} ")
            if script.error is not None:
                raise script.error
            yield essay_done(request, script.text)
        finally:
            self.open -= 1

    async def beat(self, request: BeatRequest) -> AsyncGenerator[BeatEvent, None]:
        script = self._enter(request)
        try:
            yield Progress(stage="playing", done=0.5)
            if script.hold:
                await script.gate.wait()
            if script.error is not None:
                raise script.error
            yield beat_take(request)
        finally:
            self.open -= 1

    async def album(self, request: AlbumRequest) -> AsyncGenerator[AlbumEvent, None]:
        script = self._enter(request)
        try:
            yield Progress(stage="playing", done=0.5, part=1, parts=request.tracks)
            if script.hold:
                await script.gate.wait()
            if script.error is not None:
                raise script.error
            yield album_take(request, script.text)
        finally:
            self.open -= 1

    async def models(self) -> Models:
        return Models(models=tuple(_model(family, self.styles) for family in Family))

    def _enter(self, request: EssayRequest | BeatRequest | AlbumRequest) -> Script:
        self.asked.append(request)
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        return self._next()


def _model(family: Family, styles: tuple[StyleInfo, ...]) -> ModelInfo:
    return ModelInfo(
        family=family,
        version=f"{family}-1",
        styles=styles,
        default_style="general",
        parameters=1,
        licence="MIT",
        device="cpu",
    )


class Listener:
    """A front end that remembers what it was told; messages are kept by request."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []
        self.places: dict[int, list[int]] = {}
        self.texts: dict[int, str] = {}
        self.results: dict[int, Result] = {}
        self.sentences: dict[int, str] = {}
        self.trouble: Callable[[Request], Exception | None] = lambda request: None
        self.delivering: asyncio.Event | None = None

    async def queued(self, request: Request, place: int, eta: float | None) -> None:
        self.told.append(("queued", request.id))
        self.places.setdefault(request.id, []).append(place)

    async def started(self, request: Request) -> None:
        self.told.append(("started", request.id))

    async def progress(self, request: Request, progress: Progress) -> None:
        self.told.append((progress.stage, request.id))

    async def text(self, request: Request, so_far: str) -> None:
        self.texts[request.id] = so_far

    async def deliver(self, request: Request, result: Result) -> int | None:
        self.told.append(("deliver", request.id))
        if self.delivering is not None:
            await self.delivering.wait()
        if (error := self.trouble(request)) is not None:
            raise error
        self.results[request.id] = result
        return 9000 + request.id

    async def failed(self, request: Request, sentence: str, *, refused: bool = False) -> None:
        self.told.append(("failed", request.id))
        self.sentences[request.id] = sentence

    async def cancelled(self, request: Request) -> None:
        self.told.append(("cancelled", request.id))
