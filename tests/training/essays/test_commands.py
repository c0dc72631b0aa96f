from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from models.registry import Registry
from tests.training.essays.made_up import TOPICS, write_corpus
from training.__main__ import app
from training.essays import commands
from training.essays.pipeline import Finished, Orders, train
from training.runs import progress, read_outcome


def call(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


@pytest.fixture(autouse=True)
def not_nicer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the priority of the test process alone."""
    monkeypatch.setattr("training.essays.commands.os.nice", lambda _: 0)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def house(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a tiny version, trained by the command itself."""
    folder = tmp_path_factory.mktemp("house")
    code, output = call(
        *("essay", "--preset", "tiny", "--corpus", corpus, "--out", folder / "run"),
        *("--registry", folder / "registry", "--publish", "tiny"),
    )
    assert code == 0, output
    return folder


def test_a_version_is_published_with_all_that_belongs_to_it(house: Path) -> None:
    version = Registry(house / "registry", None).resolve("essay", "tiny")
    version.verify()
    files = set(version.manifest["files"])
    assert {"config.json", "model.safetensors", "tokenizer.json", "lexicon.json"} <= files
    assert {"metrics.json", "README.md", "generation.json"} <= files
    assert version.manifest["styles"] == ["argument"]
    assert version.manifest["splits"]["unseen"] == 12
    model = AutoModelForCausalLM.from_pretrained(version.path)
    assert model.dtype == torch.float32
    card = (version.path / "README.md").read_text()
    assert "made-up | 60 |" in card and "bits per byte" in card
    held_out = version.read_json("metrics.json")["held_out"]
    assert held_out["seen"]["bits_per_byte"] < 2.5
    assert {line["phase"] for line in progress(house / "run")} == {"pretrain", "best"}
    outcome = read_outcome(house / "run")
    assert outcome is not None and outcome["state"] == "finished" and outcome["version"] == "tiny"


def test_continuing_is_gated_and_goes_live(house: Path, tmp_path: Path) -> None:
    Registry(house / "registry", None).move_alias("essay", "live", "tiny")
    more = write_corpus(tmp_path / "own", 30, seed=9, topics=TOPICS[4:])  # held out before
    out = tmp_path / "run"
    code, output = call(
        *("essay", "--preset", "tiny", "--corpus", more, "--out", out, "--steps", 40),
        *("--continue-from", "tiny", "--registry", house / "registry", "--promote"),
    )
    assert code == 0, output
    outcome = read_outcome(out)
    assert outcome is not None
    assert outcome["state"] == "promoted", outcome
    assert outcome["figures"]["essays_written"] == 3.0
    after = Registry(house / "registry", None)
    assert after.resolve("essay").name == outcome["version"] != "tiny"
    assert after.resolve("essay").parent == "tiny"


def test_a_ruined_candidate_is_refused(
    house: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    Registry(house / "registry", None).move_alias("essay", "live", "tiny")

    def ruin(orders: Orders) -> Finished:
        finished = train(orders)
        with torch.no_grad():
            finished.model.project.weight.mul_(-1)
        return finished

    monkeypatch.setattr(commands, "train_phases", ruin)
    more = write_corpus(tmp_path / "own", 30, seed=9)
    code, _ = call(
        *("essay", "--preset", "tiny", "--corpus", more, "--out", tmp_path / "run", "--steps", 2),
        *("--continue-from", "tiny", "--registry", house / "registry", "--promote"),
    )
    outcome = read_outcome(tmp_path / "run")
    assert code == 0 and outcome is not None
    assert outcome["state"] == "refused"
    assert "stays a candidate: bits per byte" in outcome["sentence"]
    assert Registry(house / "registry", None).resolve("essay").name == "tiny"


def test_a_stopped_run_is_not_published_and_can_go_on(corpus: Path, tmp_path: Path) -> None:
    words = (
        *("essay", "--preset", "tiny", "--corpus", corpus, "--out", tmp_path / "run"),
        *("--registry", tmp_path / "registry", "--publish", "tiny", "--steps", 20),
    )
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "stop").touch()
    assert call(*words)[0] == 0
    outcome = read_outcome(tmp_path / "run")
    assert outcome is not None and outcome["state"] == "stopped"
    assert Registry(tmp_path / "registry", None).versions("essay") == []
    assert call(*words, "--resume")[0] == 0
    assert Registry(tmp_path / "registry", None).resolve("essay", "tiny").name == "tiny"


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "The corpus has 0 usable English texts; at least 8 are needed."),
        ({"a.txt": "Too short."}, "The corpus has 0 usable English texts; at least 8 are needed."),
        ({"a.zip": "no zip"}, "a.zip is not a readable zip file."),
    ],
)
def test_an_unusable_corpus_is_one_sentence(
    tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    (tmp_path / "corpus").mkdir()
    for name, text in files.items():
        (tmp_path / "corpus" / name).write_text(text)
    code, output = call(
        *("essay", "--preset", "tiny", "--corpus", tmp_path / "corpus", "--out", tmp_path / "run")
    )
    assert code == 1
    assert output.strip() == sentence
    outcome = json.loads((tmp_path / "run" / "outcome.json").read_text())
    assert (outcome["state"], outcome["sentence"]) == ("failed", sentence)


def test_a_corpus_without_essays_is_one_sentence(corpus: Path, tmp_path: Path) -> None:
    lines = (corpus / "essays.jsonl").read_text().splitlines()
    general = [json.dumps({**json.loads(line), "style": "speech"}) for line in lines]
    (tmp_path / "corpus").mkdir()
    (tmp_path / "corpus" / "speeches.jsonl").write_text("\n".join(general))
    code, output = call(
        *("essay", "--preset", "tiny", "--corpus", tmp_path / "corpus", "--out", tmp_path / "run")
    )
    assert code == 1 and output.strip() == "The corpus has no essays to learn from."


def test_an_unknown_preset_or_version_is_one_sentence(corpus: Path, tmp_path: Path) -> None:
    code, output = call("essay", "--preset", "vast", "--corpus", corpus, "--out", tmp_path)
    assert code == 1 and output.strip() == "There is no preset vast; there are: cpu, gpu, tiny."
    code, output = call(
        *("essay", "--corpus", corpus, "--out", tmp_path, "--continue-from", "nobody"),
        *("--registry", tmp_path / "registry"),
    )
    assert code == 1 and output.strip() == "There is no essay model called nobody."


def test_evaluation_sets_the_model_beside_the_ngram_and_people(
    house: Path, corpus: Path, tmp_path: Path
) -> None:
    code, output = call(
        *("evaluate", "essay", "--corpus", corpus, "--version", "tiny", "--essays", 3),
        *("--registry", house / "registry", "--out", tmp_path, "--words", 60),
    )
    assert code == 0, output
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(report["held_out"]) == {"unseen", "seen"}
    row = report["held_out"]["seen"]
    assert row["ratio"] == pytest.approx(row["bits_per_byte"] / row["ngram_bits_per_byte"])
    assert report["samples"]["people, seen topics"]["texts"] == 3
    assert set(report["samples"]) >= {"model, seen topics", "5-gram"}
    assert (tmp_path / "evaluation.md").read_text().startswith("| held-out text |")
