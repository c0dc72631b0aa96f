"""How people's sentences differ from a version's own: which words, and which runs of words.

The file is made by ``training/essays/manner.py`` from training essays and essays that the version
wrote without it: what it says too often weighs against a sentence, what it seldom says for it.
"""

from __future__ import annotations

import math
import re
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

FILE = "manner.npz"
PLACES = 1 << 16  # of the weights; runs that share one are weighed together
LONGEST_RUN = 3  # words and signs
LENGTH_STEPS = (6, 9, 12, 15, 19, 24, 30)  # words: sentences between two are weighed together

Floats = npt.NDArray[np.float32]
_WORD = re.compile(r"[a-z]+(?:'[a-z]+)*|\d+|[^\w\s]")


class Manner:
    """What makes a sentence sound like people's rather than like the version's own."""

    def __init__(self, tokens: Floats, weights: Floats) -> None:
        """Take what is added to each token's log-probability, and the weight of each place."""
        self.tokens: Tensor = torch.from_numpy(tokens)
        self._weights = weights

    @classmethod
    def read(cls, folder: Path) -> Manner | None:
        """Read a version's file; None where it has none."""
        path = folder / FILE
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as data:
            return cls(data["tokens"].astype(np.float32), data["weights"].astype(np.float32))

    def write(self, folder: Path) -> None:
        """Store it beside a version's other files."""
        np.savez_compressed(
            folder / FILE,
            allow_pickle=False,
            tokens=self.tokens.numpy().astype(np.float16),
            weights=self._weights.astype(np.float16),
        )

    @property
    def size(self) -> int:
        """Count the bytes held."""
        return int(self.tokens.nbytes + self._weights.nbytes)

    def likeness(self, sentence: str) -> float:
        """Give the log of the odds that people wrote a sentence; 0 = as likely as the version."""
        found = places(sentence)
        return float(self._weights[found].sum()) / math.sqrt(len(found))


def places(sentence: str) -> list[int]:
    """List the places of a sentence's runs of words, of its beginning and of its length."""
    words = ["^", *_WORD.findall(sentence.lower())]
    count = sum(word[0].isalnum() for word in words)
    runs = {f"#{sum(count > step for step in LENGTH_STEPS)}"}
    for size in range(1, LONGEST_RUN + 1):
        runs.update(" ".join(words[at : at + size]) for at in range(len(words) - size + 1))
    return [zlib.crc32(run.encode()) % PLACES for run in sorted(runs)]


def sentences(text: str) -> Sequence[str]:
    """Part a text into sentences."""
    return [s for s in re.split(r"(?<=[.!?])[\"']?\s+", text) if s.strip()]
