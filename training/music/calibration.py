"""Set how a finished generator is played, so that its phrases have the training songs' figures.

A generator makes its bars a little too unlike one another, and codes that no real phrase has decode
to fewer notes than were meant. Neither needs training: the latents of single bars are weakened and
the logits of each track lifted as far as brings the figures nearest to those of training songs.
Held-out songs are not looked at.
"""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import torch

from models.music.gan import Calibration, Generator
from models.music.pianoroll import TRACKS
from training.music import metrics
from training.music.batches import Batch, whole
from training.music.corpus import Corpus

_BARS = (1.0, 0.85, 0.7, 0.6, 0.5)
_STARTS = (0.0, 0.5, 1.0, 1.5)
_HOLDS = (0.0, 0.5, 1.0)
Table = dict[str, dict[str, float]]


def calibrate(generator: Generator, corpus: Corpus, *, count: int = 512, seed: int = 1) -> None:
    """Find the calibration of a generator on a corpus's training songs and give it to it."""
    known = corpus.part(~corpus.held_out)
    rows = np.random.default_rng([seed, 5]).permutation(len(known))[:count]
    batch = whole(known, generator.config, rows)
    real = metrics.track_figures(batch.roll.bool().numpy(), batch.onset.bool().numpy())
    tried = [Calibration(bars) for bars in _BARS]
    tables = [_played(generator, batch, calibration, seed) for calibration in tried]
    bars = tried[int(np.argmin([metrics.distance(table, real) for table in tables]))].bars
    lifts = list(itertools.product(_STARTS, _HOLDS))
    tables = [_played(generator, batch, _lifted(bars, *pair), seed) for pair in lifts]
    chosen = [
        lifts[int(np.argmin([metrics.distance({t: x[t]}, {t: real[t]}) for x in tables]))]
        for t in TRACKS
    ]
    starts, holds = zip(*chosen, strict=True)
    generator.config = replace(generator.config, calibration=Calibration(bars, starts, holds))


def _lifted(bars: float, starts: float, holds: float) -> Calibration:
    return Calibration(bars, (starts,) * len(TRACKS), (holds,) * len(TRACKS))


def _played(generator: Generator, batch: Batch, calibration: Calibration, seed: int) -> Table:
    """Give the figures of phrases for a batch's conditions, played in one way."""
    generator.config = replace(generator.config, calibration=calibration)
    with torch.inference_mode():
        codes = generator.codes(generator.latent(seed, len(batch.roll)), batch.condition)
        made = generator.rolls(codes, batch.active, calibrated=True)
    return metrics.track_figures(*(plane.bool().numpy() for plane in made))
