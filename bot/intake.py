"""What may join a style: attachments taken apart into documents, in a process of their own.

``python -m bot.intake NAME`` reads one attachment from its standard input under limits of memory
and time. A zip gives many documents; a list of marks gives labels for others.
"""

from __future__ import annotations

import asyncio
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

from bot import manifests, uploads
from bot.manifests import Label, same_file
from bot.marks import from_name, from_text
from bot.sentences import Sentence
from bot.sketches import language_of, sketch, words_of
from bot.uploads import MEGABYTE, UploadError, shown_name, whole_name

TEXTS = uploads.KINDS
SONGS = (".mid", ".midi")
RECORDINGS = (".mp3", ".wav", ".flac", ".ogg")
KINDS = (*TEXTS, *SONGS, *RECORDINGS, ".zip", *manifests.KINDS)

#: Bytes of one attachment, of all that one zip holds, and of one entry.
SIZE_LIMIT = 25 * MEGABYTE
UNPACKED_LIMIT = 200 * MEGABYTE
ENTRY_LIMIT = 1000
SECONDS = 90.0
_DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, OSError)
#: What of a part follows the JSON.
_CONTENTS = frozenset({"text", "data"})
#: Each may take as much memory as it is allowed.
_AT_ONCE = asyncio.Semaphore(2)


@dataclass(frozen=True)
class Part:
    """One document out of an attachment, or why it is none."""

    name: str
    kind: str = ""
    title: str = ""
    mark: float | None = None
    text: str | None = None
    data: bytes | None = field(default=None, repr=False)
    words: int | None = None
    language: str | None = None
    sketch: tuple[int, ...] = ()
    problem: Sentence | None = None
    #: The whole name and the folders around it, where ``name`` is for people's eyes.
    path: str = ""


@dataclass(frozen=True)
class Delivery:
    """Everything out of one attachment."""

    parts: tuple[Part, ...] = ()
    labels: tuple[Label, ...] = ()


async def take_apart(name: str, data: bytes, *, seconds: float = SECONDS) -> Delivery:
    """Take one attachment apart in a process of its own; raise UploadError."""
    check(shown_name(name), len(data))
    async with _AT_ONCE:
        answer, packed = await uploads.parse_apart("bot.intake", whole_name(name), data, seconds)
    if "key" in answer:
        raise UploadError(Sentence(answer["key"], **answer["values"]))
    parts = await asyncio.to_thread(lambda: [_received(part, packed) for part in answer["parts"]])
    whole = [_with_data(part, data) for part in parts]
    return Delivery(tuple(whole), tuple(Label(**label) for label in answer["labels"]))


def check(name: str, size: int) -> None:
    """Refuse by name and size alone, before anything is fetched."""
    if _suffix(name) not in KINDS:
        raise UploadError(Sentence("document_kind", name=name))
    if size > SIZE_LIMIT:
        raise UploadError(Sentence("upload_big", name=name, limit=SIZE_LIMIT // MEGABYTE))


def read(path: str, data: bytes) -> Delivery:
    """Take one attachment apart, here and now; raise UploadError."""
    if _suffix(path) == ".zip":
        return _read_zip(path, data)
    if _suffix(path) in manifests.KINDS:
        return Delivery(labels=tuple(_labels(path, data)))
    return Delivery(parts=(replace(_read_one(path, data), path=path),))


def _read_zip(path: str, data: bytes) -> Delivery:
    """Read the entries of an archive in memory; their folders are no paths of ours."""
    name = shown_name(path)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = [e for e in archive.infolist() if not e.is_dir() and not _hidden(e.filename)]
            if len(entries) > ENTRY_LIMIT:
                raise UploadError(Sentence("document_many", name=name, limit=ENTRY_LIMIT))
            if sum(e.file_size for e in entries) > UNPACKED_LIMIT or any(map(_swells, entries)):
                raise UploadError(Sentence("upload_ratio", name=name))
            found = [_entry(archive, entry, path) for entry in entries]
    except zipfile.BadZipFile as error:
        raise UploadError(Sentence("upload_broken", name=name)) from error
    return Delivery(
        tuple(part for delivery in found for part in delivery.parts),
        tuple(label for delivery in found for label in delivery.labels),
    )


def _entry(archive: zipfile.ZipFile, entry: zipfile.ZipInfo, around: str) -> Delivery:
    path = whole_name(f"{around}/{entry.filename}")
    name = shown_name(path)
    try:
        check(name, entry.file_size)
        if _suffix(name) == ".zip":
            raise UploadError(Sentence("document_kind", name=name))
        if entry.flag_bits & 1:
            raise UploadError(Sentence("upload_locked", name=name))
        return read(path, archive.read(entry))
    except UploadError as error:
        return Delivery(parts=(Part(name, problem=error.sentence),))
    except _DAMAGE:
        return Delivery(parts=(Part(name, problem=Sentence("upload_broken", name=name)),))


def _hidden(path: str) -> bool:
    """Say whether an entry is what file managers leave behind."""
    return PurePosixPath(path).name.startswith(".") or "__MACOSX" in PurePosixPath(path).parts


def _swells(entry: zipfile.ZipInfo) -> bool:
    return entry.file_size > uploads.RATIO_LIMIT * max(entry.compress_size, 10_000)


def _labels(path: str, data: bytes) -> Iterator[Label]:
    """Read a list; the files that it names lie beside it or below."""
    folder = PurePosixPath(path).parent
    try:
        for label in manifests.read_manifest(_suffix(path), data):
            yield replace(label, file=same_file(f"{folder}/{label.file}"))
    except manifests.ManifestError as error:
        raise UploadError(Sentence("upload_broken", name=shown_name(path))) from error


def _read_one(path: str, data: bytes) -> Part:
    name, suffix = shown_name(path), _suffix(path)
    if suffix in TEXTS:
        return _read_text(path, data)
    title, mark = from_name(path)
    if suffix in SONGS:
        return Part(name, "mid", title, mark, data=data, sketch=_melody(name, data))
    if not uploads.begins_like(suffix[1:], data):
        raise UploadError(Sentence("upload_broken", name=name))
    return Part(name, suffix[1:], title, mark, data=data)


def _read_text(path: str, data: bytes) -> Part:
    """Read a text; what it says of itself counts more than the name of its file."""
    name = shown_name(path)
    title, mark, text = from_text(uploads.read(name, data))
    named, marked = from_name(path)
    words = words_of(text)
    return Part(
        name,
        "txt",
        title or named,
        marked if mark is None else mark,
        text=text,
        words=len(words),
        language=language_of(words),
        sketch=sketch(words),
    )


def _melody(name: str, data: bytes) -> tuple[int, ...]:
    """Sketch the order of a song's notes; refuse what has none."""
    from mido import MidiFile  # only songs need it

    try:
        messages = [m for track in MidiFile(file=io.BytesIO(data), clip=True).tracks for m in track]
    except Exception as error:  # a parser may raise anything on what it does not expect
        raise UploadError(Sentence("upload_broken", name=name)) from error
    notes = [m.note for m in messages if m.type == "note_on" and m.velocity > 0]
    if not notes:
        raise UploadError(Sentence("document_no_notes", name=name))
    return sketch(notes)


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


# Between the two processes.


def _sent(part: Part, alone: bool, packed: bytearray) -> dict[str, Any]:
    """Write a part as JSON, its contents as their places in what follows the JSON.

    The one document of an attachment needs no second copy of it.
    """
    values = {name: getattr(part, name) for name in ("name", "path", "kind", "title", "mark")}
    values |= {"words": part.words, "language": part.language, "sketch": part.sketch}
    if part.text is not None:
        values["text"] = _pack(part.text.encode(), packed)
    if part.data is not None and not alone:
        values["data"] = _pack(part.data, packed)
    if part.problem is not None:
        values["problem"] = [part.problem.key, dict(part.problem.values)]
    return values


def _pack(content: bytes, packed: bytearray) -> tuple[int, int]:
    place = (len(packed), len(packed) + len(content))
    packed += content
    return place


def _received(values: dict[str, Any], packed: memoryview) -> Part:
    problem = values.pop("problem", None)
    if problem is not None:
        return Part(values["name"], problem=Sentence(problem[0], **problem[1]))
    found = {name: bytes(packed[slice(*values.pop(name))]) for name in _CONTENTS & values.keys()}
    text = found["text"].decode() if "text" in found else None
    values["sketch"] = tuple(values["sketch"])
    return Part(**values, text=text, data=found.get("data"))


def _with_data(part: Part, data: bytes) -> Part:
    if part.text is not None or part.data is not None or part.problem is not None:
        return part
    return replace(part, data=data)


def _main() -> None:
    uploads.confine(SECONDS)
    packed = bytearray()
    try:
        name = sys.argv[1]
        found = read(name, sys.stdin.buffer.read())
        alone = _suffix(name) != ".zip"
        answer: dict[str, Any] = {
            "parts": [_sent(part, alone, packed) for part in found.parts],
            "labels": [asdict(label) for label in found.labels],
        }
    except UploadError as error:
        answer = {"key": error.sentence.key, "values": dict(error.sentence.values)}
    sys.stdout.buffer.write(json.dumps(answer).encode() + b"\n")
    sys.stdout.buffer.write(packed)


if __name__ == "__main__":
    _main()
