from __future__ import annotations

import json
import lzma
import struct
import zipfile
from pathlib import Path

import docx
import pytest
from reportlab.lib.styles import getSampleStyleSheet
from reportlab.platypus import Paragraph, SimpleDocTemplate

from training.essays import readers
from training.essays.corpus import CorpusError, Document
from training.essays.readers import parse_mark, read_corpus

TEXT = "The first paragraph is here.\n\nThe second one is here too."


def only(path: Path) -> Document:
    documents = list(read_corpus(path))
    assert len(documents) == 1
    return documents[0]


def test_plain_text_with_headers(tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text(f"Topic: School lunches\nMark: 18/20\n\n{TEXT}\n")
    document = only(tmp_path)
    assert (document.topic, document.mark, document.text) == ("School lunches", 90.0, TEXT)


def test_a_short_first_line_is_the_title(tmp_path: Path) -> None:
    (tmp_path / "essay.md").write_text(f"# On **tea**\n\n{TEXT.replace('first', '[first](x)')}\n")
    document = only(tmp_path)
    assert (document.topic, document.text) == ("On tea", TEXT)


def test_the_file_name_is_the_topic_at_last(tmp_path: Path) -> None:
    (tmp_path / "my_garden-02.txt").write_text(TEXT)
    assert only(tmp_path).topic == "my garden"


def test_windows_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("A café’s menu is here for you.".encode("cp1252"))
    assert only(tmp_path).text == "A café's menu is here for you."


def test_text_that_says_how_it_is_encoded(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes("A menu is here for you.".encode("utf-16"))
    assert only(tmp_path).text == "A menu is here for you."


def test_word_documents(tmp_path: Path) -> None:
    document = docx.Document()
    for paragraph in TEXT.split("\n\n"):
        document.add_paragraph(paragraph)
    document.save(str(tmp_path / "a.docx"))
    assert only(tmp_path).text == TEXT


def test_pdf_documents(tmp_path: Path) -> None:
    styles = getSampleStyleSheet()
    line = "The words of a long line go on and on until the margin " * 4 + "ends."
    SimpleDocTemplate(str(tmp_path / "a.pdf")).build([Paragraph(line, styles["BodyText"])])
    text = only(tmp_path).text
    assert "\n" not in text
    assert text.count("The words of a long line go on and on until the margin") == 4


def test_json_lines_also_packed(tmp_path: Path) -> None:
    record = {"id": "7", "source": "made-up", "title": "Tea", "text": TEXT, "mark": "B+"}
    lines = json.dumps(record) + "\nnot json\n[1]\n" + json.dumps({"text": 3}) + "\n"
    with lzma.open(tmp_path / "a.jsonl.xz", "wt") as file:
        file.write(lines)
    document = only(tmp_path)
    assert (document.id, document.topic, document.mark) == ("made-up-7", "Tea", 88.0)


def test_marks_and_guesses_are_told_apart(tmp_path: Path) -> None:
    rows = [
        {"text": TEXT, "score_pct": 40},
        {"text": TEXT, "score_pct": None, "score_pred_pct": 60},
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))
    given, guessed = read_corpus(tmp_path)
    assert (given.mark, given.weak_mark) == (40.0, None)
    assert (guessed.mark, guessed.weak_mark) == (None, 60.0)


def test_zips_are_read_in_memory(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("one/essay.txt", TEXT)
        archive.writestr("../../escape.txt", TEXT)
        archive.writestr("picture.png", b"\x89PNG")
    assert [d.text for d in read_corpus(tmp_path)] == [TEXT, TEXT]
    assert [p.name for p in tmp_path.parent.iterdir() if p.name == "escape.txt"] == []


def test_what_programs_leave_beside_documents_is_none(tmp_path: Path) -> None:
    (tmp_path / "essay.txt").write_text(TEXT)
    (tmp_path / "~$essay.docx").write_bytes(b"locked")
    with zipfile.ZipFile(tmp_path / "mac.zip", "w") as archive:
        archive.writestr("other.txt", TEXT)
        archive.writestr("__MACOSX/._other.docx", b"fork")
    assert [d.id for d in read_corpus(tmp_path)] == ["essay.txt", "mac.zip/other.txt"]


def test_records_without_an_id_go_by_their_line(tmp_path: Path) -> None:
    lines = [json.dumps({"id": None, "text": f"{TEXT} {n}"}) for n in range(2)]
    (tmp_path / "a.jsonl").write_text("\n".join(lines))
    assert len({d.id for d in read_corpus(tmp_path)}) == 2


def test_a_zip_bomb_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b" " * 40_000_000)
    with pytest.raises(CorpusError, match=r"a\.zip looks like a zip bomb\."):
        list(read_corpus(tmp_path))


def test_a_zip_that_lies_about_its_size_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a.txt", b" " * 100_000)
    data = bytearray(path.read_bytes())
    central = data.rfind(b"PK\x01\x02")
    data[central + 24 : central + 28] = struct.pack("<I", 1000)
    path.write_bytes(data)
    monkeypatch.setattr(readers, "MAX_FILE", 50_000)
    with pytest.raises(CorpusError, match=r"a\.txt in a\.zip (is damaged|is too large)"):
        list(read_corpus(tmp_path))


def test_too_many_entries_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(readers, "MAX_ENTRIES", 2)
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for number in range(3):
            archive.writestr(f"{number}.txt", TEXT)
    with pytest.raises(CorpusError, match="more than is allowed"):
        list(read_corpus(tmp_path))


def test_a_damaged_stream_is_refused(tmp_path: Path) -> None:
    data = lzma.compress(json.dumps({"text": TEXT * 100}).encode())
    (tmp_path / "a.jsonl.xz").write_bytes(data[:-20])
    with pytest.raises(CorpusError, match=r"a\.jsonl\.xz is damaged\."):
        list(read_corpus(tmp_path))


@pytest.mark.parametrize("name", ["a.docx", "a.pdf", "a.zip"])
def test_broken_files_are_one_sentence(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"this is not what it says")
    with pytest.raises(CorpusError, match=rf"{name} (cannot be read|is not a readable zip file)\."):
        list(read_corpus(tmp_path))


def test_a_missing_corpus_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no corpus at"):
        list(read_corpus(tmp_path / "nothing"))


@pytest.mark.parametrize(
    ("written", "scale", "per_cent"),
    [
        ("93", None, 93.0),
        ("93 %", None, 93.0),
        ("18/20", None, 90.0),
        ("4,5 out of 6", None, 75.0),
        (4, 5, 80.0),
        ("A+", None, 98.0),
        ("b", None, 85.0),
        ("excellent", None, None),
        ("21/20", None, None),
        (None, None, None),
        (3, "many", None),
    ],
)
def test_marks_become_per_cent(written: object, scale: object, per_cent: float | None) -> None:
    assert parse_mark(written, scale) == per_cent
