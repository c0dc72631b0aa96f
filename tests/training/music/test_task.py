import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from models.music.gan import save_generator
from tests.training.music.songs import write_phrases
from training.music.adversary import Augmentation, Music, codec_loss, pairing_loss
from training.music.batches import draw
from training.music.build import models_of, new_models, save_judge
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


def test_published_models_go_on_with_new_styles(
    task: MusicTask, corpus: Corpus, preset: Preset, tmp_path: Path
) -> None:
    sizes = save_judge(task.discriminator, preset.judge, tmp_path)
    save_generator(task.average, tmp_path, {"judge": sizes})
    more = read_corpus(write_phrases(tmp_path / "songs"), styles=(*corpus.styles, "mine"))
    generator, judge = models_of(tmp_path, more)
    assert generator.config.styles == ("hiphop", "rock", "mine")
    old, new = task.average.embed[0].weight, generator.embed[0].weight
    assert torch.equal(new[:, :2], old[:, :2]) and torch.equal(new[:, 3:], old[:, 2:])
    assert torch.allclose(new[:, 2], old[:, :2].mean(1))
    takes = read_takes(tmp_path / "songs", more.styles)
    continued = MusicTask(more, takes, generator, judge, preset.recipe, seed=1, trained_codec=True)
    assert "discriminator" in continued.step()[0]


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


def test_augmentation_turns_whole_bars_and_silences_tracks(task: MusicTask) -> None:
    batch = draw(
        task.training, task.takes, task.generator.config, task.recipe.mixing,
        np.random.default_rng(0),
    )  # fmt: skip
    codec = task.generator.codec
    music = Music(codec.encode(batch.roll, batch.onset), batch.roll, batch.onset)
    count = len(batch.roll)
    change = Augmentation(torch.ones(count, dtype=torch.long), torch.eye(5)[[0] * count])
    changed = change.apply(music, task.generator)
    assert torch.equal(changed.roll[:, :48, 12:], batch.roll[:, 16:, 12:])
    assert changed.onset[..., :12].sum() == 0
    drums = codec.track_codes(changed.codes)[0]
    silence = codec.track_codes(codec.silence())[0].expand_as(drums)
    assert torch.allclose(drums, silence)


def test_pairing_loss_falls_as_the_winner_rises() -> None:
    even = torch.zeros(4, 8)
    weights = torch.full((8,), 1 / 8)
    assert pairing_loss(even, even, weights).item() == pytest.approx(np.log(2))
    assert pairing_loss(even + 2, even, weights) < pairing_loss(even, even, weights)


def test_codec_loss_asks_for_sustain_only_after_sound() -> None:
    roll, starts = torch.zeros(1, 64, 144), torch.zeros(1, 64, 144)
    roll[0, 0:2, 50], starts[0, 0, 50] = 1, 1
    onset = torch.where(starts > 0, 30.0, -30.0)
    sustain = torch.full_like(onset, 30.0)  # wrong everywhere, but asked at two cells only
    assert codec_loss(onset, sustain, roll, starts).item() == pytest.approx(30.0, rel=1e-3)
    sustain[0, 2, 50] = -30.0
    assert codec_loss(onset, sustain, roll, starts).item() == pytest.approx(0.0, abs=1e-3)
