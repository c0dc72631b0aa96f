from dataclasses import replace
from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from torch import nn

from models.music.codec import CodecConfig
from models.music.gan import (
    GanConfig,
    Generator,
    load_generator,
    save_generator,
    tempo_band,
)
from models.music.habits import Calibration, Habits
from models.music.pianoroll import TRACKS, Note, Phrase

CONFIG = GanConfig(
    styles=("hiphop", "rock"),
    codec=CodecConfig(codes=(6, 4, 6, 5, 5), width=16, blocks=1),
    width=24,
    private_width=16,
    blocks=1,
    private_blocks=1,
    masks={"rock": {"15": 0.7, "31": 0.3}},
    tempos={"rock": (90.0, 120.0, 150.0)},
)


@pytest.fixture(scope="module")
def generator() -> Generator:
    torch.manual_seed(3)
    made = Generator(CONFIG)
    with torch.no_grad():  # an untrained decoder plays nothing; let this one play something
        for decoder in made.codec.decoders:
            cast(nn.Linear, cast(nn.Sequential, decoder)[-1]).bias.zero_()
    return made.eval()


def alike(one: Phrase, other: Phrase) -> bool:
    return np.array_equal(one.roll, other.roll) and np.array_equal(one.onset, other.onset)


def test_same_seed_makes_the_same_phrases(generator: Generator) -> None:
    made = [generator.phrases(generator.latent(5, 3), style="hiphop") for _ in range(2)]
    assert all(alike(*pair) for pair in zip(*made, strict=True))
    other = generator.phrases(generator.latent(6, 3), style="hiphop")
    assert not any(alike(*pair) for pair in zip(made[0], other, strict=True))


def test_conditions_matter(generator: Generator) -> None:
    z = generator.latent(5)
    plain = generator.phrases(z, style="hiphop")[0]
    assert not alike(plain, generator.phrases(z, style="rock", tracks=TRACKS)[0])
    assert not alike(plain, generator.phrases(z, style="hiphop", energy=0)[0])
    assert not alike(plain, generator.phrases(z, style="hiphop", section="outro")[0])
    assert not alike(plain, generator.phrases(z, style="hiphop", bpm=170)[0])


def test_tracks_play_as_told(generator: Generator) -> None:
    first, second = generator.phrases(
        generator.latent(5, 2), style="rock", tracks=[("drums",), ("bass", "lead")]
    )
    assert [track for track in TRACKS if not first.silent(track)] == ["drums"]
    assert [track for track in TRACKS if not second.silent(track)] == ["bass", "lead"]
    usual = generator.phrases(generator.latent(5), style="rock")[0]
    assert usual.silent("pad") and not usual.silent("lead")


def test_given_tracks_are_kept_and_heard(generator: Generator) -> None:
    riff = Phrase.from_notes({"keys": [Note(step, 60, 2) for step in range(0, 64, 4)]})
    z = generator.latent(5)
    around = generator.phrases(z, style="hiphop", given=riff, given_tracks=("keys",))[0]
    assert around.notes("keys") == riff.notes("keys")
    free = generator.phrases(z, style="hiphop")[0]
    assert around.notes("drums") != free.notes("drums")


def test_nudge_keeps_the_distribution(generator: Generator) -> None:
    z = generator.latent(1, 64)
    assert torch.equal(generator.nudge(z, 0.0, 2), z)
    near, far = generator.nudge(z, 0.2, 2), generator.nudge(z, 0.9, 2)
    assert (near - z).norm() < (far - z).norm()
    assert near.std().item() == pytest.approx(1.0, abs=0.03)


def test_renew_changes_one_tracks_bar_only(generator: Generator) -> None:
    z = generator.latent(1)
    changed = (generator.renew(z, 9, tracks=("drums",), bars=(3,)) != z).nonzero()[:, 1]
    start = CONFIG.shared_static + 4 * CONFIG.shared_bar + CONFIG.private_static
    bar = CONFIG.private_bar
    assert changed.tolist() == list(range(start + 3 * bar, start + 4 * bar))


def test_saved_generator_is_the_same(generator: Generator, tmp_path: Path) -> None:
    save_generator(generator, tmp_path, {"judge": {"width": 8}})
    loaded = load_generator(tmp_path)
    assert loaded.config == CONFIG
    z = generator.latent(5, 2)
    pairs = zip(generator.phrases(z, style="rock"), loaded.phrases(z, style="rock"), strict=True)
    assert all(alike(*pair) for pair in pairs)


def test_calibration_weakens_bars_and_lifts_tracks(generator: Generator, tmp_path: Path) -> None:
    starts, holds = (0.0, 0.0, 4.0, 0.0, 0.0), (0.0, 0.0, 4.0, 0.0, 0.0)
    config = replace(CONFIG, calibration=Calibration(0.5, starts, holds))
    calibrated = Generator(config).eval()
    calibrated.load_state_dict(generator.state_dict())
    z, weak = generator.latent(2), calibrated.latent(2)
    static = CONFIG.shared_static
    assert torch.equal(z[:, :static], weak[:, :static])
    bars = slice(static, static + 4 * CONFIG.shared_bar)
    assert torch.allclose(weak[:, bars], z[:, bars] / 2)
    plain, lifted = (g.phrases(z, style="rock")[0] for g in (generator, calibrated))
    assert len(lifted.notes("keys")) > 1.2 * len(plain.notes("keys"))
    assert lifted.notes("bass") == plain.notes("bass")
    save_generator(calibrated, tmp_path)
    assert load_generator(tmp_path).config == config


def test_habits_are_kept_with_a_version_and_change_how_it_plays(
    generator: Generator, tmp_path: Path
) -> None:
    config = replace(CONFIG, calibration=Calibration(habits=Habits.plain()))
    habitual = Generator(config).eval()
    habitual.load_state_dict(generator.state_dict())
    save_generator(habitual, tmp_path)
    loaded = load_generator(tmp_path)
    assert loaded.config == config
    z = generator.latent(2)
    plain, played, again = (g.phrases(z, style="rock")[0] for g in (generator, habitual, loaded))
    assert alike(played, again) and not alike(plain, played)


def test_a_style_may_have_habits_of_its_own(generator: Generator, tmp_path: Path) -> None:
    general = Habits.plain()
    busier = replace(general, rows=tuple(row + 2 for row in general.rows))
    config = replace(CONFIG, calibration=Calibration(habits=general, styles={"rock": busier}))
    both = Generator(config).eval()
    both.load_state_dict(generator.state_dict())
    save_generator(both, tmp_path)
    assert load_generator(tmp_path).config == config
    one = Generator(replace(CONFIG, calibration=Calibration(habits=general))).eval()
    one.load_state_dict(generator.state_dict())
    z, (rock, other) = generator.latent(2), sorted(CONFIG.styles, key=lambda name: name != "rock")
    assert both.phrases(z, style=rock)[0].onset.sum() > one.phrases(z, style=rock)[0].onset.sum()
    assert alike(both.phrases(z, style=other)[0], one.phrases(z, style=other)[0])


def test_tempo_bands() -> None:
    assert [tempo_band(bpm) for bpm in (60, 80, 99, 110, 125, 180)] == [0, 1, 1, 2, 3, 3]
