from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModelForCausalLM
from typer.testing import CliRunner

from models.registry import Registry
from tests.training.essays.made_up import TOPICS, write_corpus
from tests.training.essays.short import short_essays
from training.__main__ import app
from training.essays import commands
from training.essays.pipeline import Finished, Orders, train
from training.runs import progress, read_outcome

_STAGE = re.compile(r"^\d\d:\d\d:\d\d .*\n", re.M)


def call(*words: object) -> tuple[int, str]:
    """Run a command; the output comes without the stages that it names."""
    result = CliRunner().invoke(app, [str(w) for w in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, _STAGE.sub("", result.output)


@pytest.fixture(autouse=True)
def not_nicer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave the priority of the test process alone."""
    monkeypatch.setattr("training.essays.commands.os.nice", lambda _: 0)


@pytest.fixture(scope="module", autouse=True)
def brief() -> Iterator[None]:
    with short_essays():
        yield


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_corpus(tmp_path_factory.mktemp("corpus"))


@pytest.fixture(scope="module")
def house(corpus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A registry with a tiny version, trained by the command itself."""
    folder = tmp_path_factory.mktemp("house")
    code, output = call(
        *("essay", "--preset", "tiny", "--corpus", corpus, "--out", folder / "run"),
        *("--registry", folder / "registry", "--publish", "tiny", "--essays", 0),
    )
    assert code == 0, output
    return folder


def test_a_version_is_published_with_all_that_belongs_to_it(house: Path) -> None:
    version = Registry(house / "registry", None).resolve("essay", "tiny")
    version.verify()
    files = set(version.manifest["files"])
    assert {"config.json", "model.safetensors", "tokenizer.json", "lexicon.json"} <= files
    assert {"metrics.json", "README.md", "generation.json", "runs.npz"} <= files
    assert version.read_json("generation.json")["longest_copy"] == 8
    assert version.manifest["styles"] == ["argument"]
    assert version.manifest["splits"]["unseen"] == 12
    assert re.fullmatch("[0-9a-f]{16}", version.manifest["code"])
    assert all((version.path / file).stat().st_mode & 0o044 == 0o044 for file in files)
    model = AutoModelForCausalLM.from_pretrained(version.path)
    assert model.dtype == torch.float32
    card = (version.path / "README.md").read_text()
    assert "made-up | 60 |" in card and "bits per byte" in card
    assert "It was trained from nothing." in card and "| pretrain | 30 |" in card
    assert "**why is the sky blu** (seed 9)\n\n> " in card and "(seed 10)" in card
    assert "![bits-per-byte](figures/bits-per-byte.png)" in card
    assert "figures/bits-per-byte.png" in files
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
    assert outcome["figures"]["essays_written"] == 8.0
    assert {"repeated_sentences", "longest_copy_p95"} <= set(outcome["figures"])
    tempered = json.loads((out / "own" / "tempered.json").read_text(encoding="utf-8"))
    best = min(tempered.values())  # of the way from the parent: what is published is there
    assert outcome["figures"]["bits_per_byte_seen"] == pytest.approx(best, rel=1e-3)
    after = Registry(house / "registry", None)
    assert after.resolve("essay").name == outcome["version"] != "tiny"
    assert after.resolve("essay").parent == "tiny"
    with (
        np.load(after.resolve("essay", "tiny").path / "runs.npz", allow_pickle=False) as before,
        np.load(after.resolve("essay").path / "runs.npz", allow_pickle=False) as both,
    ):  # a style copies neither its own essays nor its parent's
        assert len(before.files) == 1 and len(both.files) == 2
        assert (both[before.files[0]] == before[before.files[0]]).all()


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
        *("--registry", tmp_path / "registry", "--publish", "tiny", "--essays", 0, "--steps", 20),
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
    wikitext = tmp_path / "wiki.valid.tokens"
    wikitext.write_text(" = Rain = \n \n The rain and the <unk> of the garden . \n" * 4)
    code, output = call(
        *("evaluate", "essay", "--corpus", corpus, "--version", "tiny", "--essays", 9),
        *("--registry", house / "registry", "--out", tmp_path, "--words", 60),
        *("--wikitext", wikitext),
    )
    assert code == 0, output
    report = json.loads((tmp_path / "evaluation.json").read_text())
    assert set(report["held_out"]) == {"unseen", "seen", "wikitext-2"}
    row = report["held_out"]["seen"]
    assert row["ratio"] == pytest.approx(row["bits_per_byte"] / row["ngram_bits_per_byte"])
    for model in ("model", "5-gram"):
        assert report["wikitext"][model]["tokens"] == 4 * (4 + 1 + 10)
        assert report["wikitext"][model]["unk"] == 4
        assert 5 < report["wikitext"][model]["perplexity"] < 1e7  # it read no encyclopedia
    samples = report["samples"]
    assert samples["people, unseen topics"]["essays"] == 5
    assert samples["people, seen topics"]["essays"] == 4
    assert samples["model, unseen topics"]["length_within_5_percent"] == 1.0
    assert set(samples) >= {"model, seen topics", "5-gram, unseen topics"}
    for row in samples.values():
        assert 0 <= row["topic_found_of_20"] <= 1
        assert 0 <= row["plan_in_paragraph"] <= row["plan_in_essay"] <= 1
        assert row["longest_copy_median"] <= row["longest_copy_p95"] <= row["longest_copy_max"]
    assert 0 <= samples["people, seen topics"]["told_from_people"] <= 1
    assert len(report["copied"]["people, seen topics"]) == 4
    assert set(report["topics"]["Rainy days"]) == {"model", "people", "5-gram"}
    markdown = (tmp_path / "evaluation.md").read_text()
    assert markdown.startswith("| held-out text |") and "| told from people |" in markdown
    for name in ("bits-per-byte", "copied", "repetition", "topics"):
        assert f"![{name}]({name}.png)" in markdown
        assert (tmp_path / f"{name}.png").read_bytes().startswith(b"\x89PNG")


def test_an_examination_without_its_packages_ends_before_it_begins(
    house: Path, corpus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.essays.embedding.find_spec", lambda name: None)
    words = ("evaluate", "essay", "--corpus", corpus, "--version", "tiny")
    code, output = call(*words, "--registry", house / "registry")
    assert code == 1
    assert output.strip() == (
        "The examination of essays needs the package scikit-learn of requirements-dev.txt."
    )


def test_a_finished_run_is_published_later(house: Path, corpus: Path, tmp_path: Path) -> None:
    about = tmp_path / "about.md"
    about.write_text("Licence: CC0\nMade up.\n\n## What it does badly\nEverything.\n")
    before = sorted(p.name for p in (house / "run").iterdir())
    words = (
        *("publish", "essay", "--run", house / "run", "--name", "later", "--about", about),
        *("--corpus", corpus, "--registry", house / "registry", "--essays", 2, "--words", 60),
        *("--no-baseline", "--no-retrieval"),
    )
    code, output = call(*words)
    assert code == 0, output
    assert output.strip() == "The phase best was finished. It is published as later."
    assert sorted(p.name for p in (house / "run").iterdir()) == before
    registry = Registry(house / "registry", None)
    later, tiny = registry.resolve("essay", "later"), registry.resolve("essay", "tiny")
    weights = "model.safetensors"
    assert later.manifest["files"][weights] == tiny.manifest["files"][weights]
    card = (later.path / "README.md").read_text()
    assert card.index("## Held-out figures") < card.index("## What it does badly\nEverything.")
    assert card.index("## What it does badly") < card.index("## Ten samples, not chosen")
    assert "| told from people |" in card or "| rep 4 |" in card
    code, output = call(*words)
    assert code == 1 and output.strip() == "essay later exists already."


def test_a_warm_start_names_its_parent(house: Path, corpus: Path, tmp_path: Path) -> None:
    registry = ("--registry", house / "registry")
    code, output = call(
        *("essay", "--preset", "tiny", "--corpus", corpus, "--out", tmp_path, "--steps", 4),
        *("--warm-start", "tiny", *registry),
    )
    assert code == 0, output
    (tmp_path / "run.json").unlink()  # as of a run before there was one
    words = (
        *("publish", "essay", "--run", tmp_path, "--corpus", corpus, "--essays", 0, *registry),
        *("--preset", "tiny", "--no-baseline"),
    )
    code, output = call(*words, "--name", "orphan")
    assert code == 1 and "has no tokenizer.json; name its parent." in output
    code, output = call(*words, "--name", "warm", "--warm-start", "tiny", "--phase", "pretrain")
    assert code == 0, output
    warm = Registry(house / "registry", None).resolve("essay", "warm")
    assert warm.parent == "tiny" and warm.manifest["adapted"] is False
    assert (
        "Continued from tiny, whose weights all phases began with"
        in (warm.path / "README.md").read_text()
    )


def test_an_unfinished_run_or_another_corpus_is_one_sentence(
    house: Path, corpus: Path, tmp_path: Path
) -> None:
    words = ("publish", "essay", "--name", "no", "--registry", house / "registry", "--essays", 0)
    code, output = call(*words, "--run", tmp_path / "none", "--corpus", corpus)
    assert code == 1 and output.strip() == f"There is no run in {tmp_path / 'none'}."
    run = house / "run"
    code, output = call(*words, "--run", run, "--corpus", corpus, "--phase", "essays")
    assert code == 1
    assert output.strip() == (
        f"The run in {run} has no finished phase essays; finished so far: pretrain, best."
    )
    other = write_corpus(tmp_path / "other", seed=3)
    code, output = call(*words, "--run", run, "--corpus", other)
    assert code == 1 and output.strip() == f"The run in {run} was trained on another corpus."


def test_a_style_of_its_own_is_promoted_under_its_own_alias(house: Path, tmp_path: Path) -> None:
    Registry(house / "registry", None).move_alias("essay", "live", "tiny")
    more = write_corpus(tmp_path / "own", 30, seed=9, topics=TOPICS[4:])
    words = (
        *("essay", "--preset", "tiny", "--corpus", more, "--steps", 40, "--promote"),
        *("--continue-from", "tiny", "--registry", house / "registry"),
    )
    code, output = call(*words, "--out", tmp_path / "run", "--alias", "s12.live")
    assert code == 0 and " is live for s12: bits per byte" in output, output
    after = Registry(house / "registry", None)
    assert after.resolve("essay").name == "tiny"
    own = after.resolve("essay", "s12.live")
    assert "It was made for the alias `s12.live`." in (own.path / "README.md").read_text()
    code, output = call(*words, "--out", tmp_path / "run2", "--alias", "candidate")
    assert code == 1 and output.strip() == (
        "'candidate' cannot be moved: give live, or a name as in s12.live."
    )


def test_a_new_run_in_an_old_folder_reads_its_own_corpus(corpus: Path, tmp_path: Path) -> None:
    out, other = tmp_path / "run", write_corpus(tmp_path / "other", seed=1)
    words = ("essay", "--preset", "tiny", "--steps", 2, "--out", out)
    assert call(*words, "--corpus", corpus)[0] == 0
    before = (out / "tokenizer.json").read_bytes()
    assert call(*words, "--corpus", other)[0] == 0
    assert (out / "tokenizer.json").read_bytes() != before
