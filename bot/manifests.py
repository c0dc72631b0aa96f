"""Lists of marks: csv or xlsx files that say title and mark of each document by its file's name.

Cells are read as what they show; no formula is ever computed. Which document a row is about is
told by the longest end that both paths share, so that files of the same name stay apart.
"""

from __future__ import annotations

import csv
import io
import re
import unicodedata
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath

from bot.marks import parse_mark, title_of
from bot.uploads import decode, whole_name

KINDS = (".csv", ".xlsx")
ROWS = 5000
COLUMNS = 50
#: Folders that tell files of the same name apart.
_DEPTH = 12
UNPACKED_LIMIT = 80_000_000
#: What the columns may be called.
NAMES: Mapping[str, tuple[str, ...]] = {
    "file": ("file", "file name", "filename", "path", "document", "datei", "dateiname", "fichier"),
    "title": ("title", "topic", "titel", "thema", "titre", "sujet"),
    "mark": ("mark", "grade", "score", "points", "note", "punkte"),
    "best": ("of", "out of", "max", "maximum", "best", "von", "sur"),
}


class ManifestError(Exception):
    """The list cannot be read."""


@dataclass(frozen=True)
class Label:
    """What a list says about one document."""

    file: str
    title: str
    mark: float | None


def read_manifest(kind: str, data: bytes) -> list[Label]:
    """Read a list; raise ManifestError."""
    found = _sheet(data) if kind == ".xlsx" else _commas(data)
    rows: Iterator[Sequence[object]] = islice(found, ROWS)
    head = next(rows, ())
    columns = _columns(head)
    if columns is None:  # no headings: file, title, mark in this order
        columns = {"file": 0, "title": 1, "mark": 2}
        rows = _again(head, rows)
    return [label for row in rows if (label := _label(row, columns)) is not None]


def same_file(path: str) -> str:
    """Reduce a file's path to what two writings of it have in common."""
    parts = unicodedata.normalize("NFC", whole_name(path)).casefold().split("/")
    return "/".join(part.strip() for part in parts if part.strip() not in ("", ".", ".."))


class Labels:
    """Finds what lists say about documents, with their folders or without."""

    def __init__(self, labels: Iterable[Label], paths: Iterable[str]) -> None:
        """Give each label to the documents whose paths share its longest end."""
        known = {end for path in paths for end in _document_ends(path)}
        self._found: dict[str, list[Label]] = {}
        for label in labels:
            end = next((end for end in _ends(label.file) if end in known), None)
            if end is not None:
                self._found.setdefault(end, []).append(label)

    def of(self, path: str) -> list[Label]:
        """Return the labels of one document; several are as near to it as each other."""
        found = (self._found.get(end) for end in _document_ends(path))
        return next((labels for labels in found if labels), [])


def _ends(file: str) -> list[str]:
    """List the ends of a path, the longest first: a/b/c, b/c, c."""
    parts = file.split("/")[-_DEPTH:]
    return ["/".join(parts[n:]) for n in range(len(parts))]


def _document_ends(path: str) -> Iterator[str]:
    """List the ends of a document's path; a list may leave out what its name ends with."""
    file = same_file(path)
    bare = file.removesuffix(PurePosixPath(file).suffix)
    for both in zip(_ends(file), _ends(bare), strict=True):
        yield from both


def _columns(head: Sequence[object]) -> dict[str, int] | None:
    found: dict[str, int] = {}
    for number, cell in enumerate(head):
        word = str(cell or "").strip().casefold().replace("_", " ")
        for column, names in NAMES.items():
            if word in names:
                found.setdefault(column, number)
    return found if "file" in found else None


def _label(row: Sequence[object], columns: Mapping[str, int]) -> Label | None:
    def cell(name: str) -> object:
        number = columns.get(name)
        return row[number] if number is not None and number < len(row) else None

    file = same_file(str(cell("file") or ""))
    if not file:
        return None
    return Label(file, title_of(cell("title")), parse_mark(cell("mark"), cell("best")))


def _again(head: Sequence[object], rest: Iterable[Sequence[object]]) -> Iterator[Sequence[object]]:
    yield head
    yield from rest


def _commas(data: bytes) -> Iterator[Sequence[object]]:
    text = decode(data)
    if "\0" in text:
        raise ManifestError
    first = text.partition("\n")[0]
    delimiter = max(",;\t", key=first.count)
    try:
        yield from csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    except csv.Error as error:
        raise ManifestError from error


def _sheet(data: bytes) -> Iterator[Sequence[object]]:
    from openpyxl import load_workbook  # slow to import, and lists are rare

    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > UNPACKED_LIMIT:
                raise ManifestError
        book = load_workbook(io.BytesIO(data), read_only=True, data_only=True, keep_links=False)
        sheet = book.worksheets[0]
        for row in sheet.iter_rows(max_row=ROWS, max_col=COLUMNS):
            yield [_shown(cell.value, cell.number_format) for cell in row]
    except ManifestError:
        raise
    except Exception as error:  # a parser may raise anything on what it does not expect
        raise ManifestError from error


def _shown(value: object, number_format: str | None) -> object:
    """Give a cell as it is shown: 0.95 formatted as per cent is 95 %."""
    # What is quoted in a format is text beside the number.
    scaled = "%" in re.sub(r'"[^"]*"|\\.', "", number_format or "")
    if scaled and isinstance(value, int | float):
        return f"{round(100 * value, 2):g} %"
    return value
