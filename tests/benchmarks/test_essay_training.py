"""The benchmark of essay training in its smallest setting."""

from __future__ import annotations

import json
import math
from pathlib import Path

import torch
from typer.testing import CliRunner

from benchmarks.essay_training import app, ways
from benchmarks.word_lstm import Sizes, Vocabulary, score, train
from tests.training.essays.made_up import write_corpus


def test_all_models_learn_for_the_same_time_and_are_set_side_by_side(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    words = (
        *("--corpus", corpus, "--minutes", 0.02, "--preset", "tiny", "--units", 16),
        *("--precisions", "no", "--optimisers", "adamw,muon", "--out", tmp_path / "out.json"),
    )
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["way"].split(",")[0] for row in rows] == [
        "ours", "ours", "word-level LSTM", "Kneser-Ney 5-gram",
    ]  # fmt: skip
    for row in rows:
        assert row["words_per_second"] > 0 and row["parameters"] > 0
        assert set(row["bits_per_byte"]) == {"seen", "unseen"}
        assert all(0 < bits < 8 for bits in row["bits_per_byte"].values())


def test_optimisers_learn_from_the_very_same_tokens(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus")
    words = (
        *("--corpus", corpus, "--steps", 6, "--preset", "tiny", "--documents", 3, "--no-others"),
        *("--precisions", "no", "--optimisers", "adamw,muon", "--out", tmp_path / "out.json"),
    )
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    adamw, muon = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert adamw["units"] == muon["units"] > 0
    for row in (adamw, muon):
        assert row["units_per_second"] == row["units"] / row["seconds"]
    assert adamw["bits_per_byte"] != muon["bits_per_byte"]


def test_each_optimiser_tries_the_rates_for_all_and_its_own() -> None:
    tried = ways("no", "adamw,muon", "1e-3,muon:5e-3", 2e-3)
    assert [(way.optimiser, way.rate) for way in tried] == [
        ("adamw", 1e-3),
        ("muon", 1e-3),
        ("muon", 5e-3),
    ]
    assert [way.rate for way in ways("no,bf16", "adamw", "muon:5e-3", 2e-3)] == [2e-3, 2e-3]


def test_the_word_model_learns_what_follows_what() -> None:
    text = "one two three four " * 200
    vocabulary = Vocabulary([text])
    ids = vocabulary.encode([text])
    sizes = Sizes(units=64, dropout=0.0, streams=4, length=10)
    trained = train(ids, ids[:50], len(vocabulary), sizes, 2.0)
    assert score(trained.model, ids[:81]) < 0.8 * 80 * math.log(4)
    assert trained.words > 0 and isinstance(ids, torch.Tensor)


def test_unknown_words_pay_for_their_letters() -> None:
    vocabulary = Vocabulary(["ab ab ab ba ba"])
    assert vocabulary.encode(["ab xy"]).tolist() == [2, 1, 0]
    assert vocabulary.spelling(["ab ba"]) == 0
    known, strange = vocabulary.spelling(["aab"]), vocabulary.spelling(["xyz"])
    assert 0 < known < strange
