"""Evaluation of a music version: made phrases beside held-out, training and shuffled ones."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from models.music.gan import Generator
from models.music.pianoroll import TRACKS, Cells, Phrase
from training.music import metrics
from training.music.batches import Batch, whole
from training.music.comparison import mgeval_overlap, phrase_features, two_sample_accuracy
from training.music.corpus import Corpus
from training.music.sheet import draw_sheet

Floats = NDArray[np.float64]
COMPARED = ("made", "held-out", "training", "shuffled")


@dataclass(frozen=True, eq=False)
class Sets:
    """The four sets of equal size that are compared, each (roll, onset)."""

    made: tuple[Cells, Cells]
    held_out: tuple[Cells, Cells]
    training: tuple[Cells, Cells]
    shuffled: tuple[Cells, Cells]


def make(generator: Generator, batch: Batch, seed: int) -> tuple[Cells, Cells]:
    """Make one phrase for each condition of a batch."""
    rolls, onsets = [], []
    z = generator.latent(seed, len(batch.roll))
    with torch.inference_mode():
        for at in range(0, len(z), 256):
            rows = slice(at, at + 256)
            codes = generator.codes(z[rows], batch.condition[rows])
            roll, onset = generator.rolls(codes, batch.active[rows])
            rolls.append(roll.bool().numpy())
            onsets.append(onset.bool().numpy())
    return np.concatenate(rolls), np.concatenate(onsets)


def gather(generator: Generator, corpus: Corpus, count: int, seed: int) -> Sets:
    """Draw the sets: made phrases get the held-out phrases' conditions."""
    random = np.random.default_rng(seed)
    held, known = corpus.part(corpus.held_out), corpus.part(~corpus.held_out)
    batch = whole(held, generator.config, random.permutation(len(held))[:count])
    learnt = whole(known, generator.config, random.permutation(len(known))[:count])
    real, training = _cells(batch), _cells(learnt)
    return Sets(make(generator, batch, seed), real, training, metrics.shuffled(*real, random))


def evaluate(generator: Generator, corpus: Corpus, *, count: int = 1024, seed: int = 1) -> Report:
    """Compare a generator with a corpus."""
    sets = gather(generator, corpus, count, seed)
    pairs = (sets.made, sets.held_out, sets.training, sets.shuffled)
    named = dict(zip(COMPARED, pairs, strict=True))
    tables = {name: metrics.track_figures(*pair) for name, pair in named.items()}
    tonal = {name: metrics.tonal_distances(pair[0]) for name, pair in named.items()}
    packed = corpus.onset[~corpus.held_out]
    few = slice(0, 256)
    copying = {
        track or "whole": {
            name: _percentiles(metrics.nearest(named[name][1][few], packed, track))
            for name in ("made", "held-out")
        }
        for track in (None, *TRACKS)
    }
    features = {name: phrase_features(*pair) for name, pair in named.items()}
    told_apart = {
        name: two_sample_accuracy(features[name], features["held-out"], seed)
        for name in ("made", "training", "shuffled")
    }
    overlap = {
        name: mgeval_overlap(features[name], features["held-out"])
        for name in ("made", "training", "shuffled")
    }
    return Report(tables, tonal, copying, told_apart, overlap, len(sets.made[0]))


@dataclass(frozen=True)
class Report:
    """Every figure of an evaluation."""

    tracks: Mapping[str, Mapping[str, Mapping[str, float]]]  # set -> track -> figure
    tonal: Mapping[str, Mapping[str, float]]  # set -> pair of tracks
    nearest: Mapping[str, Mapping[str, Mapping[str, float]]]  # track or whole -> set -> percentile
    two_sample: Mapping[str, float]  # set -> accuracy against held-out
    overlap: Mapping[str, float]  # set -> MGEval overlap with held-out
    phrases: int

    @property
    def score(self) -> float:
        """Mean number of margins by which the made phrases miss the held-out ones."""
        return metrics.distance(self.tracks["made"], self.tracks["held-out"])

    def figures(self) -> dict[str, float]:
        """Give the figures a gate compares: lower is better in each."""
        made, real = self.tracks["made"], self.tracks["held-out"]
        per_track = {f"{t}_margins": metrics.distance({t: made[t]}, {t: real[t]}) for t in TRACKS}
        return {
            "score": self.score,
            **per_track,
            "silent_tracks": float(self.silent_tracks),
            "two_sample": self.two_sample["made"],
        }

    @property
    def silent_tracks(self) -> int:
        """Count tracks that are silent although held-out songs play them."""
        made, real = self.tracks["made"], self.tracks["held-out"]
        return sum(made[t]["empty_bars"] > 0.99 > real[t]["empty_bars"] for t in TRACKS)

    def json(self) -> dict[str, Any]:
        """Give everything as JSON."""
        return {
            "figures": self.figures(), "phrases": self.phrases, "tracks": self.tracks,
            "tonal_distance": self.tonal, "nearest_training_phrase": self.nearest,
            "two_sample_accuracy": self.two_sample, "mgeval_overlap": self.overlap,
        }  # fmt: skip

    def markdown(self) -> str:
        """Write the tables."""
        head = "| track | figure | " + " | ".join(COMPARED) + " |"
        lines = [head, "|---|---|" + "--:|" * len(COMPARED)]
        for track in TRACKS:
            for name in self.tracks["made"][track]:
                values = " | ".join(f"{self.tracks[s][track][name]:.3f}" for s in COMPARED)
                lines.append(f"| {track} | {name.replace('_', ' ')} | {values} |")
        for pair in self.tonal["made"]:
            values = " | ".join(f"{self.tonal[s][pair]:.3f}" for s in COMPARED)
            lines.append(f"| {pair} | tonal distance | {values} |")
        lines += [
            "",
            "| against held-out songs | made | training | shuffled |",
            "|---|--:|--:|--:|",
        ]
        for name, row in (("two-sample accuracy", self.two_sample), ("overlap", self.overlap)):
            lines.append(f"| {name} | " + " | ".join(f"{v:.3f}" for v in row.values()) + " |")
        lines += ["", "| nearest training phrase (Jaccard p50 / p95) | made | held-out |"]
        lines.append("|---|--:|--:|")
        for track, sets in self.nearest.items():
            values = " | ".join(f"{p['p50']:.2f} / {p['p95']:.2f}" for p in sets.values())
            lines.append(f"| {track} | {values} |")
        lines += ["", f"Mean margins missed: {self.score:.2f} ({self.phrases} phrases a set)."]
        return "\n".join(lines) + "\n"

    def write(self, folder: Path) -> None:
        """Write ``evaluation.json`` and ``evaluation.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        text = json.dumps(self.json(), indent=1) + "\n"
        (folder / "evaluation.json").write_text(text, encoding="utf-8")
        (folder / "evaluation.md").write_text(self.markdown(), encoding="utf-8")


def write_sheets(generator: Generator, folder: Path, count: int = 8, seed: int = 1) -> None:
    """Draw fixed-seed phrases: a sheet per style, four phrases each, for up to ``count`` styles."""
    folder.mkdir(parents=True, exist_ok=True)
    for style in list(generator.config.masks)[:count]:
        bpm = generator.config.tempos[style][1]
        z = generator.latent(seed, 4)
        sections = ["intro", "verse", "hook", "outro"]
        phrases: list[Phrase] = generator.phrases(
            z, style=style, energy=[0, 1, 3, 2], section=sections, bpm=bpm
        )
        draw_sheet(phrases, folder / f"{style}.png", columns=2)


def _cells(batch: Batch) -> tuple[Cells, Cells]:
    return batch.roll.bool().numpy(), batch.onset.bool().numpy()


def _percentiles(values: Floats) -> dict[str, float]:
    return {"p50": float(np.percentile(values, 50)), "p95": float(np.percentile(values, 95))}
