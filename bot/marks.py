"""Titles and marks: read off a cell, a file's name or the first lines of a text."""

from __future__ import annotations

import re
from pathlib import PurePosixPath

TITLE_LIMIT = 200
_LETTERS = {"A": 95.0, "B": 85.0, "C": 75.0, "D": 65.0, "E": 55.0, "F": 40.0}
_SHIFT = {"+": 3.0, "-": -3.0, "": 0.0}
_NUMBER = r"\d{1,3}(?:[.,]\d+)?"
_MARK = re.compile(rf"({_NUMBER})\s*(?:(?:/|of|out of|von|sur)\s*({_NUMBER})|(%))?", re.I)
_LETTER = re.compile(r"([A-F])([+-]?)", re.I)
#: "Title (93)", "Title [18 of 20]", "Title - 93 %", "Title 93%": a bare number at the end is
#: more often a number of the essay than its mark.
_AT_END = re.compile(
    rf"(?P<title>.*?)[\s_-]*(?:[\[(]\s*(?P<inside>{_NUMBER}\s*(?:%|(?:of|von|sur)\s*{_NUMBER})?"
    rf"|[A-F][+-]?)\s*[\])]|[\s_-](?P<bare>{_NUMBER}\s*%|{_NUMBER}\s*of\s*{_NUMBER})"
    rf"|\s-\s(?P<dash>{_NUMBER}))\s*",
    re.I,
)
_HEADER = re.compile(r"(topic|title|mark|grade|score)\s*:\s*(.+)", re.I)


def parse_mark(value: object, best: object = None) -> float | None:
    """Make a mark per cent: 18/20, 93 %, 4.5 of 6, B+, or a number with the best one beside it."""
    text = str(value if value is not None else "").strip()
    if letter := _LETTER.fullmatch(text):
        return min(100.0, _LETTERS[letter[1].upper()] + _SHIFT[letter[2]])
    match = _MARK.fullmatch(text)
    if match is None:
        return None
    number = _float(match[1])
    top = 100.0 if match[3] else _float(match[2] or best or 100)
    if number is None or top is None or not 0 <= number <= top or top == 0:
        return None
    return round(100 * number / top, 2)


def from_name(name: str) -> tuple[str, float | None]:
    """Read title and mark off a file's name."""
    stem = PurePosixPath(name).stem
    match = _AT_END.fullmatch(stem)
    mark = None
    if match is not None:
        mark = parse_mark(match["inside"] or match["bare"] or match["dash"])
        stem = stem if mark is None else match["title"]
    return title_of(re.sub(r"[_\s]+", " ", stem)), mark


def from_text(text: str) -> tuple[str, float | None, str]:
    """Take the lines ``Topic:`` and ``Mark:``, or a short first line, off the top of a text."""
    title, mark = "", None
    lines = text.split("\n")
    while lines and (match := _HEADER.fullmatch(lines[0].strip())):
        if match[1].lower() in ("topic", "title"):
            title = match[2]
        else:
            mark = parse_mark(match[2])
        lines.pop(0)
    body = "\n".join(lines).strip()
    first, gap, rest = body.partition("\n\n")
    heading = first.lstrip("# ").strip()
    if not title and gap and len(heading.split()) <= 12 and heading[-1:] not in ".:;,":
        title, body = heading, rest.strip()
    return title_of(title), mark, body


def title_of(text: object) -> str:
    """Make a title of a cell: one line, short, and no formula should it reach a spreadsheet."""
    line = " ".join("".join(c if c.isprintable() else " " for c in str(text or "")).split())
    return line.lstrip("=+-@|%` ")[:TITLE_LIMIT].strip()


def _float(value: object) -> float | None:
    try:
        return float(str(value).replace(",", "."))
    except ValueError:
        return None
