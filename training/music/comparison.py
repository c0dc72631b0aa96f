"""How alike two sets of phrases are: features of each phrase, and two measures on them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from models.music.pianoroll import BARS, DRUMS, REGISTERS, STEPS, Cells
from training.music import metrics

Floats = NDArray[np.float64]
Names = NDArray[np.str_]
_BINS = 30


def phrase_features(roll: Cells, onset: Cells) -> Floats:
    """Describe each phrase by numbers a musician would count, per track: [phrases, features]."""
    columns: list[Floats] = []
    for register in REGISTERS:
        starts = onset[:, :, register.columns]
        by_step = starts.sum(2).astype(np.float64)
        by_bar = by_step.reshape(len(starts), BARS, -1)
        columns += [by_step.sum(1, keepdims=True), by_bar.sum(2).std(1, keepdims=True)]
        columns.append(by_bar.mean(1))  # where in the bar notes start
        if register.track == "drums":
            columns.append(starts.sum(1).astype(np.float64))
        else:
            sounding = roll[:, :, register.columns]
            classes = metrics.chroma(onset, register.track).sum(1).astype(np.float64)
            height = (starts.sum(1) * np.arange(register.size)).sum(1, keepdims=True)
            columns += [
                classes, sounding.sum(2).mean(1, keepdims=True),
                height / np.maximum(starts.sum((1, 2))[:, None], 1),
                sounding.sum((1, 2))[:, None] / np.maximum(starts.sum((1, 2))[:, None], 1),
            ]  # fmt: skip
        bars = metrics.song_bars(onset, register.track)
        both = (bars[:, 1:] & bars[:, :-1]).sum(-1)
        columns.append(both / np.maximum((bars[:, 1:] | bars[:, :-1]).sum(-1), 1))
    return np.concatenate(columns, 1)


def feature_names() -> list[str]:
    """Name the columns of ``phrase_features``, the track first."""
    named: list[str] = []
    for register in REGISTERS:
        columns = ["notes", "spread of notes over bars"]
        columns += [f"starts on step {step + 1}" for step in range(STEPS)]
        if register.track == "drums":
            columns += [drum.name for drum in DRUMS]
        else:
            columns += [f"pitch class {number}" for number in range(12)]
            columns += ["sounding", "height", "length"]
        columns += [f"likeness of bars {bar + 1} and {bar + 2}" for bar in range(BARS - 1)]
        named += [f"{register.track} {column}" for column in columns]
    return named


def two_sample_accuracy(
    one: Floats, other: Floats, seed: int, songs: tuple[Names | None, Names | None] = (None, None)
) -> float:
    """Accuracy of a small network that tells the sets apart, on halves it has not seen.

    A half means the sets look alike to it; one means it always sees the difference. Where the
    songs of a set's phrases are told, no song lies in both halves: else the network knows the
    other half of a song again, and tells apart sets of real songs.
    """
    size = min(len(one), len(other))
    if size < 2:
        return 0.5  # of so few nothing can be told
    x = torch.from_numpy(np.concatenate([one[:size], other[:size]])).float()
    x = (x - x.mean(0)) / x.std(0).clamp(min=1e-6)
    y = torch.cat([torch.ones(size), torch.zeros(size)])
    random = torch.Generator().manual_seed(seed)
    half = torch.randperm(2 * size, generator=random) % 2 == 0
    for row, names in enumerate(songs):
        if names is not None:
            part = half_of_songs(names[:size], seed)
            half[row * size : (row + 1) * size] = torch.from_numpy(part)
    if half.all() or not half.any():
        return 0.5  # of too few songs nothing can be told
    right = [_tell_apart(x, y, part, random) for part in (half, ~half)]
    return float(np.mean(right))


def half_of_songs(songs: Names, seed: int) -> NDArray[np.bool_]:
    """Choose about half of the phrases, song by song."""
    names, counts = np.unique(songs, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(names))
    chosen, balance = [], 0
    for number in order[np.argsort(-counts[order], kind="stable")]:  # the longest songs first
        sign = 1 if balance <= 0 else -1
        balance += sign * int(counts[number])
        if sign > 0:
            chosen.append(names[number])
    return np.isin(songs, chosen)


def _tell_apart(x: Tensor, y: Tensor, train: Tensor, random: torch.Generator) -> float:
    weights = [
        (torch.randn(i, o, generator=random) / i**0.5).requires_grad_()
        for i, o in ((x.shape[1], 32), (32, 1))
    ]
    biases = [torch.zeros(32, requires_grad=True), torch.zeros(1, requires_grad=True)]

    def judge(rows: Tensor) -> Tensor:
        hidden = torch.relu(rows @ weights[0] + biases[0])
        judged: Tensor = (hidden @ weights[1] + biases[1]).squeeze(1)
        return judged

    optimiser = torch.optim.AdamW([*weights, *biases], lr=1e-2, weight_decay=0.05)
    for _ in range(150):
        loss = nn.functional.binary_cross_entropy_with_logits(judge(x[train]), y[train])
        optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        optimiser.step()
    with torch.no_grad():
        return float(((judge(x[~train]) > 0) == (y[~train] > 0.5)).float().mean())


@dataclass(frozen=True)
class Distances:
    """MGEval: how the distances within a set compare with those to another, mean over features."""

    overlap: float  # 1 is the same
    kld: float  # nats; 0 is the same


def mgeval(one: Floats, other: Floats, size: int = 200) -> Distances:
    """Compare distances within ``one`` with distances between ``one`` and ``other``.

    After Yang and Lerch (2020), with histograms of 30 bins in place of kernel densities; half a
    count more in each bin keeps the divergence finite.
    """
    one, other = one[:size], other[:size]
    upper = np.triu_indices(len(one), 1)
    overlaps, divergences = [], []
    for a, b in zip(one.T, other.T, strict=True):
        within = np.abs(a[:, None] - a[None])[upper]
        between = np.abs(a[:, None] - b[None]).ravel()
        top = max(within.max(), between.max())
        if top > 0:
            counts = [np.histogram(d, _BINS, (0, top))[0] for d in (within, between)]
            p, q = (count / count.sum() for count in counts)
            overlaps.append(np.minimum(p, q).sum())
            p, q = ((count + 0.5) / (count.sum() + _BINS / 2) for count in counts)
            divergences.append(float((p * np.log(p / q)).sum()))
    if not overlaps:
        return Distances(1.0, 0.0)
    return Distances(float(np.mean(overlaps)), float(np.mean(divergences)))
