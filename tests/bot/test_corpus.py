"""The documents of styles on disk and in the store."""

from __future__ import annotations

import asyncio
import json
from collections import namedtuple
from pathlib import Path

import pytest

from bot.corpus import Corpus, Taken, least
from bot.intake import Delivery, read, take_apart
from bot.settings import Settings
from bot.store import NewStyle, Store, Style
from tests.bot.classroom import essay_text, essays_zip, packed, song


@pytest.fixture
def corpus(sqlite_store: Store, settings: Settings) -> Corpus:
    return Corpus(sqlite_store, settings)


async def style_of(store: Store, family: str = "essay") -> Style:
    new = NewStyle(guild_id=5, family=family, name="Ours", created_by=1)
    style = await store.styles.create(new)
    assert style is not None
    return style


def said(taken: list[Taken]) -> dict[str, str | None]:
    return {one.name: one.remark.key if one.remark else None for one in taken}


async def test_a_delivery_is_kept_or_refused_piece_by_piece(
    corpus: Corpus, sqlite_store: Store
) -> None:
    style = await style_of(sqlite_store)
    german = "Das ist ein Haus, und die Leute sind nicht zu sehen, aber der Hund auch. " * 6
    files: dict[str, bytes | str] = {
        "good.txt": essay_text(1),
        "low (60).txt": essay_text(2),
        "same.txt": essay_text(1),
        "near.txt": essay_text(1) + " And so it ends.",
        "short.txt": "It is the sea.",
        "german.txt": german,
        "song.mid": song(),
    }
    taken = await corpus.add(style, [read("a.zip", packed(files))], by=1)
    assert said(taken) == {
        "good.txt": None,
        "low (60).txt": "document_below",
        "same.txt": "document_twice",
        "near.txt": "document_near",
        "short.txt": "document_short",
        "german.txt": "document_language",
        "song.mid": "document_no_text",
    }
    kept = await sqlite_store.documents.of(style.id)
    assert [(d.title, d.mark) for d in kept] == [("good", None), ("low", 60.0)]
    assert {path.name for path in corpus.folder(style.id).iterdir()} == {d.file for d in kept}
    assert all(len(d.file) == 68 for d in kept)
    measure = await corpus.measure(style)
    assert (measure.documents, measure.below, measure.recordings) == (1, 1, 0)


async def test_a_list_of_marks_may_come_beside_the_files(
    corpus: Corpus, sqlite_store: Store
) -> None:
    style = await style_of(sqlite_store)
    parts = read("Essay 1.txt", essay_text(1).encode())
    labels = read("m.csv", b"file;titel;note\nESSAY 1.docx;;\nessay 1;=The sea;19/20\n")
    await corpus.add(style, [labels, parts], by=1)
    kept = await sqlite_store.documents.of(style.id)
    assert [(d.title, d.mark) for d in kept] == [("The sea", 95.0)]


LONG = "The importance of being earnest about the things that one has learned at school"


@pytest.mark.parametrize(
    "files",
    [
        {f"{LONG} (40).txt": essay_text(1)},
        {f"{LONG}.txt": essay_text(1), "marks.csv": f"file,title,mark\n{LONG}.txt,Earnest,40\n"},
    ],
)
async def test_a_long_name_keeps_its_mark(
    corpus: Corpus, sqlite_store: Store, files: dict[str, str]
) -> None:
    style = await style_of(sqlite_store)
    await corpus.add(style, [await take_apart("all.zip", packed(files))], by=1)
    assert [d.mark for d in await sqlite_store.documents.of(style.id)] == [40.0]


@pytest.mark.parametrize(
    "lists",
    [
        {"marks.csv": "file,title,mark\nanna/essay.txt,,40\nben/essay.txt,,97\n"},
        {"anna/m.csv": "file,mark\nessay.txt,40\n", "ben/m.csv": "file,mark\nessay.txt,97\n"},
    ],
)
async def test_files_of_the_same_name_are_told_apart_by_their_folders(
    corpus: Corpus, sqlite_store: Store, lists: dict[str, str]
) -> None:
    style = await style_of(sqlite_store)
    files = {"anna/essay.txt": essay_text(1), "ben/essay.txt": essay_text(2)}
    await corpus.add(style, [read("all.zip", packed(files | lists))], by=1)
    assert [d.mark for d in await sqlite_store.documents.of(style.id)] == [40.0, 97.0]


async def test_lists_in_two_archives_do_not_mix(corpus: Corpus, sqlite_store: Store) -> None:
    style = await style_of(sqlite_store)
    archives = [
        read(f"{mark}.zip", packed({"a.txt": essay_text(mark), "m.csv": f"file,mark\na,{mark}\n"}))
        for mark in (40, 97)
    ]
    await corpus.add(style, archives, by=1)
    assert [d.mark for d in await sqlite_store.documents.of(style.id)] == [40.0, 97.0]


async def test_a_document_whose_mark_is_unsure_is_refused(
    corpus: Corpus, sqlite_store: Store
) -> None:
    style = await style_of(sqlite_store)
    marks = read("m.csv", b"file,mark\nanna/essay.txt,40\nben/essay.txt,97\n")
    taken = await corpus.add(style, [marks, read("essay.txt", essay_text(1).encode())], by=1)
    assert said(taken) == {"essay.txt": "document_unsure"}


async def test_songs_and_recordings_join_a_style_of_beats(
    corpus: Corpus, sqlite_store: Store, tmp_path: Path
) -> None:
    style = await style_of(sqlite_store, "music")
    files: dict[str, bytes | str] = {
        "a.mid": song(1),
        "b.midi": song(2),
        "c.flac": b"fLaC....",
        "d.txt": essay_text(1),
    }
    taken = await corpus.add(style, [read("a.zip", packed(files))], by=1)
    assert said(taken) == {
        "a.mid": None,
        "b.midi": None,
        "c.flac": "document_recording",
        "d.txt": "document_no_song",
    }
    measure = await corpus.measure(style)
    assert (measure.documents, measure.recordings) == (3, 1)
    folder = await corpus.lay_out(style, await corpus.record(style), tmp_path / "run")
    assert sorted(path.suffix for path in folder.iterdir()) == ["", "", ".mid", ".mid"]
    assert [path.suffix for path in (folder / "recordings").iterdir()] == [".flac"]
    assert least(style, "tiny") == 2
    heard = corpus.folder(style.id) / "heard"  # what a run made of the recording
    heard.mkdir()
    (recording,) = (d for d in await sqlite_store.documents.of(style.id) if d.kind == "flac")
    for name in (f"{recording.sha256}.mid", f"{recording.sha256}.json", "other.mid"):
        (heard / name).touch()
    assert await corpus.remove(recording)
    assert [path.name for path in heard.iterdir()] == ["other.mid"], "it goes with its document"


async def test_a_run_reads_what_counts_and_its_record_names_what_is_absent(
    corpus: Corpus, sqlite_store: Store, settings: Settings
) -> None:
    style = await style_of(sqlite_store)
    await corpus.add(style, [read("class.zip", essays_zip(10))], by=1)
    await corpus.add(style, [read("low (10).txt", essay_text(99).encode())], by=1)
    before = await corpus.record(style)
    gone = (await sqlite_store.documents.of(style.id))[3]
    run_dir = settings.runs_dir / "00001-essay"
    folder = await corpus.lay_out(style, before, run_dir)
    lines = [json.loads(line) for line in (folder / "documents.jsonl").read_text().splitlines()]
    assert len(lines) == 10
    assert lines[0]["text"] == essay_text(0)
    assert (lines[0]["topic"], lines[0]["mark"]) == ("Topic number 0", 95.0)
    assert await corpus.remove(gone)
    assert not await corpus.remove(gone)
    assert not (corpus.folder(style.id) / gone.file).exists()
    assert not folder.exists(), "an ended run must not keep a removed document"
    after = await corpus.record(style)
    assert [entry["title"] for entry in after["absent"]] == ["Topic number 3"]
    assert len(after["documents"]) == 9
    assert after["sha256"] != before["sha256"]


async def test_deleting_a_style_takes_its_files(corpus: Corpus, sqlite_store: Store) -> None:
    style, other = await style_of(sqlite_store), await style_of(sqlite_store, "music")
    await corpus.add(style, [read("class.zip", essays_zip(3))], by=1)
    await corpus.add(other, [read("a.mid", song())], by=1)
    assert await corpus.drop(style)
    assert not await corpus.drop(style)
    assert not corpus.folder(style.id).exists()
    assert await sqlite_store.documents.of(style.id) == []
    assert len(await sqlite_store.documents.of(other.id)) == 1


async def test_two_deliveries_at_once_keep_a_document_once(
    corpus: Corpus, sqlite_store: Store
) -> None:
    style = await style_of(sqlite_store)
    part = read("a.txt", essay_text(1).encode())
    both = await asyncio.gather(*(corpus.add(style, [part], by=n) for n in range(2)))
    assert sorted(one[0].document is None for one in both) == [False, True]


async def test_a_full_disk_or_style_is_one_sentence(
    corpus: Corpus, sqlite_store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = await style_of(sqlite_store)
    usage = namedtuple("usage", "total used free")
    part = Delivery(read("a.txt", essay_text(1).encode()).parts)
    with monkeypatch.context() as patch:
        patch.setattr("bot.corpus.shutil.disk_usage", lambda _: usage(10, 10, 0))
        assert said(await corpus.add(style, [part], by=1)) == {"a.txt": "document_disk"}
    with monkeypatch.context() as patch:
        patch.setattr("bot.corpus.DOCUMENTS_MAX", 0)
        assert said(await corpus.add(style, [part], by=1)) == {"a.txt": "document_full"}
    with monkeypatch.context() as patch:
        patch.setattr("bot.corpus.MEGABYTES_MAX", 0.0005)
        assert said(await corpus.add(style, [part], by=1)) == {"a.txt": "document_room"}
    assert await sqlite_store.documents.of(style.id) == []
