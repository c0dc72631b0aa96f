"""Results as files: rendered in a thread, written whole or not at all, with their sha256."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
import shutil
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from bot import documents
from bot.samples import Sample
from bot.store import SAMPLE, Artifact, Outcome
from models.contract import AlbumTake, AudioFormat, EssayDone

#: Documents that every essay is kept as; others are made when somebody asks.
ESSAY_KINDS = ("md", "docx")


class Shelf:
    """The folder of finished files, one sub-folder a request."""

    def __init__(self, root: Path) -> None:
        # Paths are kept in the database, and the next process may start in another folder.
        self._root = root.absolute()

    async def keep(self, request_id: int, outcome: Outcome) -> tuple[Artifact, ...]:
        """Write every file of a result."""
        return await asyncio.to_thread(self._keep, request_id, outcome)

    async def add(self, request_id: int, essay: EssayDone, kind: str) -> Artifact:
        """Write an essay as one more kind of document, for example ``pdf``."""
        return await asyncio.to_thread(self._document, request_id, essay, kind)

    async def add_sample(self, request_id: int, sample: Sample) -> Artifact:
        """Write the file that a beat is played around."""
        name = f"beat-{request_id}-sample.{sample.form}"
        return await asyncio.to_thread(self._write, request_id, name, SAMPLE, sample.data)

    async def read(self, artifact: Artifact) -> bytes | None:
        """Read a file; None when it is gone or differs from what was written."""
        whole = await asyncio.to_thread(_is_whole, artifact)
        return await asyncio.to_thread(artifact.path.read_bytes) if whole else None

    async def add_file(self, request_id: int, kind: str, data: bytes) -> Artifact:
        """Write one more file of a beat, for example ``flac``."""
        name = beat_name(request_id, kind)
        return await asyncio.to_thread(self._write, request_id, name, kind, data)

    def whole(self, artifacts: tuple[Artifact, ...]) -> bool:
        """Say whether these files are still what was written."""
        return bool(artifacts) and all(_is_whole(artifact) for artifact in artifacts)

    def untouched_since(self, moment: datetime) -> list[int]:
        """Number the requests in whose folders nothing was written since a moment."""
        if not self._root.is_dir():
            return []
        return sorted(
            int(folder.name)
            for folder in self._root.iterdir()
            if folder.name.isdecimal()
            and not folder.is_symlink()
            and folder.stat().st_mtime < moment.timestamp()
        )

    def clear(self, request_id: int) -> None:
        """Remove every file of a request."""
        shutil.rmtree(self._root / str(request_id), ignore_errors=True)

    def _keep(self, request_id: int, outcome: Outcome) -> tuple[Artifact, ...]:
        if isinstance(outcome, EssayDone):
            return tuple(self._document(request_id, outcome, kind) for kind in ESSAY_KINDS)
        if isinstance(outcome, AlbumTake):
            named = {
                "mp3": (f"album-{request_id}-medley.mp3", outcome.medley),
                "png": (f"album-{request_id}-cover.png", outcome.cover),
                "zip": (f"album-{request_id}.zip", outcome.archive),
            }
            return tuple(
                self._write(request_id, name, kind, base64.b64decode(data))
                for kind, (name, data) in named.items()
            )
        parts = {"mid": outcome.midi, "png": outcome.picture}
        if outcome.audio is not None and outcome.format is not AudioFormat.MID:
            parts = {outcome.format.value: outcome.audio, **parts}
        return tuple(
            self._write(request_id, beat_name(request_id, kind), kind, base64.b64decode(data))
            for kind, data in parts.items()
        )

    def _document(self, request_id: int, essay: EssayDone, kind: str) -> Artifact:
        data = documents.render(essay, kind)
        return self._write(request_id, f"essay-{request_id}.{kind}", kind, data)

    def _write(self, request_id: int, name: str, kind: str, data: bytes) -> Artifact:
        path = self._root / str(request_id) / name
        path.parent.mkdir(parents=True, exist_ok=True)
        write_whole(path, data)
        return Artifact(kind, path, name, hashlib.sha256(data).hexdigest(), len(data))


def existing(artifacts: Iterable[Artifact]) -> list[Artifact]:
    """Keep the files that are still on disk."""
    return [artifact for artifact in artifacts if artifact.path.is_file()]


def beat_name(request_id: int, kind: str) -> str:
    """Name one file of a beat."""
    return f"beat-{request_id}-stems.zip" if kind == "stems" else f"beat-{request_id}.{kind}"


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that nobody ever sees half of it."""
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _is_whole(artifact: Artifact) -> bool:
    try:
        return hashlib.sha256(artifact.path.read_bytes()).hexdigest() == artifact.sha256
    except OSError:
        return False
