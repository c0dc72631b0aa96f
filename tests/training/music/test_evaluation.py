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
from training.music.comparison import (
    half_of_songs,
    mgeval,
    phrase_features,
    two_sample_accuracy,
)
from training.music.corpus import Corpus, read_corpus
from training.music.evaluation import evaluate, gather
from training.music.markov import MarkovBand
from training.music.metrics import PITCHED, shuffled
from training.music.presets import read_preset
from training.music.report import COMPARED, Report
from training.music.sheet import write_sheets


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
    for name in ("tracks", "tonal_distance", "two_sample_accuracy", "mgeval_overlap", "mgeval_kld"):
        assert tuple(written[name]) == COMPARED
    assert set(written["tracks"]["made"]) == set(TRACKS)
    for figures in written["tracks"]["Markov"].values():
        assert {f"similarity_{bars}" for bars in (1, 2, 4, 8)} <= set(figures)
    table = (tmp_path / "evaluation.md").read_text()
    for track in TRACKS:
        row = next(x for x in table.splitlines() if x.startswith(f"| {track} | empty bars |"))
        assert row.count("|") == 3 + len(COMPARED)
    assert "nearest training phrase, whole, p95" in table
    assert "| two-sample accuracy, drums alone |" in table
    assert all(len(told) == 10 for told in written["tells"].values())
    assert "## What gives made phrases away" in table
    assert "Notes in the scale, in songs as the arranger writes them: bass " in table
    assert list(written["arranged_in_scale"]) == list(PITCHED)
    assert written["figures"]["score"] == report.score > 0


def test_the_gate_gets_a_figure_for_every_track(report: Report) -> None:
    figures = report.figures()
    assert {f"{track}_margins" for track in TRACKS} <= set(figures)
    real = report.tracks["held-out"]
    worse = {**real["pad"], "empty_bars": real["pad"]["empty_bars"] + 0.06}
    report = replace(report, tracks={**report.tracks, "made": {**real, "pad": worse}})
    assert report.figures()["pad_margins"] > 0 == report.figures()["bass_margins"]


def test_styles_with_enough_phrases_have_tables_of_their_own(
    corpus: Corpus, generator: Generator
) -> None:
    random = np.random.default_rng(3)
    many = corpus.part(random.permutation(len(corpus)).repeat(8))
    report = evaluate(generator, many, count=64, seed=1)
    assert set(report.styles) == {"hiphop", "rock"}
    assert sum(style.phrases for style in report.styles.values()) == 64
    margins = report.styles["rock"].margins()
    assert margins["held-out"] == 0 < margins["shuffled"] and set(margins) == set(COMPARED)
    assert "## rock (" in report.styles_markdown()
    assert "| rock |" in report.markdown()


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
    sets = gather(generator, corpus, MarkovBand(corpus.part(~corpus.held_out)), 64, 1)
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
    near, far = mgeval(real, other), mgeval(real * 3 + 1, other)
    assert near.overlap > 0.9 > far.overlap
    assert near.kld < 0.1 < far.kld


def test_mgeval_of_two_lines_of_points() -> None:
    """Distances within are 1 and 2 (2:1), between 10 to 13: nothing in common."""
    one, other = np.arange(3.0)[:, None], np.arange(12.0, 14)[:, None]
    found = mgeval(one, other)
    assert found.overlap == 0
    p, q = np.full(30, 0.5), np.full(30, 0.5)
    p[[2, 4]] += (2, 1)  # bins of 13 / 30: 1 lies in the third, 2 in the fifth
    for distance in (12, 13, 11, 12, 10, 11):
        q[min(29, int(distance / (13 / 30)))] += 1
    p, q = p / p.sum(), q / q.sum()
    assert found.kld == pytest.approx(float((p * np.log(p / q)).sum()))
    assert mgeval(other, other).kld >= 0
    assert mgeval(np.ones((4, 2)), np.ones((4, 2))) == mgeval(np.ones((4, 1)), np.ones((4, 1)))


def test_songs_that_are_known_again_do_not_tell_sets_apart_by_song() -> None:
    draw = np.random.default_rng(3)
    songs = np.array([f"song {n}" for n in np.repeat(np.arange(60), 6)])
    ways = draw.normal(size=(60, 40))[np.repeat(np.arange(60), 6)]  # each song has its own
    phrases = ways + 0.2 * draw.normal(size=ways.shape)
    first = np.isin(songs, np.unique(songs)[::2])
    one, other, pair = phrases[first], phrases[~first], (songs[first], songs[~first])
    assert two_sample_accuracy(one, other, 1) > 0.8
    assert two_sample_accuracy(one, other, 1, pair) < 0.65
    half = half_of_songs(songs, 1)
    assert not set(songs[half]) & set(songs[~half]) and half.sum() == len(songs) // 2
