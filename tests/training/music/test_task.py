import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.music.habits import Calibration
from tests.training.music.songs import write_phrases
from training.music.build import new_models
from training.music.corpus import Corpus, read_corpus, read_takes
from training.music.presets import Preset, read_preset
from training.music.task import CODEC_SCORE, MusicTask


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phrases(tmp_path_factory.mktemp("phrases"))


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return read_corpus(folder)


@pytest.fixture(scope="module")
def preset() -> Preset:
    return read_preset("tiny")


@pytest.fixture
def task(corpus: Corpus, folder: Path, preset: Preset) -> MusicTask:
    takes = read_takes(folder, corpus.styles)
    return MusicTask(corpus, takes, *new_models(preset, corpus, 1), preset.recipe, seed=1)


def trained(task: MusicTask, upto: int, steps: int = 12) -> MusicTask:
    for step in range(task.steps_done, upto):
        task.fraction_done = step / steps
        task.step()
    return task


def same(one: MusicTask, other: MusicTask) -> bool:
    mine, theirs = one.tensors(), other.tensors()
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


def test_resumed_run_has_the_weights_of_an_uninterrupted_one(
    corpus: Corpus, folder: Path, preset: Preset
) -> None:
    def fresh(seed: int) -> MusicTask:
        takes = read_takes(folder, corpus.styles)
        return MusicTask(corpus, takes, *new_models(preset, corpus, seed), preset.recipe, seed=1)

    whole = trained(fresh(1), 9)
    resumed = fresh(1)
    for stop in (2, 3, 6, 9):  # in the codec's part, at the switch, twice in the GAN's
        tensors = {k: v.clone() for k, v in trained(resumed, stop).tensors().items()}
        facts = json.loads(json.dumps(resumed.facts()))
        resumed = fresh(stop)  # other first weights, so that all must come from the checkpoint
        resumed.restore(tensors, facts)
    assert same(whole, resumed)


def test_codec_learns_then_stands_still_while_the_gan_plays(task: MusicTask) -> None:
    trained(task, 3)
    assert task.evaluate()["score"] > CODEC_SCORE
    before = {k: v.clone() for k, v in task.generator.state_dict().items()}
    trained(task, 6)
    after = task.generator.state_dict()
    assert all(torch.equal(after[k], v) for k, v in before.items() if k.startswith("codec."))
    assert not torch.equal(after["shared.enter.weight"], before["shared.enter.weight"])
    assert task.evaluate()["score"] < CODEC_SCORE


def test_codec_learns_to_repeat_a_collection(task: MusicTask) -> None:
    first = task.step()[0]["loss"]
    for _ in range(40):
        task.fraction_done = 0.01
        loss = task.step()[0]["loss"]
    assert loss < first / 1.5


def test_sheet_is_drawn(task: MusicTask, tmp_path: Path) -> None:
    task.sample(tmp_path, 7)
    assert (tmp_path / "sheet-000007.png").read_bytes().startswith(b"\x89PNG")


def test_moments_pull_made_figures_towards_real_ones(
    corpus: Corpus, folder: Path, preset: Preset
) -> None:
    generator, judge = new_models(preset, corpus, 1)
    with torch.no_grad():  # an untrained codec plays nothing; let this one play something
        for decoder in generator.codec.decoders:
            last = list(decoder.children())[-1]
            assert isinstance(last, torch.nn.Linear)
            last.bias.fill_(-0.5)
    takes = read_takes(folder, corpus.styles)
    recipe = replace(preset.recipe, moments=20.0, warm_up=1, rate=5e-3)
    task = MusicTask(corpus, takes, generator, judge, recipe, seed=1, trained_codec=True)
    gaps = [task.step()[0]["moments"] for _ in range(40)]
    assert sum(gaps[-3:]) < 0.9 * sum(gaps[:3])


def test_training_plays_without_calibration(corpus: Corpus, folder: Path, preset: Preset) -> None:
    generator, judge = new_models(preset, corpus, 1)
    played = Calibration(0.5, (1.0,) * 5, (1.0,) * 5)
    generator.config = replace(generator.config, calibration=played)
    takes = read_takes(folder, corpus.styles)
    task = MusicTask(corpus, takes, generator, judge, preset.recipe, seed=1, trained_codec=True)
    assert task.generator.config.calibration == Calibration() == task.average.config.calibration
