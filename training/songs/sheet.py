"""A sheet of songs: csv or xlsx with a title, an artist, where the file is, and what it samples.

A sheet is somebody's text: cells are read as text, formulas are never calculated, and a row that
makes no sense is told apart from its neighbours, which are read all the same.
"""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from openpyxl import load_workbook

from training.decoding import decoded

LARGEST = 20_000_000  # bytes of a sheet
_UNPACKED = 300_000_000  # bytes of an xlsx file's parts together
MOST_ROWS = 100_000
_LONGEST = 2000  # characters of a cell
#: What people call the columns; the first name is ours.
COLUMNS = {
    "title": ("title", "song", "name", "track", "titel", "titre"),
    "artist": ("artist", "artists", "performer", "by", "künstler", "artiste"),
    "source": ("path", "url", "source", "file", "link", "address", "datei", "fichier"),
    "sample_of": ("sample-of", "sample of", "sample_of", "samples", "sample", "original"),
}


class SheetError(Exception):
    """A sheet cannot be used at all; the message is one plain sentence."""


@dataclass(frozen=True)
class Row:
    """One song as the sheet names it; ``wrong`` says what keeps it from being fetched."""

    number: int  # as spreadsheets count: the heading is row 1
    title: str
    artist: str
    source: str
    sample_of: str = ""
    wrong: str = ""

    @property
    def key(self) -> str:
        """Know the row again in a later run, also when rows were added above it."""
        told = "\n".join((self.title, self.artist, self.source, self.sample_of))
        return sha256(told.encode()).hexdigest()[:24]

    @property
    def label(self) -> str:
        """Name the song as people would."""
        return " - ".join(filter(None, (self.artist, self.title))) or self.source or "?"


def read_sheet(path: Path) -> list[Row]:
    """Read every row of a sheet; raise SheetError if it is none."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise SheetError(f"There is no sheet at {path}.") from error
    if size > LARGEST:
        raise SheetError(f"The sheet is larger than {LARGEST // 1_000_000} MB.")
    lines = _workbook(path) if path.suffix.lower() in (".xlsx", ".xlsm") else _commas(path)
    rows = _rows(lines)
    if not rows:
        raise SheetError("The sheet has no rows below its heading.")
    return rows


def _rows(lines: Iterable[Sequence[str]]) -> list[Row]:
    places: dict[str, int] | None = None
    rows: list[Row] = []
    for number, cells in enumerate(lines, 1):
        if not any(cells):
            continue
        if places is None:
            places = _heading(cells)
            continue
        if len(rows) >= MOST_ROWS:
            raise SheetError(f"The sheet has more than {MOST_ROWS:,} rows.")
        rows.append(_row(number, cells, places))
    if places is None:
        raise SheetError("The sheet is empty.")
    return rows


def _heading(cells: Sequence[str]) -> dict[str, int]:
    names = [cell.strip().lower() for cell in cells]
    places = {
        column: min(names.index(name) for name in aliases if name in names)
        for column, aliases in COLUMNS.items()
        if any(name in names for name in aliases)
    }
    if "source" not in places:
        raise SheetError("The sheet needs a column called path or url in its first row.")
    return places


def _row(number: int, cells: Sequence[str], places: dict[str, int]) -> Row:
    def cell(column: str) -> str:
        place = places.get(column, len(cells))
        return cells[place].strip() if place < len(cells) else ""

    wrong = ""
    if any(len(text) > _LONGEST for text in cells):
        wrong = f"A cell is longer than {_LONGEST:,} characters."
    elif not cell("source"):
        wrong = "It says neither path nor address."
    elif any(ord(c) < 32 for c in cell("source")):
        wrong = "Its path or address has characters that cannot be printed."
    title, artist, source, sample = (cell(c)[:_LONGEST] for c in COLUMNS)
    return Row(number, _plain(title), _plain(artist), source, sample, wrong)


def _plain(text: str) -> str:
    """Keep printable characters alone."""
    return " ".join("".join(c if c.isprintable() else " " for c in text).split())


def _commas(path: Path) -> Iterator[Sequence[str]]:
    text = decoded(path.read_bytes())
    if "\0" in text:
        raise SheetError("The sheet is neither csv nor xlsx.")
    first = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max(",;\t", key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    while True:
        try:
            yield next(reader)
        except StopIteration:
            return
        except csv.Error:  # a field beyond the reader's limit: a row of its own that says nothing
            yield ["?"]


def _workbook(path: Path) -> Iterator[Sequence[str]]:
    try:
        with zipfile.ZipFile(path) as parts:
            if sum(part.file_size for part in parts.infolist()) > _UNPACKED:
                raise SheetError("The sheet unpacks to more than it may.")
        book = load_workbook(path, read_only=True, data_only=True, keep_links=False)
        try:
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # a wrong size in the file must not hide rows
            for cells in sheet.iter_rows(values_only=True):
                yield [_text(value) for value in cells]
        finally:
            book.close()
    except SheetError:
        raise
    except Exception as error:  # the parser raises whatever a broken part leads it to
        raise SheetError(f"{path.name} is not a readable xlsx file.") from error


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value)
