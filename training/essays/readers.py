"""Reads documents from files people have: .jsonl(.xz), .txt, .md, .docx, .pdf, folders and zips.

Hostile input is expected: every file, and everything that unpacks, has a size limit.
"""

from __future__ import annotations

import io
import json
import lzma
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from training.decoding import decoded
from training.essays.corpus import CorpusError, Document, clean, licence_of, style_of

MAX_FILE = 64 * 2**20  # bytes of one text file
MAX_STREAM = 2 * 2**30  # bytes of one .jsonl, unpacked
MAX_LINE = 8 * 2**20
MAX_ZIP = 512 * 2**20  # bytes of all entries of one archive, unpacked
MAX_ENTRIES = 20_000
MAX_RATIO = 200  # unpacked to packed

_DAMAGE = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError)
_LETTERS = {"A": 95.0, "B": 85.0, "C": 75.0, "D": 65.0, "E": 55.0, "F": 40.0}
_MARK = re.compile(r"(\d+(?:[.,]\d+)?)\s*(?:(?:/|of|out of)\s*(\d+(?:[.,]\d+)?)|(%))?\s*\Z", re.I)
_HEADER = re.compile(r"(topic|title|mark|grade|score)\s*:\s*(.+)\Z", re.I)


def read_corpus(path: Path) -> Iterator[Document]:
    """Read every document under a path; raise CorpusError where nothing can be read."""
    if not path.exists():
        raise CorpusError(f"There is no corpus at {path}.")
    files = sorted(p for p in path.rglob("*") if p.is_file()) if path.is_dir() else [path]
    for file in files:
        name = file.relative_to(path).as_posix() if path.is_dir() else file.name
        if _is_hidden(name):
            continue
        yield from _read_file(file, name)


def _is_hidden(name: str) -> bool:
    """Tell what systems and programs leave beside documents, such as Word's lock files."""
    parts = [part for part in PurePosixPath(name).parts if part != ".."]
    return any(part.startswith((".", "~$", "__MACOSX")) for part in parts)


def parse_mark(value: object, scale: object = None) -> float | None:
    """Normalise a mark to per cent: 18/20, 93 %, 4.5 of 6, B+, or a number with its scale."""
    text = str(value if value is not None else "").strip()
    letter = re.fullmatch(r"([A-F])([+-]?)", text, re.I)
    if letter:
        shift = {"+": 3.0, "-": -3.0, "": 0.0}[letter[2]]
        return min(100.0, _LETTERS[letter[1].upper()] + shift)
    match = _MARK.match(text)
    if not match:
        return None
    number = float(match[1].replace(",", "."))
    best = match[2].replace(",", ".") if match[2] else scale
    try:
        best = 100.0 if match[3] or best is None else float(str(best))
    except ValueError:
        return None
    return round(100 * number / best, 2) if best > 0 and 0 <= number <= best else None


def _read_file(path: Path, name: str) -> Iterator[Document]:
    suffixes = "".join(path.suffixes[-2:]).lower()
    if suffixes.endswith(".jsonl.xz"):
        try:
            with lzma.open(path) as stream:
                yield from _read_lines(stream, name)
        except (lzma.LZMAError, EOFError) as error:
            raise CorpusError(f"{name} is damaged.") from error
    elif suffixes.endswith(".jsonl"):
        with path.open("rb") as stream:
            yield from _read_lines(stream, name)
    elif suffixes.endswith(".zip"):
        yield from _read_zip(path, name)
    elif path.suffix.lower() in _READERS:
        if path.stat().st_size > MAX_FILE:
            raise CorpusError(f"{name} is too large to read.")
        yield from _read_bytes(path.read_bytes(), name)


def _read_zip(path: Path, name: str) -> Iterator[Document]:
    """Read the entries of an archive in memory; nothing is ever written to disk."""
    try:
        archive = zipfile.ZipFile(path)
    except zipfile.BadZipFile as error:
        raise CorpusError(f"{name} is not a readable zip file.") from error
    with archive:
        entries = [e for e in archive.infolist() if not e.is_dir()]
        if len(entries) > MAX_ENTRIES or sum(e.file_size for e in entries) > MAX_ZIP:
            raise CorpusError(f"{name} unpacks to more than is allowed.")
        for entry in entries:
            if entry.file_size > MAX_RATIO * max(entry.compress_size, 1) + 65536:
                raise CorpusError(f"{name} looks like a zip bomb.")
            suffix = PurePosixPath(entry.filename).suffix.lower()
            if (suffix not in _READERS and suffix != ".jsonl") or _is_hidden(entry.filename):
                continue
            try:
                with archive.open(entry) as stream:
                    data = stream.read(MAX_FILE + 1)
            except _DAMAGE as error:
                raise CorpusError(f"{entry.filename} in {name} is damaged or locked.") from error
            if len(data) > MAX_FILE:
                raise CorpusError(f"{entry.filename} in {name} is too large to read.")
            if suffix == ".jsonl":
                yield from _read_lines(io.BytesIO(data), f"{name}/{entry.filename}")
            else:
                yield from _read_bytes(data, f"{name}/{entry.filename}")


def _read_lines(stream: Any, name: str) -> Iterator[Document]:
    """Read JSON objects, one a line; lines that are no object or have no text are left out."""
    total, number = 0, 0
    while line := stream.readline(MAX_LINE):
        number += 1
        total += len(line)
        if total > MAX_STREAM:
            raise CorpusError(f"{name} unpacks to more than is allowed.")
        try:
            record = json.loads(line)
        except (json.JSONDecodeError, UnicodeDecodeError):
            continue
        if isinstance(record, dict) and isinstance(record.get("text"), str):
            yield _from_record(record, f"{name}#{number}")


def _from_record(record: Mapping[str, Any], name: str) -> Document:
    source = str(record.get("source") or PurePosixPath(name.split("#")[0]).stem)
    mark = record.get("score_pct", record.get("mark"))
    weak = record.get("score_pred_pct")
    style = str(record.get("style") or style_of(source))
    topic = str(record.get("topic") or record.get("title") or "")
    return Document(
        id=f"{source}-{name if record.get('id') is None else record['id']}",
        source=source,
        # File-like titles of speeches and web pages say nothing about the text.
        topic="" if style in ("plain", "speech") else topic,
        text=clean(record["text"]),
        style=style,
        mark=parse_mark(mark, record.get("mark_max")),
        weak_mark=parse_mark(weak) if mark is None else None,
        licence=str(record.get("license") or record.get("licence") or licence_of(source)),
    )


def _read_bytes(data: bytes, name: str) -> Iterator[Document]:
    try:
        text = _READERS[PurePosixPath(name).suffix.lower()](data)
    except Exception as error:  # a broken file of any format must not end a whole run
        raise CorpusError(f"{name} cannot be read.") from error
    topic, mark, body = _headers(text, PurePosixPath(name).stem)
    if body:
        yield Document(id=name, source="own", topic=topic, text=body, mark=parse_mark(mark))


def _headers(text: str, stem: str) -> tuple[str, str | None, str]:
    """Take ``Topic:`` and ``Mark:`` lines, or a short first line, off the top of a text."""
    topic, mark = "", None
    lines = text.strip().split("\n")
    while lines and (match := _HEADER.match(lines[0].strip())):
        if match[1].lower() in ("topic", "title"):
            topic = match[2]
        else:
            mark = match[2]
        lines.pop(0)
    blocks = clean("\n".join(lines)).split("\n\n")
    if not topic and len(blocks) > 1:
        first = blocks[0].lstrip("# ")
        if len(first.split()) <= 12 and first[-1:] not in ".:;,":
            topic = first
            blocks.pop(0)
    topic = topic or re.sub(r"[\d_\W]+", " ", stem).strip()
    return topic, mark, "\n\n".join(blocks)


def _markdown(data: bytes) -> str:
    text = re.sub(r"```.*?```", "", decoded(data), flags=re.S)
    text = re.sub(r"!?\[([^\]]*)\]\([^)]*\)", r"\1", text)
    text = re.sub(r"(?m)^\s{0,3}(?:#{1,6}|>|[-*+]|\d+\.)\s+", "", text)
    return re.sub(r"(\*\*|__|\*|`)(.+?)\1", r"\2", text)


def _docx(data: bytes) -> str:
    import docx

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        if sum(e.file_size for e in archive.infolist()) > MAX_ZIP:
            raise CorpusError("The document unpacks to more than is allowed.")
    return "\n\n".join(p.text for p in docx.Document(io.BytesIO(data)).paragraphs)


def _pdf(data: bytes) -> str:
    import pypdf

    pages = [page.extract_text() or "" for page in pypdf.PdfReader(io.BytesIO(data)).pages[:500]]
    text = "\n".join(pages)
    text = re.sub(r"-\n(?=[a-z])", "", text)
    # Lines of a page are not paragraphs: join them unless a sentence ended short of the margin.
    return re.sub(r"(?<![.!?:\"])\n(?!\n)", " ", text)


_READERS: dict[str, Callable[[bytes], str]] = {
    ".txt": decoded,
    ".md": _markdown,
    ".docx": _docx,
    ".pdf": _pdf,
}
