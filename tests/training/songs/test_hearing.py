"""The transcriber's networks are learnt from MIDI that is played."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pretty_midi
import pytest
from typer.testing import CliRunner

from models.music.dsp import RATE
from models.music.transcriber.net import Net, load_ears
from models.music.voices import DEFAULT_SOUNDFONT
from tests.training.songs.tunes import tune
from training.__main__ import app
from training.songs import hearing, lessons
from training.songs.hearing import Clip, learn, match, together
from training.songs.lessons import lessons as make_lessons
from training.songs.rendering import Band, excerpt


def test_notes_sound_where_they_are_written() -> None:
    midi = pretty_midi.PrettyMIDI()
    piano, drums = pretty_midi.Instrument(0), pretty_midi.Instrument(0, is_drum=True)
    piano.notes.append(pretty_midi.Note(100, 69, 1.0, 1.5))
    drums.notes.append(pretty_midi.Note(100, 38, 3.0, 3.1))
    midi.instruments += [piano, drums]
    sound = Band(DEFAULT_SOUNDFONT).play(midi)
    loud = np.abs(sound)

    def peak(start: float, end: float) -> float:
        return float(loud[int(start * RATE) : int(end * RATE)].max())

    assert peak(0, 0.99) == 0 and peak(1.0, 1.2) > 0.05 and peak(1.7, 2.95) < 1e-3
    assert peak(3.0, 3.1) > 0.1 and loud.max() <= 0.5 + 1e-6
    spectrum = np.abs(np.fft.rfft(sound[int(1.1 * RATE) : int(1.4 * RATE)]))
    assert abs(float(np.argmax(spectrum)) / 0.3 - 440) < 8


def test_an_excerpt_begins_at_nought_and_keeps_what_begins_in_it() -> None:
    cut = excerpt(tune(8), 4.0, 4.0)
    starts = [n.start for i in cut.instruments for n in i.notes]
    assert min(starts) == 0 and max(starts) < 4
    assert len(cut.instruments) == 3


def test_each_true_note_is_found_once() -> None:
    truth = np.array([[1.0, 2, 60, 1], [1.02, 2, 60, 1], [3.0, 4, 62, 1]])
    found = match(truth, np.array([1.01, 1.03, 3.2, 3.01]), np.array([60, 60, 62, 62]))
    assert sorted(found.tolist()) == [-1, 0, 1, 2] and found[2] == -1


def test_a_unison_is_one_note() -> None:
    truth = np.array([[1.0, 2, 60, 1], [1.01, 3, 60, 2], [1.0, 2, 64, 1], [1, 1.1, 38, -1]])
    clip = Clip(np.zeros(1, np.float32), None, truth)  # type: ignore[arg-type]
    assert clip.pitched[:, 2].tolist() == [60, 64]
    assert clip.strokes("snare").tolist() == [1.0] and not len(clip.strokes("kick"))


def test_what_is_learnt_is_finite_and_can_be_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lessons, "SECONDS", 5.0)
    monkeypatch.setattr(hearing, "_BATCH", 64)  # few rows: more steps
    for number in range(3):
        tune(8, number, 110 + 7 * number).write(str(tmp_path / f"{number}.mid"))
    files = sorted(tmp_path.glob("*.mid"))
    clips = list(make_lessons(files, [Band(DEFAULT_SOUNDFONT)], 5, seed=2))
    assert len(clips) == 5
    ears = learn(clips)
    sure = ears.notes.logits(np.tile(ears.notes.mean, (2, 1)))
    assert np.isfinite(sure).all()
    ears.save(tmp_path / "ears.npz")
    assert load_ears(tmp_path / "ears.npz").drum_thresholds.shape == ears.drum_thresholds.shape


def test_networks_side_by_side_give_their_mean() -> None:
    random = np.random.default_rng(1)

    def net() -> Net:
        sizes = ((5, 4), (4, 3), (3, 2))
        draw = [random.normal(size=size).astype(np.float32) for size in sizes]
        shifts = [random.normal(size=size[1]).astype(np.float32) for size in sizes]
        ones = np.ones(5, np.float32)
        return Net(0 * ones, ones, tuple(draw), tuple(shifts))

    nets = [net() for _ in range(3)]
    rows = random.normal(size=(7, 5)).astype(np.float32)
    mean = np.mean([n.logits(rows) for n in nets], axis=0)
    assert np.allclose(together(nets).logits(rows), mean, atol=1e-5)


def test_an_empty_folder_is_one_sentence(tmp_path: Path) -> None:
    told = ["hear", str(tmp_path), "--out", str(tmp_path / "x.npz")]
    result = CliRunner().invoke(app, told)
    assert result.exit_code == 1 and "no MIDI files" in result.output
