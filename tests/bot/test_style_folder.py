"""The files of a style, without a store."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.store import Document, Style
from bot.style_folder import StyleFolder, is_recording, trace

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def document(kind: str, **more: Any) -> Document:
    values: dict[str, Any] = {
        "id": 1,
        "style_id": 3,
        "sha256": kind.rjust(64, "0"),
        "kind": kind,
        "name": f"a.{kind}",
        "title": "The sea",
        "mark": 95.0,
        "language": None,
        "words": None,
        "size": 4,
        "sketch": (),
        "added_by": 1,
        "added_at": NOW,
    }
    return Document(**(values | more))


def style(family: str) -> Style:
    return Style(
        id=3, guild_id=5, family=family, name="Ours", created_by=1, minimum_mark=93, created_at=NOW
    )


def test_a_run_finds_texts_as_lines_and_nothing_of_another_run(tmp_path: Path) -> None:
    folder, one = StyleFolder(tmp_path / "3"), document("txt")
    folder.write(one.file, b"It is wide.")
    (tmp_path / "run" / "corpus").mkdir(parents=True)
    (tmp_path / "run" / "corpus" / "old.mid").touch()
    laid = folder.lay_out(style("essay"), [one], tmp_path / "run")
    assert {path.name for path in laid.iterdir()} == {"documents.jsonl", trace(laid, 3).name}
    (line,) = (laid / "documents.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (told["text"], told["topic"], told["mark"]) == ("It is wide.", "The sea", 95.0)


def test_songs_lie_apart_from_what_must_be_heard_first(tmp_path: Path) -> None:
    folder, song, recording = StyleFolder(tmp_path / "3"), document("mid"), document("mp3")
    for one in (song, recording):
        folder.write(one.file, one.kind.encode())
    assert [is_recording(one) for one in (song, recording)] == [False, True]
    laid = folder.lay_out(style("music"), [song, recording], tmp_path / "run")
    assert (laid / song.file).read_bytes() == b"mid"
    assert (laid / "recordings" / recording.file).read_bytes() == b"mp3"
    folder.erase(song)
    assert [path.name for path in folder.path.iterdir()] == [recording.file]
    assert (laid / song.file).is_file(), "a run under way keeps its own"
    folder.remove()
    assert not folder.path.exists()
