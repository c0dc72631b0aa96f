from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.music.gan import ENERGIES
from tests.training.music.songs import write_phrases
from training.music.batches import draw, whole
from training.music.build import new_models
from training.music.corpus import Corpus, read_corpus, read_takes
from training.music.presets import Preset, read_preset


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_phrases(tmp_path_factory.mktemp("phrases"))


@pytest.fixture(scope="module")
def corpus(folder: Path) -> Corpus:
    return read_corpus(folder)


@pytest.fixture(scope="module")
def preset() -> Preset:
    return read_preset("tiny")


def test_other_takes_replace_drums_only(corpus: Corpus, folder: Path, preset: Preset) -> None:
    takes = read_takes(folder, corpus.styles)
    random = [np.random.default_rng(3) for _ in range(2)]
    config = new_models(preset, corpus, 1)[0].config
    plain = draw(corpus, takes, config, replace(preset.recipe.mixing, other_drums=0), random[0])
    mixed = draw(corpus, takes, config, replace(preset.recipe.mixing, other_drums=1), random[1])
    assert torch.equal(plain.onset[..., 12:], mixed.onset[..., 12:])
    rock = mixed.condition[:, 1] == 1
    assert 0 < rock.sum() < len(rock)
    assert (mixed.onset[rock][..., :12].sum((1, 2)) == 32).all()
    assert torch.equal(plain.onset[~rock], mixed.onset[~rock])


def test_same_step_draws_the_same_batch(corpus: Corpus, folder: Path, preset: Preset) -> None:
    takes, config = read_takes(folder, corpus.styles), new_models(preset, corpus, 1)[0].config
    one, other, next_one = (
        draw(corpus, takes, config, preset.recipe.mixing, np.random.default_rng([1, step]))
        for step in (4, 4, 5)
    )
    assert torch.equal(one.roll, other.roll) and torch.equal(one.given, other.given)
    assert not torch.equal(one.roll, next_one.roll)


def test_conditions_describe_the_phrases(corpus: Corpus, preset: Preset) -> None:
    config = new_models(preset, corpus, 1)[0].config
    rows = np.arange(8)
    batch = whole(corpus, config, rows)
    assert batch.condition.shape == (8, config.condition_size)
    assert batch.condition[:, :2].argmax(1).tolist() == corpus.style[rows].tolist()
    energy = batch.condition[:, 2 : 2 + ENERGIES].argmax(1)
    assert energy.tolist() == corpus.energy[rows].tolist()
    assert batch.condition[0, -5:].tolist() == [1, 1, 1, 0, 0]
    assert batch.given.sum() == 0


def test_given_tracks_are_tracks_that_play(corpus: Corpus, folder: Path, preset: Preset) -> None:
    takes, config = read_takes(folder, corpus.styles), new_models(preset, corpus, 1)[0].config
    mixing = replace(preset.recipe.mixing, given=1.0, size=64)
    batch = draw(corpus, takes, config, mixing, np.random.default_rng(0))
    assert (batch.given.sum(1) <= 1).all() and batch.given.sum() > 30
    assert (batch.given <= batch.active).all()


def test_a_song_that_samples_another_is_given_that_track(
    corpus: Corpus, folder: Path, preset: Preset
) -> None:
    sampling = replace(corpus, originals={str(g): 2 for g in np.unique(corpus.group)})
    config = new_models(preset, corpus, 1)[0].config
    mixing = replace(preset.recipe.mixing, size=200, given=1.0)
    takes = read_takes(folder, corpus.styles)
    batch = draw(sampling, takes, config, mixing, np.random.default_rng(5))
    assert batch.given[:, 2].sum() == 200 and batch.given.sum() == 200
