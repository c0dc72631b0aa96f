"""From a sheet to a folder of songs, with broken rows, copies and a process that is killed."""

from __future__ import annotations

import io
import json
import os
import signal
import subprocess
import sys
import time
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from models.music.encoding import Tags, encode_at
from tests.training.songs.server import Handler, Server, serve
from training.__main__ import app
from training.songs.collecting import PAIRS, REPORT, SONGS, Collected, collect
from training.songs.fetching import Limits

OPEN = Limits(private=True, seconds=10)


@pytest.fixture
def server() -> Iterator[Server]:
    with serve() as running:
        yield running


def wav(number: int) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, 8000, 0, "NONE", ""))
        out.writeframes(np.full(100, number, "<i2").tobytes())
    return file.getvalue()


def sheet_of(folder: Path, *rows: str) -> Path:
    path = folder / "sheet.csv"
    path.write_text("\n".join(["title,artist,path,sample-of", *rows]), encoding="utf-8")
    return path


def test_rows_are_kept_copied_or_refused(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_bytes(wav(1))
    (tmp_path / "again.wav").write_bytes(wav(1))
    (tmp_path / "empty.wav").write_bytes(b"")
    (tmp_path / "lie.mp3").write_bytes(b"<html>")
    sheet = sheet_of(
        tmp_path, "One,Me,a.wav,", "Two,Me,again.wav,", "Three,,empty.wav,", "Four,,lie.mp3,",
        f"Five,,{server.url}/song/5,", "Six,,gone.wav,", f"Seven,,{server.url}/lie,",
        "One,Me,a.wav,",
    )  # fmt: skip
    out = tmp_path / "out"
    results = collect(sheet, out, OPEN)
    assert [r.state for r in results] == [
        "kept", "copy", "refused", "refused", "kept", "refused", "refused", "copy",
    ]  # fmt: skip
    assert results[0].file and (out / results[0].file).read_bytes() == wav(1)
    assert results[0].file.startswith(f"{SONGS}/Me - One.") and results[0].file.endswith(".wav")
    assert results[1].file == results[7].file == results[0].file
    assert all(r.sentence.endswith(".") for r in results)
    lines = [json.loads(line) for line in (out / REPORT).read_text().splitlines()]
    assert [Collected(**line) for line in lines] == results
    assert len(list((out / SONGS).iterdir())) == 2


def test_paths_stay_in_the_sheets_folder_unless_allowed(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(wav(1))
    inside = tmp_path / "in"
    inside.mkdir()
    (inside / "link.wav").symlink_to(tmp_path / "secret.wav")
    sheet = sheet_of(inside, "A,,../secret.wav,", "B,,link.wav,", f"C,,{tmp_path}/secret.wav,")
    closed = collect(sheet, tmp_path / "out", Limits())
    assert [r.state for r in closed] == ["refused"] * 3
    assert all("leads out" in r.sentence for r in closed)
    assert collect(sheet, tmp_path / "open", OPEN)[0].state == "kept"


def test_tags_are_kept_with_the_file_and_in_the_report(tmp_path: Path) -> None:
    tone = np.sin(np.arange(44100) / 20).astype(np.float32)
    tags = Tags("Blue", 90, "A minor", 7, "v1", artist="Somebody", album="Sea")
    song = encode_at(np.stack([tone, tone]), "mp3", 64, tags).data
    (tmp_path / "a.mp3").write_bytes(song)
    (result,) = collect(sheet_of(tmp_path, "Other,,a.mp3,"), tmp_path / "out", OPEN)
    assert result.tags is not None and result.file is not None
    assert {"title": "Blue", "artist": "Somebody", "album": "Sea"}.items() <= result.tags.items()
    assert (tmp_path / "out" / result.file).read_bytes() == song


def test_originals_are_paired_by_title_source_or_address(server: Server, tmp_path: Path) -> None:
    for number in range(4):
        (tmp_path / f"{number}.wav").write_bytes(wav(number))
    sheet = sheet_of(
        tmp_path, "Old,A,0.wav,", "New,B,1.wav,old", "Newer,C,2.wav,0.wav",
        f"Far,D,3.wav,{server.url}/song/x", "Lost,E,4.wav,Old", "Self,F,0.wav,Old",
    )  # fmt: skip
    results = collect(sheet, tmp_path / "out", OPEN)
    assert results[-1].song.startswith("Original of")
    pairs = [json.loads(line) for line in (tmp_path / "out" / PAIRS).read_text().splitlines()]
    files = [r.file for r in results]
    assert [(p["song"], p["sample"]) for p in pairs] == [
        (files[1], files[0]), (files[2], files[0]), (files[3], files[6]),
    ]  # fmt: skip


def test_what_failed_for_now_is_tried_again_and_nothing_else(
    server: Server, tmp_path: Path
) -> None:
    rows = [f"{p},,{server.url}/{p}," for p in ("song/7", "broken/1", "cut/1", "text/1")]
    sheet = sheet_of(tmp_path, *rows)
    first = collect(sheet, tmp_path / "out", OPEN)
    assert [r.state for r in first] == ["kept", "refused", "refused", "refused"]
    with (tmp_path / "out" / REPORT).open("a") as report:
        report.write('{"row": 9, "key": "torn')
    second = collect(sheet, tmp_path / "out", OPEN)
    assert [r.state for r in second] == ["kept", "refused", "kept", "refused"]
    assert Handler.asked == {"/song/7": 1, "/broken/1": 2, "/cut/1": 2, "/text/1": 1}


def test_a_thousand_rows_run_to_their_end_although_the_process_is_killed(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "a.mid").write_bytes(b"MThd" + bytes(100))
    kinds = ("missing.wav", "", "ftp://a/b", "http://[::bad/x", f"{server.url}/nothing/N", "a.mid",
             f"{server.url}/midi/N", f"{server.url}/text/N", "../x.wav", "x\x07y")  # fmt: skip
    rows = [f"Song {n},,{kinds[n % 10].replace('N', str(n))}," for n in range(1000)]
    sheet, out = sheet_of(tmp_path, *rows), tmp_path / "out"
    told = ["collect", str(sheet), "--out", str(out), "--allow-private", "--jobs", "4"]
    command = "import typer; from training.songs.commands import collect; typer.run(collect)"
    child = subprocess.Popen(
        [sys.executable, "-c", command, *told[1:]],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    until = time.monotonic() + 60
    while time.monotonic() < until and _lines(out) < 150:
        time.sleep(0.01)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    before = _lines(out)
    assert 150 <= before < 1000
    asked = dict(Handler.asked)
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 0, result.output
    lines = [json.loads(line) for line in (out / REPORT).read_text().splitlines()]
    assert [line["row"] for line in lines] == list(range(2, 1002))
    states = [line["state"] for line in lines]
    assert states.count("kept") == 101 and states.count("copy") == 99
    assert all(line["sentence"].endswith(".") for line in lines)
    again = [path for path, times in Handler.asked.items() if times > 1]
    assert len(again) <= 20, "only what was under way is asked for twice"
    assert asked and len(list((out / SONGS).iterdir())) == 101


def _lines(out: Path) -> int:
    report = out / REPORT
    return report.read_text().count("\n") if report.exists() else 0


def test_a_wrong_sheet_ends_with_one_sentence(tmp_path: Path) -> None:
    command = ["collect", str(tmp_path / "none.csv"), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1 and "There is no sheet" in result.output
