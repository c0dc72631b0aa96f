"""The precisions of the engine on held-out essays, with a tiny version."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from benchmarks.essay_precision import app, held_out, stepped
from models.essay.eightbit import kernel_for
from models.essay.lstm import EssayLSTM
from models.essay.precision import Precision
from models.registry import Registry
from tests.training.essays.made_up import write_corpus
from training.essays.scoring import likelihood


def test_the_engines_step_scores_essays_as_training_does(
    base_registry: Path, tmp_path: Path
) -> None:
    version = Registry(base_registry, None).resolve("essay")
    sets = held_out(version, write_corpus(tmp_path / "corpus", seed=1), documents=6)
    assert set(sets) == {"unseen", "seen"}
    kernel = kernel_for(
        EssayLSTM.from_pretrained(version.path), torch.device("cpu"), Precision.FP32
    )
    for packed in sets.values():
        wanted = likelihood(EssayLSTM.from_pretrained(version.path), packed)
        found = stepped(kernel, packed)
        assert found.document_nats == pytest.approx(wanted.document_nats, rel=1e-4)
        assert found.bits_per_byte == pytest.approx(wanted.bits_per_byte, rel=1e-4)
        assert (found.words, found.tokens) == (wanted.words, wanted.tokens)


def test_every_precision_is_set_beside_the_first(base_registry: Path, tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", seed=1)
    words = ("--corpus", corpus, "--registry", base_registry, "--documents", 3)
    result = CliRunner().invoke(app, [str(w) for w in (*words, "--out", tmp_path / "out.json")])
    assert result.exit_code == 0, result.output
    rows = json.loads((tmp_path / "out.json").read_text())["rows"]
    assert [row["precision"] for row in rows] == ["fp32", "fp32", "int8", "int8"]
    for row in rows:
        assert 0 < row["documents"] <= 3 and row["ratio_from"] <= row["ratio"] <= row["ratio_to"]
        assert abs(row["ratio"] - 1) < 0.02
    assert all(row["ratio"] == 1 for row in rows[:2])
