"""The transcriber's small networks are learnt from rendered songs, whose notes are known."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.linalg import block_diag
from torch import nn

from models.music.transcriber.drums import DRUMS, SOUNDS, drum_activity, drum_features, hits_of
from models.music.transcriber.net import Ears, Matrix, Net
from models.music.transcriber.notes import (
    Scene,
    find_candidates,
    judge,
    note_features,
    notes_of,
)
from models.music.transcriber.parts import PARTS, part_features
from models.music.transcriber.pitches import FRAME, LOWEST, Pitches
from models.music.transcriber.spectrum import BANDS, broad_bands, semitones

WINDOW = 0.05  # seconds an onset may be off and still count, as in the literature
_QUIET = 0.4  # share of the frames without a stroke that are learnt from
_KEPT_BACK = 9  # one clip of so many chooses the thresholds
_BATCH = 1024
_HIDDEN = {"notes": (64, 24), "drums": (128, 48), "parts": (48, 24)}
_JUDGES = 3  # networks whose mean opinion on a note counts
_TILT = 0.1  # how much the tone of a recording is changed while drums are learnt


class TooLittleHeard(Exception):
    """Excerpts teach nothing; the message is one plain sentence."""


@dataclass(frozen=True, eq=False)
class Clip:
    """A rendered excerpt with what is true of it: rows of start, end, pitch, part or -1 (drums)."""

    sound: Matrix
    pitches: Pitches
    truth: NDArray[np.float64]

    @property
    def pitched(self) -> NDArray[np.float64]:
        """Give the pitched notes; two parts in unison are one note."""
        rows = self.truth[self.truth[:, 3] >= 0]
        rows = rows[np.lexsort((rows[:, 0], rows[:, 2]))]
        if len(rows) < 2:
            return rows
        again = (np.diff(rows[:, 2]) == 0) & (np.diff(rows[:, 0]) < WINDOW)
        return np.asarray(rows[np.concatenate([[True], ~again])], np.float64)

    def strokes(self, drum: str) -> NDArray[np.float64]:
        """Give the times at which a drum is hit."""
        rows = self.truth[(self.truth[:, 3] < 0) & np.isin(self.truth[:, 2], SOUNDS[drum])]
        return np.asarray(np.unique(rows[:, 0]), np.float64)


def learn(
    clips: Sequence[Clip], *, seed: int = 1, say: Callable[[str], None] = lambda _: None
) -> Ears:
    """Fit the three networks one after the other, and choose the drums' thresholds."""
    torch.manual_seed(seed)
    kept_back = [clip for index, clip in enumerate(clips) if index % _KEPT_BACK == 0]
    clips = [clip for index, clip in enumerate(clips) if index % _KEPT_BACK]
    bands = [broad_bands(clip.sound) for clip in clips]
    drums = _fit(*_drum_rows(clips, bands), _HIDDEN["drums"], epochs=14, seed=seed, tilted=True)
    say("drums are learnt")
    blank = Net(np.zeros(1, np.float32), np.ones(1, np.float32), (), ())
    ears = Ears(blank, drums, blank, np.full(len(DRUMS), 0.5, np.float32))
    scenes = [
        Scene(clip.pitches, semitones(clip.sound), drum_activity(b, ears))
        for clip, b in zip(clips, bands, strict=True)
    ]
    rows = _note_rows(clips, scenes)
    notes = together(
        [_fit(*rows, _HIDDEN["notes"], epochs=5, seed=seed + number) for number in range(_JUDGES)]
    )
    say("notes are learnt")
    ears = Ears(notes, drums, blank, ears.drum_thresholds)
    parts = _fit(*_part_rows(clips, scenes, ears), _HIDDEN["parts"], epochs=12, seed=seed,
                 one_of_many=True)  # fmt: skip
    say("parts are learnt")
    return _with_thresholds(Ears(notes, drums, parts, ears.drum_thresholds), kept_back)


def _with_thresholds(ears: Ears, clips: Sequence[Clip]) -> Ears:
    """Choose the drums' thresholds that give clips which were not learnt from the best F1."""
    grid = np.arange(0.3, 0.65, 0.05).astype(np.float32)
    strokes = np.zeros((len(grid), len(DRUMS), 2))  # right, and true and found together
    for clip in clips:
        bands = broad_bands(clip.sound)
        activity = drum_activity(bands, ears)
        for index, threshold in enumerate(grid):
            level = replace(ears, drum_thresholds=np.full(len(DRUMS), threshold, np.float32))
            hits = hits_of(activity, bands, level)
            for column, drum in enumerate(DRUMS):
                times = np.array([h.start for h in hits if h.drum == drum], np.float64)
                true = np.stack([clip.strokes(drum)] + [np.zeros(len(clip.strokes(drum)))] * 2, 1)
                right = match(true, times, np.zeros(len(times), np.int64)) >= 0
                strokes[index, column] += right.sum(), len(true) + len(times)
    best = grid[np.argmax(strokes[..., 0] / np.maximum(strokes[..., 1], 1), axis=0)]
    return replace(ears, drum_thresholds=best)


def _drum_rows(clips: Sequence[Clip], bands: Sequence[Matrix]) -> tuple[Matrix, Matrix]:
    features, wanted = [], []
    random = np.random.default_rng(1)
    for clip, band in zip(clips, bands, strict=True):
        target = np.zeros((len(band), len(DRUMS)), np.float32)
        for column, drum in enumerate(DRUMS):
            frames = np.rint(clip.strokes(drum) / FRAME).astype(int)
            for step, value in ((-1, 0.4), (1, 0.4), (0, 1.0)):
                near = frames[(frames + step >= 0) & (frames + step < len(band))] + step
                target[near, column] = np.maximum(target[near, column], value)
        rows = target.any(axis=1) | (random.random(len(target)) < _QUIET)
        features.append(drum_features(band)[rows])
        wanted.append(target[rows])
    return np.concatenate(features), np.concatenate(wanted)


def _note_rows(clips: Sequence[Clip], scenes: Sequence[Scene]) -> tuple[Matrix, Matrix]:
    features, wanted = [], []
    for clip, scene in zip(clips, scenes, strict=True):
        frame, column = find_candidates(scene.pitches)
        features.append(note_features(scene, frame, column))
        found = match(clip.pitched, (frame * FRAME).astype(np.float64), column + LOWEST)
        wanted.append((found >= 0).astype(np.float32)[:, None])
    return np.concatenate(features), np.concatenate(wanted)


def _part_rows(clips: Sequence[Clip], scenes: Sequence[Scene], ears: Ears) -> tuple[Matrix, Matrix]:
    features, wanted = [], []
    for clip, scene in zip(clips, scenes, strict=True):
        notes = notes_of(scene, judge(scene, ears), 0.5)
        if not notes or not len(clip.pitched):
            continue
        starts, pitches = (np.array([getattr(n, f) for n in notes]) for f in ("start", "pitch"))
        found = match(clip.pitched, starts, pitches)
        features.append(part_features(notes, scene)[found >= 0])
        part = clip.pitched[found[found >= 0], 3].astype(int)
        wanted.append(np.eye(len(PARTS), dtype=np.float32)[part])
    if not features:
        raise TooLittleHeard("Too few notes could be heard to learn from; play more excerpts.")
    return np.concatenate(features), np.concatenate(wanted)


def match(
    truth: NDArray[np.float64], starts: NDArray[np.float64], pitches: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Give each found note the true one of its pitch that it is nearest to, -1 for none."""
    found = np.full(len(starts), -1, np.int64)
    for index, row in enumerate(truth):
        away = np.abs(starts - row[0]) + 9.0 * ((pitches != row[2]) | (found >= 0))
        if len(away) and away.min() <= WINDOW:
            found[int(np.argmin(away))] = index
    return found


def together(nets: Sequence[Net]) -> Net:
    """Lay networks of one shape side by side as one, whose logits are the mean of theirs."""
    last = len(nets[0].weights) - 1
    weights, biases = [], []
    for layer in range(last + 1):
        held = [net.weights[layer] for net in nets]
        if layer == 0:
            weights.append(np.concatenate(held, axis=1))
        elif layer < last:
            weights.append(block_diag(*held).astype(np.float32))
        else:
            weights.append(np.concatenate(held) / np.float32(len(nets)))
        told = [net.biases[layer] for net in nets]
        whole = np.mean(told, axis=0) if layer == last else np.concatenate(told)
        biases.append(whole.astype(np.float32))
    return Net(nets[0].mean, nets[0].scale, tuple(weights), tuple(biases))


def _fit(
    features: Matrix, wanted: Matrix, hidden: tuple[int, ...], *, epochs: int, seed: int,
    one_of_many: bool = False, tilted: bool = False,
) -> Net:  # fmt: skip
    """Fit a small network to rows; inputs are standardised, and blurred while it learns."""
    mean, scale = features.mean(axis=0), 1 / (features.std(axis=0) + 1e-3)
    x, y = torch.from_numpy((features - mean) * scale), torch.from_numpy(wanted)
    sizes = (x.shape[1], *hidden, y.shape[1])
    layers = [nn.Linear(a, b) for a, b in pairwise(sizes)]
    stack: list[nn.Module] = [layers[0]]
    for layer in layers[1:]:
        stack += [nn.ReLU(), nn.Dropout(0.1), layer]
    net = nn.Sequential(*stack).train()
    steps = epochs * -(-len(x) // _BATCH)
    optimiser = torch.optim.AdamW(net.parameters(), lr=1e-3, weight_decay=2e-2)
    rate = torch.optim.lr_scheduler.OneCycleLR(optimiser, 8e-3, total_steps=steps)
    random = torch.Generator().manual_seed(seed)
    for _ in range(epochs):
        for rows in torch.randperm(len(x), generator=random).split(_BATCH):  # type: ignore[no-untyped-call]
            blurred = x[rows] + 0.1 * torch.randn(x[rows].shape, generator=random)
            if tilted:  # the same change of tone in every frame that the network sees
                tilt = torch.randn((len(rows), BANDS), generator=random)
                blurred += _TILT * tilt.repeat(1, x.shape[1] // BANDS)
            out = net(blurred)
            if one_of_many:
                loss = nn.functional.cross_entropy(out, y[rows])
            else:
                loss = nn.functional.binary_cross_entropy_with_logits(out, y[rows])
            optimiser.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimiser.step()
            rate.step()
    weights = tuple(layer.weight.detach().T.numpy().copy() for layer in layers)
    biases = tuple(layer.bias.detach().numpy().copy() for layer in layers)
    return Net(mean, scale, weights, biases)
