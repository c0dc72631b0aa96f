"""The benchmark of the essay engine, on a tiny model in its smallest setting."""

from __future__ import annotations

import json
from pathlib import Path

import torch
from typer.testing import CliRunner

from benchmarks.essay_engine import app, bits_per_byte
from models.essay.kernel import Kernel
from models.essay.prompt import Prompter
from models.registry import Registry
from tests.models.essay import tiny


def test_every_way_is_measured_and_set_beside_the_others(
    tiny_registry: Path, tmp_path: Path
) -> None:
    folder = Registry(tiny_registry, None).resolve("essay").path
    (tmp_path / "text.txt").write_text("People like cats often and they watch rivers. " * 20)
    words = ["--streams", "1,2", "--words", "50", "--tokens", "5", "--out", tmp_path / "out.json"]
    result = CliRunner().invoke(
        app, [str(w) for w in (folder, *words, "--text", tmp_path / "text.txt")]
    )
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out.json").read_text())
    ways = {row["way"] for row in told["rows"]}
    assert len(ways) == 7
    assert all(sum(row["way"] == way for row in told["rows"]) == 2 for way in ways)
    for row in told["rows"]:
        assert row["tokens_per_second"] > 0
        if row["way"].startswith("engine"):
            assert row["first_words_ms"] > 0 and row["memory_mb"] > 10
            assert row["ratios"]["nn.LSTM loop"] > 0 and row["ratios"]["memory limit, int8"] > 0
    assert abs(told["bits_per_byte"]["loss"]) < 0.05


def test_a_model_that_knows_nothing_needs_the_bits_of_its_vocabulary() -> None:
    model = tiny.model(3)
    with torch.no_grad():
        model.project.weight.zero_()
        model.project.bias.zero_()
    kernel = Kernel(model, torch.device("cpu"))
    ids = list(range(60, 124))
    # Of 500 words 256 share half of the weight with one entry for all the others.
    expected = torch.log2(torch.tensor(257.0)) / 2
    found = bits_per_byte(kernel, Prompter(tiny.tokenizer()), ids, 2 * len(ids))
    assert abs(found - float(expected)) < 1e-3
