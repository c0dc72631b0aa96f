"""What gives a set of phrases away: each track alone, and each counted feature alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.stats import rankdata

from models.music.pianoroll import TRACKS
from training.music.comparison import Floats, feature_names, two_sample_accuracy

_MOST = 10  # features told of each track


@dataclass(frozen=True)
class Tell:
    """One feature of a set beside the same of another."""

    feature: str
    above: float  # how often a phrase of the set has more of it than one of the other; half: alike
    mean: float
    other_mean: float


def accuracy_by_track(one: Floats, other: Floats, seed: int) -> dict[str, float]:
    """Give how well a small network tells the sets apart that sees one track alone."""
    return {
        track: two_sample_accuracy(one[:, columns], other[:, columns], seed)
        for track, columns in _columns().items()
    }


def tells(one: Floats, other: Floats) -> dict[str, list[Tell]]:
    """List each track's features that differ most between the sets, the clearest first."""
    names = feature_names()
    found = {}
    for track, columns in _columns().items():
        told = [
            Tell(
                names[column].removeprefix(f"{track} "),
                above(one[:, column], other[:, column]),
                float(one[:, column].mean()),
                float(other[:, column].mean()),
            )
            for column in columns
        ]
        found[track] = sorted(told, key=lambda tell: -abs(tell.above - 0.5))[:_MOST]
    return found


def above(one: Floats, other: Floats) -> float:
    """Give how often a value of one set is above one of the other; equal ones count half."""
    ranks = rankdata(np.concatenate([one, other]))[: len(one)]
    return float((ranks.sum() - len(one) * (len(one) + 1) / 2) / (len(one) * len(other)))


def tells_markdown(found: Mapping[str, list[Tell]]) -> str:
    """Write a table of what gives made phrases away."""
    rows = [
        f"| {track} | {tell.feature} | {tell.above:.3f} | {tell.mean:.2f} | {tell.other_mean:.2f} |"
        for track, listed in found.items()
        for tell in listed
    ]
    return "\n".join([
        "## What gives made phrases away", "",
        "Above: how often a made phrase has more of it than a held-out one; .5 tells nothing.", "",
        "| track | feature | above | made | held-out |", "|---|---|--:|--:|--:|", *rows, "",
    ])  # fmt: skip


def _columns() -> dict[str, list[int]]:
    names = feature_names()
    return {
        track: [number for number, name in enumerate(names) if name.split()[0] == track]
        for track in TRACKS
    }
