"""The small networks of the transcriber: a few matrices each, kept in one file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

EARS = Path(__file__).with_name("ears.npz")
Matrix = NDArray[np.float32]


@dataclass(frozen=True, eq=False)
class Net:
    """Layers with rectifiers between them; inputs are standardised, outputs are logits."""

    mean: Matrix
    scale: Matrix
    weights: tuple[Matrix, ...]
    biases: tuple[Matrix, ...]

    def logits(self, features: Matrix) -> Matrix:
        """Judge rows of features: [rows, outputs]."""
        x = (features - self.mean) * self.scale
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = (np.maximum(x, 0) if index else x) @ weight + bias
        return x

    def probabilities(self, features: Matrix) -> Matrix:
        """Judge rows of features, each output for itself: 0..1."""
        return sigmoid(self.logits(features))

    def arrays(self, name: str) -> dict[str, Matrix]:
        """Give the arrays to keep under a name."""
        kept = {f"{name}.mean": self.mean, f"{name}.scale": self.scale}
        for index, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            kept[f"{name}.{index}.weight"], kept[f"{name}.{index}.bias"] = weight, bias
        return kept


@dataclass(frozen=True, eq=False)
class Ears:
    """Everything the transcriber has learnt beside basic-pitch."""

    notes: Net  # is this candidate a note?
    drums: Net  # which drum is hit in this frame?
    parts: Net  # which part plays this note?
    drum_thresholds: Matrix

    def save(self, path: Path) -> None:
        """Write one file of plain arrays."""
        arrays = {
            **self.notes.arrays("notes"), **self.drums.arrays("drums"),
            **self.parts.arrays("parts"),
            "drum_thresholds": self.drum_thresholds,
        }  # fmt: skip
        with path.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)


def sigmoid(x: Matrix) -> Matrix:
    """Turn logits into probabilities."""
    return (1 / (1 + np.exp(-np.clip(x, -30, 30)))).astype(np.float32)


@lru_cache(maxsize=2)
def load_ears(path: Path = EARS) -> Ears:
    """Read what was learnt."""
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    return Ears(
        _net(arrays, "notes"), _net(arrays, "drums"), _net(arrays, "parts"),
        arrays["drum_thresholds"],
    )  # fmt: skip


def _net(arrays: Mapping[str, Matrix], name: str) -> Net:
    count = sum(key.startswith(f"{name}.") and key.endswith(".weight") for key in arrays)
    weights = tuple(arrays[f"{name}.{i}.weight"].astype(np.float32) for i in range(count))
    biases = tuple(arrays[f"{name}.{i}.bias"].astype(np.float32) for i in range(count))
    return Net(arrays[f"{name}.mean"], arrays[f"{name}.scale"], weights, biases)
