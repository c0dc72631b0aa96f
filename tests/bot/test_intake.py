from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

import pytest

from bot import intake
from bot.intake import read, take_apart
from bot.sketches import language_of, resemblance, sketch, words_of
from bot.uploads import UploadError
from tests.bot.classroom import essay_text, packed, song
from tests.bot.test_uploads import bomb, word


async def test_a_zip_comes_apart_in_its_own_process() -> None:
    found = await take_apart(
        "class.zip",
        packed(
            {
                "a/The sea (95).txt": essay_text(1),
                "b/song.mid": song(),
                "b/take.wav": b"RIFF....WAVE",
                "../../etc/passwd.txt": essay_text(2),
                "marks.csv": "file,title,mark\nsong.mid,A song,80\n",
                "inner.zip": packed({"x.txt": "x"}),
                "evil.docm": b"macro",
                "broken.docx": b"PK\3\4 no",
                "silent.mid": song(notes=0),
                "__MACOSX/._a.txt": b"x",
                ".hidden.txt": b"x",
            }
        ),
    )
    by_name = {part.name: part for part in found.parts}
    sea = by_name["The sea (95).txt"]
    assert (sea.kind, sea.title, sea.mark, sea.language) == ("txt", "The sea", 95.0, "en")
    assert sea.text == essay_text(1) and sea.words == len(words_of(essay_text(1)))
    assert by_name["song.mid"].data == song() and by_name["song.mid"].sketch
    assert by_name["take.wav"].data == b"RIFF....WAVE"
    assert by_name["passwd.txt"].kind == "txt"  # its folders are gone
    problems = {part.name: part.problem.key for part in found.parts if part.problem is not None}
    assert problems == {
        "inner.zip": "document_kind",
        "evil.docm": "document_kind",
        "broken.docx": "upload_broken",
        "silent.mid": "document_no_notes",
    }
    assert [label.title for label in found.labels] == ["A song"]


async def test_contents_do_not_pass_through_the_loop_as_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    read: list[int] = []

    def loads(line: bytes) -> Any:
        read.append(len(line))
        return json.loads(line)

    monkeypatch.setattr("bot.uploads.json", SimpleNamespace(loads=loads))
    take = b"RIFF....WAVE" + b"\n{}" * 100_000
    found = await take_apart("takes.zip", packed({"a.wav": take, "b.txt": essay_text(1) * 50}))
    assert [part.data for part in found.parts] == [take, None]
    assert found.parts[1].text is not None and len(found.parts[1].text) > 10_000
    assert max(read) < 10_000


async def test_one_file_keeps_its_bytes() -> None:
    found = await take_apart("song.mid", song())
    assert [part.data for part in found.parts] == [song()]


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("a.exe", b"x", "document_kind"),
        ("a.mp3", b"no music", "upload_broken"),
        ("a.flac", b"OggS", "upload_broken"),
        ("a.mid", b"MThd", "upload_broken"),
        ("a.zip", b"PK", "upload_broken"),
        ("a.xlsx", b"PK", "upload_broken"),
        ("a.docx", bomb(), "upload_ratio"),
        ("a.zip", packed({"a.txt": b"\0" * 40_000_000}), "upload_ratio"),
        ("a.zip", packed({f"{n}.txt": b"x" for n in range(1001)}), "document_many"),
    ],
)
def test_what_cannot_be_read_is_one_sentence(name: str, data: bytes, key: str) -> None:
    with pytest.raises(UploadError) as caught:
        intake.check(name, len(data))
        read(name, data)
    assert caught.value.sentence.key == key


def test_size_is_looked_at_before_anything_else() -> None:
    with pytest.raises(UploadError, match="too big"):
        intake.check("a.zip", intake.SIZE_LIMIT + 1)


def test_a_locked_entry_is_said_for_itself() -> None:
    data = bytearray(packed({"a.txt": essay_text(1)}))
    central = data.rindex(b"PK\1\2")
    data[central + 8] |= 1  # the flag of an encrypted entry
    part = read("a.zip", bytes(data)).parts[0]
    assert part.problem is not None and part.problem.key == "upload_locked"


def test_a_parser_that_stumbles_over_one_entry_leaves_the_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def stumble(_: object) -> None:
        raise IndexError

    monkeypatch.setattr("pypdf.PdfReader", stumble)
    found = read("a.zip", packed({"odd.pdf": b"%PDF-1.4", "good.txt": essay_text(1)}))
    told = [(part.name, part.problem and part.problem.key) for part in found.parts]
    assert told == [("odd.pdf", "upload_broken"), ("good.txt", None)]


async def test_what_takes_too_long_is_given_up() -> None:
    with pytest.raises(UploadError, match="too long"):
        await take_apart("a.txt", essay_text(1).encode(), seconds=0.001)


def test_a_word_file_with_a_formula_stays_text() -> None:
    part = read("=cmd.docx", word("=cmd|' /C calc'!A0", *essay_text(3).split("\n\n"))).parts[0]
    assert part.title == "cmd|' /C calc'!A0"
    assert part.text == essay_text(3)


def test_languages_are_told_apart() -> None:
    german = "Das ist ein Haus, und die Leute sind nicht zu sehen, aber der Hund ist auch da."
    assert language_of(words_of(essay_text(1))) == "en"
    assert language_of(words_of(german)) == "de"
    assert language_of(words_of("xyzzy plugh")) is None
    assert language_of([]) is None


def test_near_duplicates_resemble_each_other() -> None:
    text = essay_text(1, 400)
    changed = text.replace("river", "stream", 1) + " The end."
    one, other, third = (sketch(words_of(t)) for t in (text, changed, essay_text(2, 400)))
    assert resemblance(one, one) == 1.0
    assert resemblance(one, other) > 0.8
    assert resemblance(one, third) < 0.5
    assert resemblance((), ()) == 0.0
