import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.music.gan import Generator
from models.music.pianoroll import TRACKS, stack
from tests.training.music.songs import tune, write_phrases
from training.music.build import new_models
from training.music.comparison import mgeval_overlap, phrase_features, two_sample_accuracy
from training.music.corpus import Corpus, read_corpus
from training.music.evaluation import COMPARED, Report, evaluate, gather, write_sheets
from training.music.metrics import shuffled
from training.music.presets import read_preset


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read_corpus(write_phrases(tmp_path_factory.mktemp("phrases")))


@pytest.fixture(scope="module")
def generator(corpus: Corpus) -> Generator:
    return new_models(read_preset("tiny"), corpus, 1)[0].eval()


@pytest.fixture(scope="module")
def report(corpus: Corpus, generator: Generator) -> Report:
    return evaluate(generator, corpus, count=8, seed=1)


def test_report_has_every_set_and_track(report: Report, tmp_path: Path) -> None:
    report.write(tmp_path)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(written["tracks"]) == set(COMPARED)
    assert set(written["tracks"]["made"]) == set(TRACKS)
    table = (tmp_path / "evaluation.md").read_text()
    assert all(f"| {track} | empty bars |" in table for track in TRACKS)
    assert written["figures"]["score"] == report.score > 0


def test_evaluation_is_the_same_twice(corpus: Corpus, generator: Generator, report: Report) -> None:
    assert evaluate(generator, corpus, count=8, seed=1).json() == report.json()


def test_silent_track_is_counted(report: Report) -> None:
    real = report.tracks["held-out"]
    made = {track: {**real[track], "empty_bars": 0.0} for track in TRACKS}
    report = replace(report, tracks={**report.tracks, "made": made})
    assert report.silent_tracks == 0
    made["bass"]["empty_bars"] = 1.0
    assert report.silent_tracks == 1


def test_sets_are_apart(corpus: Corpus, generator: Generator) -> None:
    sets = gather(generator, corpus, 64, 1)
    assert len(sets.held_out[0]) == corpus.held_out.sum()
    known = {roll.tobytes() for roll in sets.training[0]}
    assert not all(roll.tobytes() in known for roll in sets.held_out[0])


def test_sheet_per_style(generator: Generator, tmp_path: Path) -> None:
    write_sheets(generator, tmp_path)
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["hiphop", "rock"]


def test_judges_tell_shuffled_from_real_but_not_real_from_real() -> None:
    planes = stack([tune(number) for number in range(120)])
    real = phrase_features(*planes)
    other = phrase_features(*stack([tune(number) for number in range(120, 240)]))
    mixed = phrase_features(*shuffled(*planes, np.random.default_rng(0)))
    torch.manual_seed(0)
    assert two_sample_accuracy(real, other, 1) < 0.65
    assert two_sample_accuracy(mixed, other, 1) > 0.8
    assert mgeval_overlap(real, other) > 0.9
    assert mgeval_overlap(real * 3 + 1, other) < mgeval_overlap(real, other)
