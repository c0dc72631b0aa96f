"""Which words belong to a subject: directions of words in an encyclopedia's paragraphs.

The file is made by ``training/essays/associations.py`` from Wikipedia (2015); words that share
paragraphs point the same way.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.essay.lexicon import Lexicon, content_words

FILE = Path(__file__).parent / "associations.npz"
Vector = npt.NDArray[np.float32]


class Associations:
    """Unit vectors of words."""

    def __init__(self, words: Iterable[str], vectors: npt.NDArray[np.float32]) -> None:
        self._place = {word: n for n, word in enumerate(words)}
        self._vectors = vectors
        self.size = vectors.shape[1]

    @classmethod
    def read(cls, path: Path = FILE) -> Associations:
        """Read words and vectors."""
        with np.load(path, allow_pickle=False) as data:
            words = data["words"].tobytes().decode().split("\n")
            vectors = data["vectors"].astype(np.float32)
        return cls(words, vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9))

    def of(self, word: str) -> Vector | None:
        """Give a word's direction, also by its singular; None when it is unknown."""
        word = word.lower().removesuffix("'s")
        forms = (word, word.removesuffix("s"), word.removesuffix("es"))
        places = (self._place.get(form) for form in forms)
        place = next((p for p in places if p is not None), None)
        return None if place is None else self._vectors[place]

    def mean(self, words: Iterable[str]) -> Vector:
        """Average words to one direction; zeros when none is known. Rarer words weigh more."""
        total = np.zeros(self.size, dtype=np.float32)
        for text in words:
            for word in content_words(text):
                vector = self.of(word)
                if vector is not None:
                    rank = self._place.get(word, 1_000)
                    total += vector * np.float32(np.log(50 + rank))
        return total / (np.linalg.norm(total) + np.float32(1e-9))

    def nearness(self, words: Iterable[str], subject: Vector) -> list[float]:
        """Give the cosine of every word with a direction; unknown words are left out."""
        vectors = [self.of(word) for word in words]
        return [float(vector @ subject) for vector in vectors if vector is not None]

    def table(self, lexicon: Lexicon) -> Tensor:
        """Lay out the directions of all tokens that are whole content words (tokens, size)."""
        rows = np.zeros((len(lexicon.texts), self.size), dtype=np.float32)
        spellings = set(lexicon.texts)
        for number, text in enumerate(lexicon.texts):
            doubled = text.lower() != text and text.lower() in spellings
            vector = self.of(text[1:]) if lexicon.is_content[number] and not doubled else None
            if vector is not None:
                rows[number] = vector
        return torch.from_numpy(rows)


@cache
def associations() -> Associations:
    """Hold the shipped file once."""
    return Associations.read()
