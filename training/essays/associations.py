"""Which words belong to a subject: latent directions of words, from the paragraphs they share.

The writer uses them for topics its own embeddings know too little about. Made once from an
encyclopedia and stored beside the word list; see ``models/essay/associations.py``.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.essay.lexicon import STOP_WORDS, english, words_of

Matrix = npt.NDArray[np.float32]
WORDS = 34_000
DIRECTIONS = 80
SPARE = 16  # directions computed beyond those kept, for exactness
COMMON = 1  # leading directions dropped: they only tell frequent words from rare ones


def vocabulary(size: int = WORDS) -> list[str]:
    """Take the commonest known words that carry matter."""
    words = sorted(english(), key=english().__getitem__)
    return [w for w in words if len(w) > 2 and w not in STOP_WORDS and "'" not in w][:size]


def weigh(paragraphs: Iterable[str], words: Sequence[str]) -> sparse.csr_matrix:
    """Count words of paragraphs (P, W), damped, weighed by rarity, rows of length one."""
    place = {word: n for n, word in enumerate(words)}
    indices: list[int] = []
    values: list[float] = []
    starts = [0]
    for paragraph in paragraphs:
        counts = Counter(place[w] for w in words_of(paragraph) if w in place)
        if len(counts) < 5:
            continue
        indices += counts.keys()
        values += (1 + np.log(list(counts.values()))).tolist()
        starts.append(len(indices))
    shape = (len(starts) - 1, len(words))
    found = sparse.csr_matrix((values, indices, starts), shape=shape, dtype=np.float32)
    frequency = np.bincount(found.indices, minlength=len(words))
    rarity = np.log(shape[0] / (1 + frequency)).astype(np.float32)
    found = found @ sparse.diags(rarity)
    lengths = np.sqrt(found.multiply(found).sum(1)).A1
    return sparse.csr_matrix(sparse.diags(1 / lengths) @ found)


def directions(found: sparse.csr_matrix, size: int = DIRECTIONS, rounds: int = 4) -> Matrix:
    """Find the words' leading latent directions (W, size), rows of length one."""
    draw = np.random.default_rng(0)
    wide = size + COMMON + SPARE
    basis = draw.standard_normal((found.shape[1], wide)).astype(np.float32)
    for _ in range(rounds):
        basis, _ = np.linalg.qr(found.T @ (found @ basis))
    seen = found @ basis
    values, turn = np.linalg.eigh(seen.T @ seen)
    order = np.argsort(values)[::-1][COMMON : COMMON + size]
    # The fourth root of the eigenvalue (square root of the singular value) balances the directions.
    vectors = (basis @ turn[:, order]) * values[order] ** 0.25
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9
    result: Matrix = (vectors / lengths).astype(np.float32)
    return result


def write(path: Path, words: Sequence[str], vectors: Matrix) -> None:
    """Store words and vectors, eight bits a number, without pickles."""
    np.savez_compressed(
        path,
        words=np.frombuffer("\n".join(words).encode(), dtype=np.uint8),
        vectors=np.round(vectors * 127).astype(np.int8),
    )
