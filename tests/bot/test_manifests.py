from __future__ import annotations

import io

import openpyxl
import pytest

from bot.manifests import Label, ManifestError, read_manifest, same_file


def workbook(*rows: tuple[object, ...]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    stream = io.BytesIO()
    book.save(stream)
    return stream.getvalue()


@pytest.mark.parametrize(
    "data",
    [
        b"Title,File name,Mark,Out of\nThe sea,folder/A.txt,18,20\n",
        "Titel;Datei;Note\nThe sea;C:\\docs\\a.TXT;90\n".encode("cp1252"),
        b"a.txt\tThe sea\t90 %\r\n",
    ],
)
def test_lists_come_with_any_headings_or_none(data: bytes) -> None:
    assert read_manifest(".csv", data) == [Label("a.txt", "The sea", 90.0)]


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


@pytest.mark.parametrize("data", [b"no zip", b""])
def test_a_broken_sheet_is_an_error(data: bytes) -> None:
    with pytest.raises(ManifestError):
        read_manifest(".xlsx", data)


def test_an_endless_list_ends() -> None:
    assert len(read_manifest(".csv", b"file\n" + b"a.txt\n" * 9000)) < 5000 + 1


def test_names_are_compared_without_folders_and_capitals() -> None:
    assert same_file("../X/Essay.TXT ") == "essay.txt"
