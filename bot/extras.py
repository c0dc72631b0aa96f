"""More files of a beat, made by the service when somebody asks for them."""

from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from contextlib import aclosing
from dataclasses import dataclass, field

from bot.files import Shelf, beat_name
from bot.maker import Generator, beat_asked, sample_of
from bot.parameters import BeatParameters
from bot.sentences import Sentence
from bot.store import Request, Store
from models.client import GenerationUnavailable
from models.contract import AudioFormat, BeatTake

#: Kinds of files that no beat is kept as unless it was asked for so.
EXTRAS = ("wav", "flac", "stems")
_WAVE_RATE = 44_100 * 4  # bytes a second


@dataclass(frozen=True)
class Extra:
    """One file to hand over."""

    name: str
    data: bytes = field(repr=False)


class TooLarge(Exception):
    """The file has more bytes than there is room for."""

    def __init__(self, size: int) -> None:
        super().__init__(size)
        self.size = size


class Extras:
    """Makes the files; two who ask for the same at once wait for one."""

    def __init__(self, store: Store, client: Generator, shelf: Shelf) -> None:
        self._store = store
        self._client = client
        self._shelf = shelf
        self._making: dict[tuple[int, str, int], asyncio.Task[Extra]] = {}

    async def file(self, request: Request, kind: str, room: int) -> Extra:
        """Give a file of at most ``room`` bytes; raise TooLarge or a GenerationError."""
        key = (request.id, kind, room)
        task = self._making.get(key)
        if task is None:
            task = asyncio.create_task(self._file(request, kind, room))
            self._making[key] = task
            task.add_done_callback(lambda _: self._making.pop(key, None))
        return await asyncio.shield(task)

    async def _file(self, request: Request, kind: str, room: int) -> Extra:
        kept = await self._store.artifacts.get(request.id, kind)
        data = None if kept is None else await self._shelf.read(kept)
        if data is None or (kind == "stems" and len(data) > room):
            data = await self._make(request, kind, room)
            if kind != "stems" or _is_lossless(data):  # what was made small stays in its one place
                made = await self._shelf.add_file(request.id, kind, data)
                await self._store.artifacts.add(request.id, made)
        if len(data) > room:
            raise TooLarge(len(data))
        return Extra(beat_name(request.id, kind), data)

    async def _make(self, request: Request, kind: str, room: int) -> bytes:
        """Ask the service for the very same beat: seed, variation, sample, version of the model."""
        take, asked = request.outcome, request.parameters
        assert isinstance(take, BeatTake) and isinstance(asked, BeatParameters)
        if kind == "wav" and take.duration * _WAVE_RATE > room:
            raise TooLarge(int(take.duration * _WAVE_RATE))
        stems = kind == "stems"
        wanted = beat_asked(request, asked, await sample_of(request, self._store, self._shelf))
        changes = {
            "request_id": f"{request.nonce}-{kind}",
            "version": request.model_version,
            "format": AudioFormat.MID if stems else AudioFormat(kind),
            "stems": stems,
            "max_bytes": room if stems else None,
        }
        async with aclosing(self._client.beat(wanted.model_copy(update=changes))) as events:
            async for event in events:
                if isinstance(event, BeatTake):
                    return base64.b64decode((event.stems if stems else event.audio) or "")
        raise GenerationUnavailable(Sentence("unavailable"))


def _is_lossless(stems: bytes) -> bool:
    with zipfile.ZipFile(io.BytesIO(stems)) as pack:
        return any(name.endswith(".flac") for name in pack.namelist())
