"""A generation service in the process, whose faults a test can choose."""

from __future__ import annotations

import asyncio
import base64
import io
import struct
import zipfile
import zlib
from collections.abc import AsyncGenerator

from models.client import GenerationError
from models.contract import (
    AlbumEvent,
    AlbumRequest,
    AlbumTake,
    AlbumTrack,
    AudioFormat,
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
    ModelInfo,
    Models,
    Progress,
    Reloaded,
    StyleInfo,
)

ESSAY_STYLES = (
    StyleInfo(name="general", description="plain and clear"),
    StyleInfo(name="teacher", description="as the teacher liked it"),
)
BEAT_STYLES = (StyleInfo(name="lofi", description=""), StyleInfo(name="house", description=""))


def picture() -> bytes:
    """Draw the smallest PNG there is."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    head = struct.pack(">IIBBBBB", 1, 1, 8, 0, 0, 0, 0)
    pixels = zlib.compress(b"\0\0")
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    )


class FakeService:
    """Speaks like models.client.GenerationClient."""

    def __init__(self) -> None:
        #: While cleared, requests stand still after their first piece.
        self.go = asyncio.Event()
        self.go.set()
        #: Raised by the next requests, one each.
        self.faults: list[GenerationError] = []
        self.healthy = True
        self.beat_styles: tuple[StyleInfo, ...] = BEAT_STYLES
        self.styles_asked = 0
        self.essays: list[EssayRequest] = []
        self.beats: list[BeatRequest] = []
        self.albums: list[AlbumRequest] = []
        #: Names of the tracks of albums; they go round.
        self.names = ["Clock", "Morning Ride", "Still @here"]
        self.sentence = "The sea is wide. "
        self.audio_bytes = 2000
        self.stem_bytes = 3000
        self.stopped = 0
        #: Families whose live version was taken up.
        self.reloaded: list[str] = []

    async def essay(self, request: EssayRequest) -> AsyncGenerator[EssayEvent, None]:
        """Write the same sentence until there are enough words."""
        self.essays.append(request)
        if self.faults:
            raise self.faults.pop(0)
        yield Progress(stage="planning", done=0.0)
        plan = EssayPlan(title=f"On {request.topic}"[:200], paragraphs=(("sea",),))
        yield plan
        count = max(1, request.words // len(self.sentence.split()))
        text = ""
        for number in range(count):
            piece = self.sentence + ("\n\n" if number % 5 == 4 else "")
            text += piece
            yield EssayDelta(text=piece)
            if number == 0:
                await self._wait()
        yield EssayDone(
            text=text.strip(),
            plan=plan,
            words=len(text.split()),
            seed=request.seed,
            style=request.style or "general",
            model_version="essay-test",
            tokens=len(text) // 4,
            seconds=0.1,
        )

    async def beat(self, request: BeatRequest) -> AsyncGenerator[BeatEvent, None]:
        """Make files of the wanted kind with nothing in them."""
        self.beats.append(request)
        if self.faults:
            raise self.faults.pop(0)
        yield Progress(stage="playing", done=0.3)
        await self._wait()
        audio = None if request.format is AudioFormat.MID else b"a" * self.audio_bytes
        yield BeatTake(
            style=request.style or "lofi",
            bpm=request.bpm or 84,
            bars=request.bars,
            key=request.key or "A minor",
            seed=request.seed,
            model_version="music-test",
            sections=("intro", "verse", "verse", "outro"),
            duration=46.0,
            format=request.format,
            audio=None if audio is None else base64.b64encode(audio).decode(),
            midi=base64.b64encode(b"MThd").decode(),
            picture=base64.b64encode(picture()).decode(),
            stems=self._stems(request) if request.stems else None,
            seconds=0.1,
        )

    def _stems(self, request: BeatRequest) -> str:
        """Pack two parts, losslessly where there is room."""
        room = request.max_bytes or self.stem_bytes
        form, size = ("flac", self.stem_bytes) if self.stem_bytes < room else ("mp3", room // 4)
        file = io.BytesIO()
        with zipfile.ZipFile(file, "w") as pack:
            for name in ("1 drums", "2 bass"):
                pack.writestr(f"{name}.{form}", b"s" * (size // 2))
        return base64.b64encode(file.getvalue()).decode()

    async def album(self, request: AlbumRequest) -> AsyncGenerator[AlbumEvent, None]:
        """Make a zip with nothing in it; stand still in the second track."""
        self.albums.append(request)
        if self.faults:
            raise self.faults.pop(0)
        yield Progress(stage="planning", done=0.0, parts=request.tracks)
        tracks = []
        for number in range(1, request.tracks + 1):
            done = (number - 1) / request.tracks
            yield Progress(stage="playing", done=done, part=number, parts=request.tracks)
            if number == 2:
                await self._wait()
            name = self.names[(number - 1) % len(self.names)]
            tracks.append(
                AlbumTrack(number=number, title=name, bpm=80, key="A minor", bars=32, duration=96.4)
            )
        yield AlbumTake(
            title=request.title,
            style=request.style or "lofi",
            seed=request.seed,
            model_version="music-test",
            tracks=tuple(tracks),
            archive=base64.b64encode(b"z" * self.audio_bytes).decode(),
            medley=base64.b64encode(b"m" * 500).decode(),
            cover=base64.b64encode(picture()).decode(),
            seconds=0.1,
        )

    async def _wait(self) -> None:
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.stopped += 1
            raise

    async def models(self) -> Models:
        """List two models."""
        self.styles_asked += 1

        def info(family: Family, styles: tuple[StyleInfo, ...]) -> ModelInfo:
            return ModelInfo(
                family=family,
                version=f"{family.value}-test",
                styles=styles,
                default_style=styles[0].name,
                parameters=1_200_000,
                licence="MIT",
                device="cpu",
            )

        return Models(
            models=(info(Family.ESSAY, ESSAY_STYLES), info(Family.MUSIC, self.beat_styles))
        )

    async def reload(self, family: Family, ref: str = "live") -> Reloaded:
        """Do as if a model were loaded."""
        self.reloaded.append(family.value if ref == "live" else ref)
        return Reloaded(family=family, before="old", now="new", seconds=0.0)

    async def health(self) -> Health:
        """Be well, or not."""
        return Health(
            ok=self.healthy,
            engines=(),
            sentence="Everything works." if self.healthy else "The essay engine is stuck.",
        )

    async def aclose(self) -> None:
        """Close nothing."""
