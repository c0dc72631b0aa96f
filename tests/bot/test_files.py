from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from bot.files import Shelf, existing, write_whole
from bot.samples import Sample
from models.contract import AlbumRequest, AudioFormat, BeatRequest, EssayRequest
from tests.bot.asked import artifact
from tests.bot.doubles import album_take, beat_take, essay_done

ESSAY = essay_done(EssayRequest(request_id="1", topic="x", seed=1))


async def test_an_essay_is_kept_as_documents_and_more_on_request(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    kept = await shelf.keep(5, ESSAY)
    assert [a.name for a in kept] == ["essay-5.md", "essay-5.docx"]
    more = await shelf.add(5, ESSAY, "pdf")
    assert more.path == tmp_path / "5" / "essay-5.pdf" and more.path.read_bytes()[:4] == b"%PDF"
    for one in (*kept, more):
        data = one.path.read_bytes()
        assert (len(data), hashlib.sha256(data).hexdigest()) == (one.size, one.sha256)


@pytest.mark.parametrize(
    ("audio", "kinds"),
    [(AudioFormat.OGG, ["ogg", "mid", "png"]), (AudioFormat.MID, ["mid", "png"])],
)
async def test_a_beat_is_kept_in_the_asked_format(
    tmp_path: Path, audio: AudioFormat, kinds: list[str]
) -> None:
    take = beat_take(BeatRequest(request_id="1", seed=1, format=audio))
    assert [a.kind for a in await Shelf(tmp_path).keep(5, take)] == kinds


async def test_a_record_is_kept_as_medley_cover_and_zip(tmp_path: Path) -> None:
    take = album_take(AlbumRequest(request_id="1", title="T", tracks=3, seed=1))
    kept = await Shelf(tmp_path).keep(5, take)
    named = ["album-5-medley.mp3", "album-5-cover.png", "album-5.zip"]
    assert [a.name for a in kept] == named and [a.kind for a in kept] == ["mp3", "png", "zip"]
    assert kept[2].path.read_bytes() == b"archive"


async def test_a_sample_is_kept_under_a_name_of_ours(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    kept = await shelf.add_sample(5, Sample("../evil.mid", "mid", b"MThd"))
    assert kept.path == tmp_path / "5" / "beat-5-sample.mid" and kept.kind == "sample"
    assert await shelf.read(kept) == b"MThd"
    kept.path.write_bytes(b"other")
    assert await shelf.read(kept) is None


async def test_files_that_changed_or_went_are_noticed(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    kept = await shelf.keep(5, ESSAY)
    assert shelf.whole(kept) and not shelf.whole(())
    kept[0].path.write_bytes(b"other")
    assert not shelf.whole(kept)
    kept = await shelf.keep(5, ESSAY)
    kept[1].path.unlink()
    assert not shelf.whole(kept)


def test_a_file_is_written_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    write_whole(path, b"old")

    def full(*_: object) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="disk full"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old" and [p.name for p in tmp_path.iterdir()] == ["a"]


def test_only_files_that_are_still_there_count(tmp_path: Path) -> None:
    kept, gone = artifact(tmp_path, "mid"), artifact(tmp_path, "png")
    gone.path.unlink()
    assert existing([kept, gone]) == [kept]
