import json
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest
import torch
import typer
from safetensors.torch import load_file
from typer.testing import CliRunner

from models.music.gan import load_generator
from models.music.pianoroll import TRACKS
from models.registry import Registry, Version
from tests.training.music.songs import write_midi, write_phrases
from training.about import code_version
from training.music.commands import Orders, _gated, calibrate, evaluate, train
from training.music.corpus import read_corpus
from training.music.evaluation import evaluate as compare
from training.music.report import Report
from training.music.task import MusicTask
from training.promote import judge

app = typer.Typer()
app.command("music")(train)
app.command("calibrate")(calibrate)
app.command("evaluate")(evaluate)


def call(*arguments: str | Path) -> str:
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.output


@pytest.fixture(scope="module")
def songs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phrases(tmp_path_factory.mktemp("songs"))


@pytest.fixture(scope="module")
def registry(songs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A registry in which a tiny version is live; shipped versions are out of sight."""
    root = tmp_path_factory.mktemp("registry")
    patch = pytest.MonkeyPatch()
    patch.setattr("training.music.commands.Registry", partial(Registry, shipped=None))
    said = call(
        "music", "--corpus", songs, "--out", root / "run", "--preset", "tiny", "--steps", "8",
        "--registry", root, "--publish", "tiny", "--promote",
    )  # fmt: skip
    assert "is live" in said
    yield root
    patch.undo()


def test_published_version_is_whole_and_plays(registry: Path) -> None:
    version = Registry(registry, shipped=None).resolve("music", "live")
    version.verify()
    assert version.name == "tiny" and version.manifest["steps"] == 8
    assert version.manifest["code"] == code_version()
    generator = load_generator(version.path)
    assert len(generator.phrases(generator.latent(1, 2), style="rock")) == 2
    assert version.read_json("metrics.json")["figures"]["score"] > 0
    card = (version.path / "README.md").read_text()
    assert "| drums | empty bars |" in card and "private collection" in card
    pictures = sorted((version.path / "samples").iterdir())
    assert len(pictures) == 10 and all(f"(samples/{p.name})" in card for p in pictures)


def flawless(version: Version, orders: Orders, count: int) -> Report:
    """Evaluate the live version as if it made what the held-out songs hold."""
    live = load_generator(version.path)
    report = compare(live, read_corpus(orders.corpus), count=count, seed=orders.seed)
    tracks = {**report.tracks, "made": report.tracks["held-out"]}
    return replace(report, tracks=tracks)


def test_version_that_is_worse_on_the_same_songs_stays_a_candidate(
    registry: Path, songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("training.music.commands._report_of", flawless)
    said = call(
        "music", "--corpus", songs, "--out", tmp_path, "--preset", "tiny", "--steps", "1",
        "--registry", registry, "--promote", "--alias", "s3.live",
    )  # fmt: skip
    root = Registry(registry, shipped=None)
    candidate = root.resolve("music", "s3.candidate")
    assert "It was made for the alias `s3.live`." in (candidate.path / "README.md").read_text()
    assert f"The new version {candidate.name} stays a candidate: score is" in said
    assert root.resolve("music", "live").name == "tiny"
    assert json.loads((tmp_path / "outcome.json").read_text())["state"] == "refused"


@pytest.mark.parametrize(("phrases", "refused"), [(16, False), (1024, True)])
def test_few_held_out_phrases_are_no_sure_sign(phrases: int, refused: bool) -> None:
    def report(score: float, pad: float) -> Report:
        made = {track: {"empty_bars": score * 0.02} for track in TRACKS}
        made["pad"] = {"empty_bars": pad * 0.02}
        real = {track: {"empty_bars": 0.0} for track in TRACKS}
        sets = {"made": made, "held-out": real}
        return Report(sets, {}, {}, {"made": 0.9}, {}, {}, phrases)

    candidate, live = _gated(report(2.0, 3.0)), _gated(report(4.0, 2.2))
    complaints = judge(candidate, live)
    assert complaints == (["pad margins is 3 instead of 2.2"] if refused else [])


def test_training_goes_on_from_the_live_version_on_other_songs(
    registry: Path, tmp_path: Path
) -> None:
    call(
        "music", "--corpus", write_midi(tmp_path / "own"), "--out", tmp_path / "run", "--preset",
        "tiny", "--steps", "2", "--registry", registry, "--continue-from", "live", "--publish",
        "own", "--style", "ours",
    )  # fmt: skip
    version = Registry(registry, shipped=None).resolve("music", "own")
    assert version.parent == "tiny"
    assert load_generator(version.path).config.styles == ("hiphop", "rock", "ours")
    outcome = json.loads((tmp_path / "run" / "outcome.json").read_text())
    assert outcome["state"] == "finished" and outcome["version"] == "own"


def test_a_warm_start_runs_the_preset_from_a_versions_weights(
    registry: Path, songs: Path, tmp_path: Path
) -> None:
    call(
        "music", "--corpus", songs, "--out", tmp_path / "run", "--preset", "tiny", "--steps", "2",
        "--registry", registry, "--warm-start", "tiny", "--publish", "warm",
    )  # fmt: skip
    root = Registry(registry, shipped=None)
    version = root.resolve("music", "warm")
    assert version.parent == "tiny" and version.manifest["steps"] == 2
    mine, theirs = (load_file(root.resolve("music", n).path / "model.safetensors")
                    for n in ("warm", "tiny"))  # fmt: skip
    frozen = [name for name in mine if name.startswith("codec.")]
    assert frozen and all(torch.equal(mine[name], theirs[name]) for name in frozen)
    both = ("--continue-from", "tiny", "--warm-start", "tiny")
    result = CliRunner().invoke(
        app, ["music", "--corpus", str(songs), "--out", str(tmp_path / "both"), *both]
    )
    assert result.exit_code == 1 and "either --continue-from or --warm-start" in result.output


def test_calibrating_publishes_the_same_weights_played_otherwise(
    registry: Path, songs: Path
) -> None:
    said = call(
        "calibrate", "--corpus", songs, "--registry", registry, "--version", "tiny", "--publish",
        "played", "--phrases", "8",
    )  # fmt: skip
    assert "The version tiny was calibrated. It is published as played." in said
    root = Registry(registry, shipped=None)
    version = root.resolve("music", "played")
    files = [root.resolve("music", n).path / "model.safetensors" for n in ("played", "tiny")]
    assert files[0].read_bytes() == files[1].read_bytes()
    assert version.parent == "tiny" and version.manifest["steps"] == 8
    card = (version.path / "README.md").read_text()
    assert "The weights are those of version `tiny`" in card and "bars: " in card
    assert '"codec_share":' in card, "a card that outlives its parents' says how it all began"


def test_stopped_run_goes_on_as_if_it_had_not_stopped(
    songs: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    common = ("music", "--corpus", songs, "--preset", "tiny", "--steps", "5", "--out")
    call(*common, tmp_path / "whole")
    step = MusicTask.step

    def last_step(task: MusicTask) -> tuple[dict[str, float], int]:
        if task.steps_done == 2:
            (tmp_path / "cut" / "stop").touch()
        return step(task)

    with monkeypatch.context() as patch:
        patch.setattr(MusicTask, "step", last_step)
        assert "stopped after 3 steps" in call(*common, tmp_path / "cut")
    assert "ended after 5 steps" in call(*common, tmp_path / "cut", "--resume")
    whole, cut = (load_file(tmp_path / f / "checkpoint.safetensors") for f in ("whole", "cut"))
    assert all(torch.equal(whole[name], cut[name]) for name in whole)


def test_a_wish_to_stop_before_the_first_step_is_heard(songs: Path, tmp_path: Path) -> None:
    common = ("music", "--corpus", songs, "--preset", "tiny", "--steps", "3", "--out", tmp_path)
    (tmp_path / "stop").touch()
    assert "stopped after 1 steps" in call(*common)
    assert not (tmp_path / "stop").exists()


def test_evaluation_writes_tables_and_sheets(registry: Path, songs: Path, tmp_path: Path) -> None:
    said = call(
        "evaluate", "--corpus", songs, "--registry", registry, "--out", tmp_path, "--phrases", "4"
    )
    assert "| bass | empty bars |" in said
    assert {"evaluation.json", "evaluation.md", "rock.png"} <= {p.name for p in tmp_path.iterdir()}


@pytest.mark.parametrize(
    ("more", "sentence"),
    [
        (("--corpus", "/nowhere"), "There is no music collection at /nowhere."),
        (("--preset", "huge"), "There is no music preset called huge; there are cpu, gpu, tiny."),
        (("--continue-from", "old"), "There is no music model called old."),
        (("--steps", "0"), "Training needs at least one step and some time."),
    ],
)
def test_failures_are_one_sentence(
    songs: Path, tmp_path: Path, more: tuple[str, str], sentence: str
) -> None:
    arguments = {"--corpus": str(songs), "--preset": "tiny", more[0]: more[1]}
    flat = [part for pair in arguments.items() for part in pair]
    result = CliRunner().invoke(app, ["music", "--out", str(tmp_path), *flat])
    assert result.exit_code == 1
    outcome = json.loads((tmp_path / "outcome.json").read_text())
    assert (outcome["state"], outcome["sentence"]) == ("failed", sentence)
