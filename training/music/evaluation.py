"""Evaluation of a music version: made phrases beside real, shuffled and baseline ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.music.gan import Generator
from models.music.pianoroll import BARS, CELLS, LENGTH, TRACKS, Cells
from training.music import metrics
from training.music.arranged import arranged, phrase_pairs
from training.music.batches import Batch, whole
from training.music.comparison import (
    Names,
    half_of_songs,
    mgeval,
    phrase_features,
    two_sample_accuracy,
)
from training.music.corpus import Corpus, Ints
from training.music.markov import MarkovBand
from training.music.report import COMPARED, Report, StyleReport
from training.music.tells import accuracy_by_track, tells

Floats = NDArray[np.float64]
Pair = tuple[Cells, Cells]
FAR = (4, 8)  # bars between what is compared in whole songs
_FEWEST = 8  # phrases a style needs for a table of its own
_NEAREST = 256  # phrases whose nearest training phrase is looked for
_DRAWS = 3  # halves by which sets are told apart song by song
_SONGS = 64  # phrases for each song that is arranged


@dataclass(frozen=True, eq=False)
class Sets:
    """The sets of equal size that are compared, each (roll, onset), and what they are of.

    Made and Markov phrases have the held-out phrases' styles, and shuffled ones too.
    """

    made: Pair
    held_out: Pair
    training: Pair
    shuffled: Pair
    markov: Pair
    style: Ints
    training_style: Ints
    group: NDArray[np.str_]
    training_group: NDArray[np.str_]

    @property
    def named(self) -> dict[str, Pair]:
        """Give the sets by the names that tables have for them."""
        pairs = (self.made, self.training, self.held_out, self.shuffled, self.markov)
        return dict(zip(COMPARED, pairs, strict=True))


def make(generator: Generator, batch: Batch, seed: int) -> Pair:
    """Make one phrase for each condition of a batch."""
    rolls, onsets = [], []
    z = generator.latent(seed, len(batch.roll))
    with torch.inference_mode():
        for at in range(0, len(z), 256):
            rows = slice(at, at + 256)
            codes = generator.codes(z[rows], batch.condition[rows])
            roll, onset = generator.played(codes, batch.condition[rows])
            rolls.append(roll.bool().numpy())
            onsets.append(onset.bool().numpy())
    return np.concatenate(rolls), np.concatenate(onsets)


def gather(generator: Generator, corpus: Corpus, band: MarkovBand, count: int, seed: int) -> Sets:
    """Draw the sets: made phrases get the held-out phrases' conditions."""
    random = np.random.default_rng(seed)
    held, known = corpus.part(corpus.held_out), corpus.part(~corpus.held_out)
    rows, learnt = (random.permutation(len(part))[:count] for part in (held, known))
    batch = whole(held, generator.config, rows)
    real, training = _cells(batch), _cells(whole(known, generator.config, learnt))
    active = batch.active.bool().numpy()
    return Sets(
        make(generator, batch, seed), real, training,
        _shuffled_by_style(real, held.style[rows], random),
        band.play(held.style[rows], active, BARS, random),
        held.style[rows], known.style[learnt], held.group[rows], known.group[learnt],
    )  # fmt: skip


def evaluate(generator: Generator, corpus: Corpus, *, count: int = 1024, seed: int = 1) -> Report:
    """Compare a generator with a corpus."""
    known = corpus.part(~corpus.held_out)
    band = MarkovBand(known)
    sets = gather(generator, corpus, band, count, seed)
    named = sets.named
    songs = arranged(generator, _song_styles(sets, corpus.styles), seed)
    tables = _with_far(
        {name: metrics.track_figures(*pair) for name, pair in named.items()},
        _far(songs, corpus, band, sets, seed),
    )
    features = {name: phrase_features(*pair) for name, pair in named.items()}
    real = features.pop("held-out")
    halves = real[::2], real[1::2]

    def against(measure: Callable[[Floats, Floats], Any]) -> dict[str, Any]:
        found = {name: measure(mine, real) for name, mine in features.items()}
        found["held-out"] = measure(*halves)
        return {name: found[name] for name in COMPARED}

    return Report(
        tables,
        {name: metrics.tonal_distances(pair[0]) for name, pair in named.items()},
        _copying(sets, known),
        against(lambda a, b: two_sample_accuracy(a, b, seed)),
        against(mgeval),
        _by_style(sets, corpus.styles),
        len(sets.made[0]),
        against(lambda a, b: accuracy_by_track(a, b, seed)),
        tells(features["made"], real),
        {t: metrics.in_scale(songs.reshape(-1, LENGTH, CELLS), t) for t in metrics.PITCHED},
        by_song(features, real, sets, seed),
    )


def by_song(
    features: Mapping[str, Floats], real: Floats, sets: Sets, seed: int
) -> dict[str, float]:
    """Tell each set from the held-out one by a network that meets no song twice."""
    half = half_of_songs(sets.group, seed)
    pairs: dict[str, tuple[Floats, Floats, tuple[Names | None, Names | None]]] = {
        name: (mine, real, (None, sets.group)) for name, mine in features.items()
    }
    pairs["training"] = (features["training"], real, (sets.training_group, sets.group))
    pairs["held-out"] = (real[half], real[~half], (sets.group[half], sets.group[~half]))
    return {
        name: float(np.mean([
            two_sample_accuracy(one, other, seed + draw, songs) for draw in range(_DRAWS)
        ]))
        for name, (one, other, songs) in ((name, pairs[name]) for name in COMPARED)
    }  # fmt: skip


def _shuffled_by_style(real: Pair, style: Ints, random: np.random.Generator) -> Pair:
    """Shuffle bars among all phrases, but keep each style's phrases together."""
    roll, onset = (plane.copy() for plane in real)
    for one in np.unique(style).tolist():
        rows = np.flatnonzero(style == one)
        roll[rows], onset[rows] = metrics.shuffled(roll[rows], onset[rows], random)
    return roll, onset


def _song_styles(sets: Sets, styles: tuple[str, ...]) -> list[str]:
    """Choose the styles of the songs that are arranged, as the held-out phrases have them."""
    return [styles[i] for i in sets.style[: max(2, len(sets.style) // _SONGS)].tolist()]


def _far(
    songs: Cells, corpus: Corpus, band: MarkovBand, sets: Sets, seed: int
) -> dict[str, dict[str, dict[str, float]]]:
    """Give each set's similarity at four and eight bars: {set: {track: {figure: value}}}."""
    random = np.random.default_rng(seed + 1)
    count = len(sets.style)
    everyone = np.ones((count, len(TRACKS)), np.bool_)
    chained = band.play(sets.style, everyone, max(FAR) + BARS, random)[1]
    chained = chained.reshape(count, -1, LENGTH, CELLS)
    order = random.permutation(count)
    found: dict[str, dict[str, dict[str, float]]] = {name: {} for name in COMPARED}
    for bars in FAR:
        pairs = {
            "made": phrase_pairs(songs, bars),
            "training": _real_pairs(corpus.part(~corpus.held_out), bars, count, random),
            "held-out": _real_pairs(corpus.part(corpus.held_out), bars, count, random),
            "shuffled": (sets.shuffled[1], sets.shuffled[1][order]),
            "Markov": phrase_pairs(chained, bars),
        }
        for name, (before, after) in pairs.items():
            for track in TRACKS:
                figures = found[name].setdefault(track, {})
                figures[f"similarity_{bars}"] = metrics.likeness(before, after, track)
    return found


def _real_pairs(part: Corpus, bars: int, count: int, random: np.random.Generator) -> Pair:
    before, after = part.apart(bars)
    chosen = random.permutation(len(before))[:count]
    first, second = (part.cells(rows[chosen])[1].astype(np.bool_) for rows in (before, after))
    return first, second


def _with_far(
    tables: Mapping[str, Mapping[str, Mapping[str, float]]],
    far: Mapping[str, Mapping[str, Mapping[str, float]]],
) -> dict[str, dict[str, dict[str, float]]]:
    return {
        name: {track: {**figures, **far[name][track]} for track, figures in table.items()}
        for name, table in tables.items()
    }


def _copying(sets: Sets, known: Corpus) -> dict[str, dict[str, dict[str, float]]]:
    """Look for the nearest training phrases, of training phrases among other songs."""
    named = {name: pair[1][:_NEAREST] for name, pair in sets.named.items()}
    groups = [
        sets.training_group[: len(cells)] if name == "training" else np.repeat("", len(cells))
        for name, cells in named.items()
    ]
    onset = np.concatenate(list(named.values()))
    best = metrics.nearest(onset, known.onset, (np.concatenate(groups), known.group))
    ends = np.cumsum([len(cells) for cells in named.values()])[:-1]
    return {
        part: {
            name: _percentiles(mine)
            for name, mine in zip(named, np.split(values, ends), strict=True)
        }
        for part, values in best.items()
    }


def _by_style(sets: Sets, styles: tuple[str, ...]) -> dict[str, StyleReport]:
    """Make the tables of every style that has enough held-out and training phrases."""
    found = {}
    for number, style in enumerate(styles):
        mine, learnt = sets.style == number, sets.training_style == number
        if min(mine.sum(), learnt.sum()) < _FEWEST:
            continue
        tables = {
            name: metrics.track_figures(*(plane[learnt if name == "training" else mine]
                                          for plane in pair))
            for name, pair in sets.named.items()
        }  # fmt: skip
        found[style] = StyleReport(int(mine.sum()), tables)
    return found


def _cells(batch: Batch) -> Pair:
    return batch.roll.bool().numpy(), batch.onset.bool().numpy()


def _percentiles(values: Floats) -> dict[str, float]:
    return {"p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95))}
