from __future__ import annotations

import io
from collections.abc import Mapping

import openpyxl
import pytest

from bot.manifests import Label, Labels, ManifestError, read_manifest, same_file


def workbook(*rows: tuple[object, ...], formats: Mapping[str, str] | None = None) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    for place, number_format in (formats or {}).items():
        sheet[place].number_format = number_format
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"Title,File name,Mark,Out of\nThe sea,docs/A.txt,18,20\n",
        "Titel;Datei;Note\nThe sea;docs\\a.TXT;90\n".encode("cp1252"),
        b"docs/a.txt\tThe sea\t90 %\r\n",
        "file\ttitle\tmark\ndocs/a.txt\tThe sea\t90\n".encode("utf-16"),
    ],
)
def test_lists_come_with_any_headings_or_none(data: bytes) -> None:
    assert read_manifest(".csv", data) == [Label("docs/a.txt", "The sea", 90.0)]


def test_a_sheet_is_read_by_what_it_shows_and_computes_nothing() -> None:
    data = workbook(
        ("file", "title", "grade"),
        ("a.txt", "The sea", "B+"),
        ("b.txt", "=1+1", "=50+45"),
        (None, "nobody", 3),
    )
    assert read_manifest(".xlsx", data) == [
        Label("a.txt", "The sea", 88.0),
        Label("b.txt", "", None),  # never computed: there is nothing to show
    ]


@pytest.mark.parametrize(
    ("number_format", "value"), [("0%", 0.95), ("0.00 %", 0.95), ('0" %"', 95), ("0\\%", 95)]
)
def test_a_cell_in_per_cent_is_read_as_it_shows(number_format: str, value: float) -> None:
    data = workbook(("file", "mark"), ("a.txt", value), formats={"B2": number_format})
    assert [label.mark for label in read_manifest(".xlsx", data)] == [95.0]


@pytest.mark.parametrize("data", ["file,mark\n".encode("utf-16-le"), b"\0\1"])
def test_what_is_no_text_is_an_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read_manifest(".csv", data)


@pytest.mark.parametrize("data", [b"no zip", b""])
def test_a_broken_sheet_is_an_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read_manifest(".xlsx", data)


def test_an_endless_list_ends() -> None:
    assert len(read_manifest(".csv", b"file\n" + b"a.txt\n" * 9000)) < 5000 + 1


def test_names_are_compared_without_capitals_and_ways_of_writing() -> None:
    assert same_file("../X\\Cafe\u0301.TXT ") == "x/caf\u00e9.txt"


@pytest.mark.parametrize(
    ("files", "path", "found"),
    [
        (["anna/essay.txt", "ben/essay.txt"], "class/anna/essay.txt", ["anna/essay.txt"]),
        (["anna/essay", "ben/essay"], "class/ben/Essay.txt", ["ben/essay"]),
        (["c:/docs/essay.txt"], "carl/essay.txt", ["c:/docs/essay.txt"]),
        (["essay.docx", "essay"], "essay.txt", ["essay"]),
        (["anna/essay.txt", "ben/essay.txt"], "essay.txt", ["anna/essay.txt", "ben/essay.txt"]),
        (["other.txt"], "essay.txt", []),
    ],
)
def test_a_label_is_found_by_the_longest_end_of_a_path(
    files: list[str], path: str, found: list[str]
) -> None:
    labels = Labels([Label(file, "", None) for file in files], [path])
    assert [label.file for label in labels.of(path)] == found


def test_a_label_goes_to_the_document_that_it_is_nearest_to() -> None:
    labels = Labels([Label("anna/essay.txt", "", 40.0)], ["anna/essay.txt", "ben/essay.txt"])
    assert labels.of("ben/essay.txt") == []
