from pathlib import Path

import numpy as np
import pytest
import torch

from models.music.habits import Calibration, Habits
from models.music.pianoroll import REGISTER, TRACKS
from tests.training.music.songs import write_phrases
from training.music import metrics
from training.music.batches import whole
from training.music.build import new_models
from training.music.calibration import Figures, _followed, calibrate
from training.music.corpus import read_corpus
from training.music.evaluation import make
from training.music.presets import read_preset


def test_calibrating_brings_a_shy_generator_nearer_to_training_songs(tmp_path: Path) -> None:
    corpus = read_corpus(write_phrases(tmp_path))
    generator = new_models(read_preset("tiny"), corpus, 1)[0].eval()
    with torch.no_grad():  # a decoder that plays too little, more so in the keys
        for track, decoder in zip(TRACKS, generator.codec.decoders, strict=True):
            last = list(decoder.children())[-1]
            assert isinstance(last, torch.nn.Linear)
            last.bias.fill_(-1.6 if track == "keys" else -0.9)
    known = corpus.part(~corpus.held_out)
    batch = whole(known, generator.config, np.arange(len(known)))
    real = metrics.track_figures(batch.roll.bool().numpy(), batch.onset.bool().numpy())
    before = metrics.distance(metrics.track_figures(*make(generator, batch, 1)), real)
    calibrate(generator, corpus, count=len(known), seed=1)
    found = generator.config.calibration
    assert found.habits is not None and found != Calibration()
    after = metrics.distance(metrics.track_figures(*make(generator, batch, 1)), real)
    assert after < before


def test_notes_that_go_on_into_a_bar_are_counted_and_followed() -> None:
    roll, onset = torch.zeros(2, 64, 144), torch.zeros(2, 64, 144)
    bass = REGISTER["bass"].first
    onset[0, 12, bass] = roll[0, 12:20, bass] = 1.0  # into the second bar
    onset[1, 16, bass] = roll[1, 16:20, bass] = 1.0  # begins with it
    assert Figures.of(roll, onset).carried.tolist() == pytest.approx([1 / 6, 0, 0, 0])
    more, fewer = Figures.of(roll, onset), Figures.of(roll[1:], onset[1:])
    habits = _followed(Habits.plain(), more, fewer, pace=1.0)
    assert habits.lines[0] < 0 == habits.lines[1]
