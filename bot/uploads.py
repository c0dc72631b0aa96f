"""Uploaded documents made into clean text, within limits, in a process of their own.

A file from a stranger is read by ``python -m bot.uploads NAME`` under limits of memory and time, so
whatever it does to a parser stays there.
"""

from __future__ import annotations

import io
import json
import os
import re
import sys
import unicodedata
import zipfile
from pathlib import PurePosixPath
from typing import Any

from bot import confined
from bot.sentences import Objection, Sentence

MEGABYTE = 1_000_000
SIZE_LIMIT = 8 * MEGABYTE
PAGE_LIMIT = 200
#: A Word file that unpacks to more than this, or to this many times its size, is an attack.
UNPACKED_LIMIT = 80 * MEGABYTE
RATIO_LIMIT = 100
ENTRY_LIMIT = 2000
MEMORY_LIMIT = 1024 * MEGABYTE
SECONDS = 20.0
#: Characters of a name with its folders.
NAME_LIMIT = 1000
#: By how much reading makes way for those who answer people.
NICENESS = 5
KINDS = (".txt", ".md", ".docx", ".pdf")

_BEGINNINGS = {"mid": b"MThd", "flac": b"fLaC", "ogg": b"OggS"}


class UploadError(Objection):
    """A file cannot be read."""


async def read_upload(name: str, data: bytes, *, seconds: float = SECONDS) -> str:
    """Return the clean text of an uploaded file; raise UploadError."""
    shown = shown_name(name)
    check(shown, data)  # what needs no parser needs no process
    answer, _ = await parse_apart("bot.uploads", shown, data, seconds)
    if "key" in answer:
        raise UploadError(Sentence(answer["key"], **answer["values"]))
    return str(answer["text"])


async def parse_apart(
    module: str, name: str, data: bytes, seconds: float
) -> tuple[Any, memoryview]:
    """Give a file to a module's own process, and its answer back; raise UploadError.

    The answer is a line of JSON. Bytes may follow it: as JSON, large files would stop everything
    while they are read.
    """
    try:
        ended = await confined.ask(module, name, data=data, seconds=seconds)
    except TimeoutError:
        raise UploadError(Sentence("upload_slow", name=shown_name(name))) from None
    if ended.code != 0:
        raise UploadError(Sentence("upload_broken", name=shown_name(name)))
    output = ended.output
    line, end = output, output.find(b"\n")
    if end >= 0:
        line = output[:end]
    return json.loads(line), memoryview(output)[len(line) + 1 :]


def check(name: str, data: bytes) -> None:
    """Refuse by name and size alone."""
    if _suffix(name) not in KINDS:
        raise UploadError(Sentence("upload_kind", name=name))
    if len(data) > SIZE_LIMIT:
        raise UploadError(Sentence("upload_big", name=name, limit=SIZE_LIMIT // MEGABYTE))


def read(name: str, data: bytes) -> str:
    """Return the clean text of a file, here and now; raise UploadError."""
    check(name, data)
    suffix = _suffix(name)
    if suffix == ".docx":
        text = _read_word(name, data)
    elif suffix == ".pdf":
        text = _read_pdf(name, data)
    else:
        text = decode(data)
    cleaned = clean(text)
    if not any(c.isalpha() for c in cleaned):
        raise UploadError(Sentence("upload_empty", name=name))
    return cleaned


def clean(text: str) -> str:
    """Normalise: NFC, no control characters, single spaces, paragraphs apart by one empty line."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n").replace("\r", "\n")
    text = re.sub(r"[^\S\n]+", " ", text)
    text = "".join(c for c in text if c == "\n" or c.isprintable())
    text = re.sub(r" ?\n ?", "\n", text)
    return re.sub(r"\n{3,}", "\n\n", text).strip()


def _read_word(name: str, data: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            entries = archive.infolist()
            unpacked = sum(entry.file_size for entry in entries)
    except zipfile.BadZipFile as error:
        # An encrypted Word file is no zip but a compound file of the old kind.
        key = "upload_locked" if data.startswith(b"\xd0\xcf\x11\xe0") else "upload_broken"
        raise UploadError(Sentence(key, name=name)) from error
    too_much = unpacked > min(UNPACKED_LIMIT, max(len(data), 10_000) * RATIO_LIMIT)
    if too_much or len(entries) > ENTRY_LIMIT:
        raise UploadError(Sentence("upload_ratio", name=name))
    import docx  # each process reads one kind of file, and needs its parser alone

    try:
        document = docx.Document(io.BytesIO(data))
        return "\n\n".join(paragraph.text for paragraph in document.paragraphs)
    except Exception as error:  # a parser may raise anything on what it does not expect
        raise UploadError(Sentence("upload_broken", name=name)) from error


def _read_pdf(name: str, data: bytes) -> str:
    import pypdf

    try:
        reader = pypdf.PdfReader(io.BytesIO(data))
        locked = reader.is_encrypted and not reader.decrypt("")
        pages = 0 if locked else len(reader.pages)
        wanted = [] if locked or pages > PAGE_LIMIT else reader.pages
        text = "\n\n".join(page.extract_text() for page in wanted)
    except Exception as error:  # a parser may raise anything on what it does not expect
        raise UploadError(Sentence("upload_broken", name=name)) from error
    if locked:
        raise UploadError(Sentence("upload_locked", name=name))
    if pages > PAGE_LIMIT:
        raise UploadError(Sentence("upload_pages", name=name, limit=PAGE_LIMIT))
    return text


def decode(data: bytes) -> str:
    """Read bytes as text: by their byte-order mark, as UTF-8, or as old Windows wrote it."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace")


def begins_like(form: str, data: bytes) -> bool:
    """Look whether a song or recording begins like one; nothing here decodes it."""
    if form == "wav":
        return data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    if form == "mp3":
        frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0
        return data.startswith(b"ID3") or frame
    return data.startswith(_BEGINNINGS[form])


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def shown_name(name: str) -> str:
    """Make a name safe to show: its last part, short, without surprises."""
    kept = whole_name(name).rsplit("/", 1)[-1]
    suffix = _suffix(kept)
    stem = kept[: len(kept) - len(suffix)] if suffix else kept
    return f"{stem[:60].lstrip('-') or 'file'}{suffix[:10]}"


def whole_name(name: str) -> str:
    """Make a name safe to pass on, with its folders and with all that it says."""
    return "".join(c for c in name.replace("\\", "/") if c.isprintable())[-NAME_LIMIT:]


def confine(seconds: float) -> None:
    """Limit this process, and let those go first who answer people."""
    os.nice(NICENESS)
    confined.limit(memory=MEMORY_LIMIT, seconds=seconds)


def _main() -> None:
    confine(SECONDS)
    try:
        answer: dict[str, object] = {"text": read(sys.argv[1], sys.stdin.buffer.read())}
    except UploadError as error:
        answer = {"key": error.sentence.key, "values": dict(error.sentence.values)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main()
