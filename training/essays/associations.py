"""Which words are English, and which belong to a subject: both from an encyclopedia.

Words are known by the articles they stand in, and related by the paragraphs they share: latent
directions, which the writer uses for topics its own embeddings know too little about. Made once by
``python -m training associations`` and stored as ``models/essay/english.txt.xz`` (with the rarer
ones in ``names.txt.xz``) and ``models/essay/associations.npz``.
"""

from __future__ import annotations

import lzma
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from scipy import sparse

from models.essay.associations import FILE
from models.essay.lexicon import ENGLISH, NAMES, STOP_WORDS, english, words_of
from training.essays.corpus import CorpusError
from training.essays.readers import read_corpus

Matrix = npt.NDArray[np.float32]
KNOWN = 48_000  # words of the word list
LEAST = 4  # articles that must hold a word
WORDS = 34_000
DIRECTIONS = 80
SPARE = 16  # directions computed beyond those kept, for exactness
_WHOLE = re.compile(r"[^\W\d_]+(?:'[A-Za-z]+)*")
COMMON = 1  # leading directions dropped: they only tell frequent words from rare ones


@dataclass(frozen=True)
class Made:
    """What was made, in numbers."""

    articles: int
    known: int
    related: int


def make(corpus: Path, out: Path, *, size: int = DIRECTIONS, least: int = LEAST) -> Made:
    """Read an encyclopedia and write the word list and the directions of words.

    Where a corpus holds other texts too, only its encyclopedia counts.
    """
    documents = list(read_corpus(corpus))
    articles = [d for d in documents if d.style == "encyclopedia"] or documents
    found_words = counted_words((d.text for d in articles), least=least)
    known, seldom = found_words[:KNOWN], found_words[KNOWN:]
    words = vocabulary(known=known)
    found = weigh((p for d in articles for p in d.paragraphs), words)
    if min(found.shape) < size + COMMON + SPARE:
        raise CorpusError(
            f"The corpus is too small: it has {found.shape[0]} usable paragraphs and "
            f"{len(words)} words that stand in {least} articles or more."
        )
    out.mkdir(parents=True, exist_ok=True)
    write(out / FILE.name, words, directions(found, size))
    for file, listed in ((ENGLISH, known), (NAMES, seldom)):
        (out / file.name).write_bytes(lzma.compress("\n".join(listed).encode(), preset=9))
    return Made(len(articles), len(known), len(words))


def counted_words(articles: Iterable[str], least: int = LEAST) -> list[str]:
    """List the words by falling number of articles that hold them, ties by the alphabet.

    A part of a word with foreign letters ("ller" of "Müller") is none.
    """
    counts = Counter(
        word
        for article in articles
        for word in {whole.lower() for whole in _WHOLE.findall(article)}
        if word.isascii()
    )
    ordered = sorted(counts, key=lambda word: (-counts[word], word))
    return [word for word in ordered if counts[word] >= least]


def vocabulary(size: int = WORDS, known: Sequence[str] | None = None) -> list[str]:
    """Take the commonest known words that carry matter."""
    words = sorted(english(), key=english().__getitem__) if known is None else known
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
    if not shape[0]:
        return sparse.csr_matrix(shape, dtype=np.float32)
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
