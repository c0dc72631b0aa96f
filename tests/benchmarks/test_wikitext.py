"""The benchmark of word perplexity in its smallest setting."""

from __future__ import annotations

import json
import lzma
from dataclasses import replace
from math import log
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest
import torch
from torch.nn import functional as F
from typer.testing import CliRunner

from benchmarks.wikitext import app, read_splits
from benchmarks.wikitext_cache import Cache, choose_cache, read_split
from benchmarks.wikitext_task import Recipe, WordTask
from benchmarks.wikitext_writer import DroppedEmbedding, Sizes, WordWriter

Model = TypeVar("Model", bound=torch.nn.Module)
SMALL = Sizes(embed=8, hidden=16, layers=2, cuts=(6, 12))
RECIPE = Recipe(rows=4, length=10, warmup=5, rate=1e-2, precision="no", check_rows=2)


def still(model: Model) -> Model:
    """Take a model out of training."""
    model.train(False)
    return model


def write_benchmark(folder: Path) -> Path:
    """Write three small files as the benchmark has them, one of them packed."""
    draw = np.random.default_rng(5)
    names = [f"w{n}" for n in range(20)]
    folder.mkdir()
    for split, lines in (("train", 120), ("valid", 30), ("test", 30)):
        texts = []
        for _ in range(lines):
            at = int(draw.integers(20))  # a line counts upwards, with unknown words between
            texts.append(" " + " <unk> ".join(names[(at + n) % 20] for n in range(6)) + " ")
        text = " \n".join(["", *texts]) + "\n"
        path = folder / f"wiki.{split}.tokens"
        if split == "train":
            (folder / f"{path.name}.xz").write_bytes(lzma.compress(text.encode()))
        else:
            path.write_text(text, encoding="utf-8")
    return folder


def test_all_models_are_scored_on_the_same_words(tmp_path: Path) -> None:
    words = (
        *("--data", write_benchmark(tmp_path / "data"), "--steps", 120, "--rows", 4),
        *("--embed", 16, "--hidden", 24, "--rate", 0.02, "--evaluate-every", 50),
        *("--plain-minutes", 0.01, "--plain-units", 16),
        *("--run", tmp_path / "run", "--json", tmp_path / "out.json"),
    )
    result = CliRunner().invoke(app, [str(word) for word in words])
    assert result.exit_code == 0, result.output
    figures = json.loads((tmp_path / "out.json").read_text())
    assert figures["types"] == 22
    assert figures["words"] == {"train": 121 + 120 * 11, "valid": 31 + 30 * 11, "test": 31 + 330}
    ways = [row["way"] for row in figures["rows"]]
    assert ways == [
        "ours, 2x24", "ours, 2x24 and cache", "word-level LSTM, 2x16", "Kneser-Ney 5-gram",
    ]  # fmt: skip
    for row in figures["rows"]:
        assert 1 < row["valid"] < 100 and 1 < row["test"] < 100
        assert row["words_read"] > 0 and row["parameters"] > 0
    assert figures["rows"][-1]["ratio"] == 1.0
    assert figures["rows"][0]["test"] < 10  # it learned something: chance is 22


def test_words_are_numbered_by_frequency_and_lines_end(tmp_path: Path) -> None:
    splits = read_splits(write_benchmark(tmp_path / "data"))
    counts = torch.bincount(splits.train)
    assert splits.words[0] == "<unk>" and splits.words[splits.end] == "<eos>"
    assert counts.tolist() == sorted(counts.tolist(), reverse=True)
    assert int((splits.valid == splits.end).sum()) == 31 and int(splits.valid[0]) == splits.end


def test_the_levels_of_the_softmax_are_one_distribution() -> None:
    torch.manual_seed(0)
    model = WordWriter(30, SMALL)
    torch.nn.init.normal_(model.cluster.weight)
    y, targets = torch.randn(30, 8), torch.arange(30)
    every = model.log_probs(y)
    assert every.exp().sum(-1).tolist() == pytest.approx([1.0] * 30, abs=1e-5)
    picked = -every[targets, targets]
    assert torch.allclose(model.nll(y, targets), picked, atol=1e-5)
    flat = WordWriter(30, replace(SMALL, cuts=()))
    loss = F.cross_entropy(F.linear(y, flat.embed.weight, flat.output_bias), targets)
    assert torch.allclose(flat.nll(y, targets).mean(), loss, atol=1e-5)


def test_before_learning_it_knows_frequencies() -> None:
    model = still(WordWriter(30, SMALL))
    ids = torch.tensor([0] * 59 + [20] * 20 + [7])
    model.prime(ids)
    p = model.log_probs(torch.zeros(8)).exp().detach()
    assert float(p[0]) == pytest.approx(59.5 / 95, abs=1e-4)
    assert float(p[20]) == pytest.approx(20.5 / 95, abs=1e-4)


def test_a_dropped_word_is_dropped_everywhere_and_only_in_training() -> None:
    torch.manual_seed(1)
    table = DroppedEmbedding(40, 4)
    table.word_drop = 0.5
    ids = torch.arange(40).repeat(3, 1)
    lost = (table(ids) == 0).all(-1)
    assert 5 < int(lost[0].sum()) < 35 and torch.equal(lost[0], lost[2])
    assert not (still(table)(ids) == 0).any()


def test_reading_in_one_go_carries_the_memory() -> None:
    torch.manual_seed(2)
    model = still(WordWriter(30, SMALL))
    ids = torch.randint(0, 30, (1100,))
    seen = read_split(model, ids, 3)
    whole = torch.cat([torch.tensor([3]), ids[:-1]]).unsqueeze(1)
    with torch.no_grad():
        y, _ = model.read(whole, model.initial_state(1))
        nats = model.nll(y.flatten(0, 1), ids)
    assert torch.allclose(-seen.log_p, nats, atol=1e-4)


def test_a_cache_adds_up_to_one_and_recalls_what_came() -> None:
    torch.manual_seed(3)
    model = still(WordWriter(30, SMALL))
    ids = torch.randint(0, 30, (40,)).repeat(30)
    seen = read_split(model, ids, 3)
    chosen = choose_cache(seen)
    assert chosen.mean(seen) < seen.mean()
    # By hand, for one word: how like the vectors are, and what followed them.
    cache, at = Cache(10.0, 50, 0.25), 700
    near = (10 * (seen.vectors[at - 50 : at] @ seen.vectors[at])).softmax(0)
    recalled = float(near[seen.ids[at - 50 : at] == seen.ids[at]].sum())
    mixed = 0.75 * float(seen.log_p[at].exp()) + 0.25 * recalled
    until = type(seen)(seen.ids[: at + 1], seen.vectors[: at + 1], seen.log_p[: at + 1])
    before = type(seen)(seen.ids[:at], seen.vectors[:at], seen.log_p[:at])
    difference = cache.mean(until) * (at + 1) - cache.mean(before) * at
    assert difference == pytest.approx(-log(mixed), abs=1e-3)


def test_going_on_gives_the_weights_of_never_stopping() -> None:
    train = torch.randint(0, 30, (300,), generator=torch.Generator().manual_seed(4))

    def fresh() -> WordTask:
        torch.manual_seed(6)
        return WordTask(WordWriter(30, SMALL), train, train[:60], 3, RECIPE)

    whole = fresh()
    for _ in range(12):  # more than an epoch
        whole.step()
    half = fresh()
    for _ in range(7):
        half.step()
    kept, facts = {k: v.clone() for k, v in half.tensors().items()}, half.facts()
    other = fresh()
    other.restore(kept, facts)
    for _ in range(5):
        other.step()
    for name, tensor in whole.tensors().items():
        assert torch.equal(tensor, other.tensors()[name]), name
    assert whole.evaluate()["score"] > 1
