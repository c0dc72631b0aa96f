"""Folders of audio to folders of MIDI that the music training reads."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Event

import numpy as np
import pretty_midi
import pytest
from typer.testing import CliRunner

from models.music.transcriber import Transcription, TranscriptionError
from models.music.transcriber.drums import Hit
from models.music.transcriber.notes import Heard
from models.music.transcriber.pulse import Pulse
from models.music.voices import DEFAULT_SOUNDFONT
from models.registry import Registry
from tests.training.songs.tunes import tune
from training.__main__ import app
from training.music.corpus import read_corpus
from training.runs import progress, read_outcome
from training.songs import transcribing
from training.songs.files import digest
from training.songs.pairs import nearest_part
from training.songs.rendering import Band, mp3
from training.songs.transcribing import REPORT, SUMMARY, Outcome, read_report, transcribe_folder


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("songs")
    band = Band(DEFAULT_SOUNDFONT)
    for number, name in enumerate(("a.mp3", "below/b.mp3", "c.mp3")):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(mp3(band.play(tune(25, number, 148 + 3 * number))))
    shutil.copy(folder / "a.mp3", folder / "copy.mp3")
    (folder / "broken.wav").write_bytes(b"RIFF no audio")
    (folder / "words.txt").write_text("no song")
    return folder


def call(*words: object) -> str:
    """Give a command; it must succeed."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    return result.output


def test_a_folder_becomes_a_collection_that_training_reads(songs: Path, tmp_path: Path) -> None:
    out = tmp_path / "midi"
    words = ("transcribe", songs, "--out", out, "--jobs", 1, "--memory", songs.parent / "memory")
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    assert "5/5" in result.output and "3 of 5 files became MIDI" in result.output
    report = {o.file: o for o in read_report(out)}
    assert {n: o.state for n, o in report.items()} == {
        "a.mp3": "done", "below/b.mp3": "done", "c.mp3": "done", "copy.mp3": "copy",
        "broken.wav": "refused",
    }  # fmt: skip
    assert all(o.sentence.endswith(".") for o in report.values())
    for name, bpm in (("a.mp3", 148), ("below/b.mp3", 151)):
        outcome = report[name]
        assert outcome.midi and outcome.bpm == pytest.approx(bpm, rel=0.02)
        assert outcome.bars_kept >= 22 and outcome.notes and outcome.notes["drums"] > 50
    corpus = read_corpus(out)
    assert len(corpus.documents) == 3 and len(corpus) >= 16
    assert json.loads((out / SUMMARY).read_text())["done"] == 3


def test_a_sheet_of_recordings_becomes_a_style_of_the_producer(
    songs: Path, tiny_registry: Path, tmp_path: Path
) -> None:
    rows = ["title,artist,path,sample-of", "A,Us,a.mp3,", "B,Us,below/b.mp3,A", "C,Us,c.mp3,"]
    (songs / "songs.csv").write_text("\n".join([*rows, "Gone,Us,none.mp3,"]))
    data, midi, registry = (tmp_path / name for name in ("data", "midi", "registry"))
    shutil.copytree(tiny_registry, registry)
    assert "3 songs are kept" in call("collect", songs / "songs.csv", "--out", data)
    said = call(
        *("transcribe", data / "songs", "--out", midi, "--jobs", 1),
        *("--memory", songs.parent / "memory"),
    )
    assert "3 of 3 files became MIDI" in said and "1 pairs" in said
    call(
        *("music", "--corpus", midi, "--out", tmp_path / "run", "--continue-from", "live"),
        *("--registry", registry, "--preset", "tiny", "--steps", 2, "--style", "ours"),
        *("--publish", "heard"),
    )
    version = Registry(registry, None).resolve("music", "heard")
    assert version.parent == "tiny-music" and "ours" in version.read_json("config.json")["styles"]
    corpus = read_corpus(midi)
    assert version.manifest["corpus"] == corpus.sha256 and len(corpus.documents) == 3
    assert len(corpus.originals) == 1, "one song is known to sample another"


class Killed(BaseException):
    """Stands for a process that ends in the middle."""


def fake(bars: int, sure: float = 0.9) -> Transcription:
    pulse = Pulse(np.arange(0, 2.0 * bars + 4, 0.5), 0, 120.0, True)
    notes = tuple(Heard(2.0 * b, 2.0 * b + 1, 60, 0.9, 0.8) for b in range(bars))
    parts = {"bass": (), "keys": notes, "lead": (), "pad": ()}
    return Transcription(parts, (Hit(0.0, "kick", 1, 1),), pulse, "C major", (sure,) * bars, 2.0)


def test_a_killed_run_goes_on_where_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, out = tmp_path / "in", tmp_path / "out"
    folder.mkdir()
    for name in "abcd":
        (folder / f"{name}.mp3").write_bytes(name.encode() * 9)
    heard: list[bytes] = []

    def analyse(data: bytes, **_: object) -> Transcription:
        if data == b"c" * 9 and heard.count(b"a" * 9) == 1 and len(heard) == 2:
            raise Killed
        heard.append(data)
        if data == b"b" * 9:
            raise TranscriptionError("The audio is silent.")
        return fake(12, 0.3 if data == b"d" * 9 else 0.9)

    monkeypatch.setattr(transcribing, "analyse", analyse)
    with pytest.raises(Killed):
        transcribe_folder(folder, out, say=lambda *_: None)
    with (out / REPORT).open("a") as report:
        report.write('{"file": "torn')

    def analyse_all(data: bytes, **_: object) -> Transcription:
        heard.append(data)
        return fake(12)

    monkeypatch.setattr(transcribing, "analyse", analyse_all)
    (folder / "a.mp3").rename(folder / "z.mp3")
    told: list[Outcome] = []
    outcomes = transcribe_folder(folder, out, say=lambda o, *_: told.append(o))
    assert heard == [b"a" * 9, b"b" * 9, b"c" * 9, b"d" * 9], "nothing is done twice"
    assert [o.file for o in outcomes] == ["b.mp3", "c.mp3", "d.mp3", "z.mp3"]
    assert outcomes == read_report(out) == told
    assert outcomes[0].sentence == "The audio is silent."
    (out / str(outcomes[1].midi)).unlink()
    transcribe_folder(folder, out, say=lambda *_: None)
    assert heard[4:] == [b"c" * 9], "a file whose MIDI is gone is made again"


def test_a_short_song_is_told_before_a_long_one_is_heard(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "ab":
        (tmp_path / f"{name}.mp3").write_text(name)
    short_is_told = Event()

    def analyse(data: bytes, **_: object) -> Transcription:
        if data == b"a":
            short_is_told.wait(20)
        return fake(12)

    def say(outcome: Outcome, *_: int) -> None:
        told.append(outcome.file)
        short_is_told.set()

    told: list[str] = []
    monkeypatch.setattr(transcribing, "analyse", analyse)
    monkeypatch.setattr(transcribing, "ProcessPoolExecutor", lambda n, _: ThreadPoolExecutor(n))
    outcomes = transcribe_folder(tmp_path, tmp_path / "out", jobs=2, say=say)
    assert told == ["b.mp3", "a.mp3"], "a stop would lose what was not told yet"
    assert [o.file for o in outcomes] == ["a.mp3", "b.mp3"]
    assert read_report(tmp_path / "out") == outcomes


def test_what_was_heard_is_remembered_for_other_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, memory = tmp_path / "in", tmp_path / "memory"
    folder.mkdir()
    for name in ("a", "b"):
        (folder / f"{name}.mp3").write_bytes(name.encode() * 9)
    heard: list[bytes] = []

    def analyse(data: bytes, **_: object) -> Transcription:
        heard.append(data)
        return fake(12, 0.3 if data == b"b" * 9 else 0.9)

    def again(name: str) -> list[Outcome]:
        return transcribe_folder(folder, tmp_path / name, say=lambda *_: None, memory=memory)

    monkeypatch.setattr(transcribing, "analyse", analyse)
    first = again("one")
    (folder / "a.mp3").rename(folder / "c.mp3")
    (refused, done) = again("two")
    assert len(heard) == 2, "nothing is heard twice"
    assert (refused.sentence, done.sentence) == (first[1].sentence, first[0].sentence)
    made = (tmp_path / "two" / str(done.midi)).read_bytes()
    assert done.file == "c.mp3" and made == (tmp_path / "one" / str(first[0].midi)).read_bytes()
    next(memory.glob("*.mid")).unlink()
    assert again("three")[1].state == "done" and len(heard) == 3
    (tmp_path / "ears.npz").write_bytes(b"others")
    monkeypatch.setattr(transcribing, "EARS", tmp_path / "ears.npz")
    again("four")
    assert len(heard) == 5, "other ears hear everything anew"


def test_whoever_watches_sees_how_far_it_is_and_may_stop_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcribing, "analyse", lambda *_, **__: fake(12))
    folder, run = tmp_path / "in", tmp_path / "run"
    for place in (folder, run):
        place.mkdir()
    for name in "ab":
        (folder / f"{name}.mp3").write_text(name)
    words = ["transcribe", str(folder), "--out", str(tmp_path / "midi"), "--jobs", "1"]
    (run / "stop").touch()
    result = CliRunner().invoke(app, [*words, "--watch", str(run)])
    assert result.exit_code == 3, result.output
    outcome = read_outcome(run)
    assert outcome is not None and outcome["state"] == "stopped"
    assert outcome["sentence"] == "Transcribing was stopped after 1 of 2 songs."
    assert not (run / "stop").exists()
    assert CliRunner().invoke(app, [*words, "--watch", str(run)]).exit_code == 0
    lines = list(progress(run))
    assert [(line["step"], line["fraction"]) for line in lines] == [(1, 0.5), (1, 0.5), (2, 1.0)]
    assert {line["phase"] for line in lines} == {"transcribe"}


def test_songs_that_could_not_be_heard_well_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.mp3").write_bytes(b"x")
    monkeypatch.setattr(transcribing, "analyse", lambda *_, **__: fake(12, 0.3))
    (outcome,) = transcribe_folder(tmp_path, tmp_path / "out", say=lambda *_: None)
    assert outcome.state == "refused" and "Only 0 of 12 bars" in outcome.sentence
    assert not list((tmp_path / "out").rglob("*.mid"))


def test_midi_is_taken_as_it_is(tmp_path: Path) -> None:
    tune(9).write(str(tmp_path / "a.mid"))
    (tmp_path / "b.mid").write_bytes(b"MThd broken")
    taken, broken = transcribe_folder(tmp_path, tmp_path / "out", say=lambda *_: None)
    assert taken.state == "done" and taken.bpm == 120
    assert (tmp_path / "out" / str(taken.midi)).read_bytes() == (tmp_path / "a.mid").read_bytes()
    assert broken.state == "refused" and "not a readable MIDI" in broken.sentence
    again = transcribe_folder(tmp_path, tmp_path / "out", say=lambda *_: None)
    assert again == [taken, broken], "what was made is not read again"


def test_workers_do_the_same_as_one(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    short = Band(DEFAULT_SOUNDFONT).play(tune(9, 0, 170))
    (folder / "a.mp3").write_bytes(mp3(short))
    (folder / "b.wav").write_bytes(b"RIFF")
    many = transcribe_folder(folder, tmp_path / "many", jobs=2, say=lambda *_: None)
    assert [o.state for o in many] == ["done", "refused"]
    one = transcribe_folder(folder, tmp_path / "one", jobs=1, say=lambda *_: None)
    assert one == many
    name = str(one[0].midi)
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "many" / name).read_bytes()


def test_pairs_follow_their_songs_and_name_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(transcribing, "analyse", lambda *_, **__: fake(12))
    whole = tmp_path / "collected"
    (whole / "songs").mkdir(parents=True)
    for name in ("a.mp3", "c.mp3"):
        (whole / "songs" / name).write_text(name)
    hashes = {p.name: digest(p) for p in (whole / "songs").iterdir()}
    pair = {"song_sha256": hashes["a.mp3"], "sample_sha256": hashes["c.mp3"]}
    lost = {"song_sha256": hashes["a.mp3"], "sample_sha256": "0"}
    (whole / "pairs.jsonl").write_text(f"{json.dumps(pair)}\n{json.dumps(lost)}\n")
    out = tmp_path / "midi"
    result = CliRunner().invoke(
        app, ["transcribe", str(whole / "songs"), "--out", str(out), "--jobs", "1"]
    )
    assert "1 pairs" in result.output
    (line,) = (out / "pairs.jsonl").read_text().splitlines()
    told = json.loads(line)
    assert (out / told["song"]).exists() and (out / told["sample"]).exists()
    assert told["track"] == "keys" and told["likeness"] > 0.99


def test_the_part_that_plays_the_original_is_found_in_any_key() -> None:
    random = np.random.default_rng(3)
    melody, other = (np.cumsum(random.integers(-4, 5, 60)) for _ in range(2))

    def part(name: str, line: np.ndarray[tuple[int], np.dtype[np.int64]]) -> pretty_midi.Instrument:
        instrument = pretty_midi.Instrument(0, name=name)
        for index, step in enumerate(line.tolist()):
            instrument.notes.append(pretty_midi.Note(90, 60 + step, index * 0.3, index * 0.3 + 0.2))
        return instrument

    song, sample = pretty_midi.PrettyMIDI(), pretty_midi.PrettyMIDI()
    song.instruments += [part("lead", other), part("keys", melody)]
    sample.instruments.append(part("anything", melody + 5))
    track, likeness = nearest_part(song, sample)
    assert track == "keys" and likeness > 0.95
    assert nearest_part(pretty_midi.PrettyMIDI(), sample) == (None, 0.0)


def test_a_missing_folder_is_one_sentence(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["transcribe", str(tmp_path / "no"), "--out", str(tmp_path)])
    assert result.exit_code == 1 and "There is no folder" in result.output
