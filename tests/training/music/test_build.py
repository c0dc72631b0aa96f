from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.music.gan import save_generator
from models.registry import Registry
from tests.training.music.songs import write_phrases
from training.music.build import (
    describe,
    judge_sizes,
    models_of,
    new_models,
    save_judge,
    style_names,
)
from training.music.corpus import read_corpus
from training.music.presets import Judge, read_preset


def test_config_describes_the_corpus(tmp_path: Path) -> None:
    corpus = read_corpus(write_phrases(tmp_path))
    config = describe(read_preset("tiny").generator, corpus)
    assert config.styles == ("hiphop", "rock")
    assert config.tempos == {"hiphop": (90.0, 90.0, 90.0), "rock": (140.0, 140.0, 140.0)}
    assert set(config.masks["rock"]) == {"7", "15"}  # with and without a lead
    assert sum(config.masks["rock"].values()) == pytest.approx(1, abs=1e-3)


def test_same_seed_makes_the_same_models(tmp_path: Path) -> None:
    corpus, preset = read_corpus(write_phrases(tmp_path)), read_preset("tiny")
    one, other = (new_models(preset, corpus, 3)[0].state_dict() for _ in range(2))
    assert all(torch.equal(one[name], other[name]) for name in one)


def test_published_models_go_on_with_new_styles(tmp_path: Path) -> None:
    preset, corpus = read_preset("tiny"), read_corpus(write_phrases(tmp_path / "old"))
    first, discriminator = new_models(preset, corpus, 1)
    save_generator(first, tmp_path, {"judge": save_judge(discriminator, tmp_path)})
    more = read_corpus(write_phrases(tmp_path / "songs"), styles=(*corpus.styles, "mine"))
    generator, judge = models_of(tmp_path, more)
    assert generator.config.styles == ("hiphop", "rock", "mine")
    old, new = (made.get_parameter("embed.0.weight") for made in (first, generator))
    assert torch.equal(new[:, :2], old[:, :2]) and torch.equal(new[:, 3:], old[:, 2:])
    assert torch.allclose(new[:, 2], old[:, :2].mean(1))
    assert style_names(tmp_path) == ["hiphop", "rock"]
    assert judge.get_parameter("embed.0.weight").shape == new.shape


def test_a_head_that_counts_is_added_to_a_version_without_one(tmp_path: Path) -> None:
    preset, corpus = read_preset("tiny"), read_corpus(write_phrases(tmp_path / "songs"))
    old = replace(preset, judge=replace(preset.judge, counts=False))
    first, discriminator = new_models(old, corpus, 1)
    save_generator(first, tmp_path, {"judge": save_judge(discriminator, tmp_path)})
    assert judge_sizes(tmp_path) == old.judge
    assert models_of(tmp_path, corpus)[1].counts is None
    grown = models_of(tmp_path, corpus, preset.judge)[1]
    assert grown.counts is not None
    kept = discriminator.state_dict()
    assert all(torch.allclose(grown.state_dict()[n], v, atol=1e-3) for n, v in kept.items())
    with pytest.raises(ValueError, match="has other sizes than the version's"):
        models_of(tmp_path, corpus, replace(preset.judge, width=32))


@pytest.mark.parametrize("sizes", [None, read_preset("cpu").judge])
def test_the_shipped_version_goes_on(tmp_path: Path, sizes: Judge | None) -> None:
    folder = Registry().resolve("music").path
    corpus = read_corpus(write_phrases(tmp_path), style_names(folder))
    generator, judge = models_of(folder, corpus, sizes)
    assert list(generator.config.styles) == style_names(folder)
    assert judge.sizes["counts"], "it was trained with the head, and keeps it"
