"""Sheets of songs, good and bad."""

from __future__ import annotations

import zipfile
from pathlib import Path

import openpyxl
import pytest

from training.songs import sheet
from training.songs.sheet import SheetError, read_sheet


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_columns_are_found_by_any_usual_name(tmp_path: Path, delimiter: str) -> None:
    lines = [("URL", "Song", "Artist", "Sample of"), ("http://a/b.mp3", "One", "Me", "Two")]
    text = "\n".join(delimiter.join(line) for line in lines)
    (row,) = read_sheet(write(tmp_path / "s.csv", text))
    assert (row.title, row.artist, row.source, row.sample_of) == (
        "One", "Me", "http://a/b.mp3", "Two",
    )  # fmt: skip
    assert row.number == 2 and row.label == "Me - One" and not row.wrong


def test_broken_rows_are_told_apart_from_their_neighbours(tmp_path: Path) -> None:
    text = f'title,path\nA,\nB,a.wav\n\nC,"x\x07.wav"\nD,{"x" * 3000}\nE,b.wav,too,many\n'
    rows = read_sheet(write(tmp_path / "s.csv", text))
    assert [bool(row.wrong) for row in rows] == [True, False, True, True, False]
    assert [row.number for row in rows] == [2, 3, 5, 6, 7]
    assert all(row.wrong.endswith(".") for row in rows if row.wrong)


def test_old_encodings_and_marks_are_read(tmp_path: Path) -> None:
    (row,) = read_sheet(write(tmp_path / "s.csv", "titel;datei\nGrün;a.wav", "cp1252"))
    assert row.title == "Grün"
    for encoding in ("utf-8-sig", "utf-16"):
        (row,) = read_sheet(write(tmp_path / "t.csv", "title,path\nGrün,a.wav", encoding))
        assert row.title == "Grün"


def test_formulas_are_not_calculated(tmp_path: Path) -> None:
    book = openpyxl.Workbook()
    for cells in (
        ["title", "artist", "path"],
        ["=1+1", 7, "a.wav"],
        ["B", None, '=WEBSERVICE("x")'],
    ):
        book.active.append(cells)
    book.save(tmp_path / "s.xlsx")
    first, second = read_sheet(tmp_path / "s.xlsx")
    assert (first.title, first.artist, first.source) == ("", "7", "a.wav")
    assert second.wrong


def test_a_row_is_known_again_wherever_it_stands(tmp_path: Path) -> None:
    (one,) = read_sheet(write(tmp_path / "a.csv", "title,path\nA,a.wav"))
    rows = read_sheet(write(tmp_path / "b.csv", "path,title\nb.wav,B\na.wav,A"))
    assert one.key == rows[1].key != rows[0].key


def test_what_is_no_sheet_is_one_plain_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def sentence(path: Path) -> str:
        with pytest.raises(SheetError) as caught:
            read_sheet(path)
        return str(caught.value)

    assert "no sheet" in sentence(tmp_path / "missing.csv")
    assert "empty" in sentence(write(tmp_path / "a.csv", "\n\n"))
    assert "no rows" in sentence(write(tmp_path / "a.csv", "title,path\n"))
    assert "path or url" in sentence(write(tmp_path / "a.csv", "title,artist\nA,B"))
    assert "neither" in sentence(write(tmp_path / "a.csv", "\0\1"))
    assert "readable" in sentence(write(tmp_path / "a.xlsx", "PK not a zip"))
    monkeypatch.setattr(sheet, "_UNPACKED", 1000)
    with zipfile.ZipFile(tmp_path / "bomb.xlsx", "w", zipfile.ZIP_DEFLATED) as bomb:
        bomb.writestr("xl/workbook.xml", b"\0" * 100_000)
    assert "unpacks" in sentence(tmp_path / "bomb.xlsx")
    monkeypatch.setattr(sheet, "MOST_ROWS", 2)
    assert "more than 2 rows" in sentence(write(tmp_path / "a.csv", "path\na\nb\nc"))
    monkeypatch.setattr(sheet, "LARGEST", 4)
    assert "larger" in sentence(write(tmp_path / "a.csv", "path\na\nb\nc"))
