"""Which runs of words stand in the essays that a version has read, so that none is copied far.

The file holds a Bloom filter (Burton Bloom, 1970) for each collection: one in ten runs of eight
words that nobody read is taken for a known one. A longer run counts as known only where every
eight of its words do, so that nine words are mistaken once in a hundred times, ten once in a
thousand; a run that was read is never missed.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b
from pathlib import Path

import numpy as np
import numpy.typing as npt

FILE = "runs.npz"
WORDS = 8  # of the runs kept
BITS, PROBES = 4.8, 3  # of the filter for every run: mistakes one in ten
TAIL = 240  # letters of a text in which its last words are looked for
NEAR = 90  # letters in which they mostly are

_WORD = re.compile(r"[a-z0-9']+")
_ODD, _SHIFT, _ALL = 6364136223846793005, 29, (1 << 64) - 1
_HALF = (1 << 32) - 1


class Runs:
    """The word runs of one or more collections of texts."""

    def __init__(self, filters: Sequence[bytes]) -> None:
        self._filters = tuple(filters)

    @classmethod
    def of(cls, texts: Iterable[str]) -> Runs:
        """Note all runs of a collection."""
        parts = [np.zeros(0, dtype=np.uint64)]
        for text in texts:
            parts.append(_runs(np.array([_number(w) for w in words_of(text)], dtype=np.uint64)))
        found = np.unique(np.concatenate(parts))
        size = max(8, int(BITS * len(found)))
        bits = np.zeros(size, dtype=bool)
        first, step = found >> np.uint64(32), found & np.uint64(_HALF) | np.uint64(1)
        for probe in range(PROBES):
            bits[(first + np.uint64(probe) * step) % np.uint64(size)] = True
        length = np.array([size], dtype="<u8").view(np.uint8)
        return cls([bytes(length) + np.packbits(bits, bitorder="little").tobytes()])

    @classmethod
    def read(cls, folder: Path) -> Runs | None:
        """Read a version's file; None where it has none."""
        path = folder / FILE
        if not path.is_file():
            return None
        with np.load(path, allow_pickle=False) as data:
            return cls([data[name].tobytes() for name in sorted(data.files)])

    def write(self, folder: Path) -> None:
        """Store the filters beside a version's other files."""
        named = {f"read_{n:02}": np.frombuffer(f, np.uint8) for n, f in enumerate(self._filters)}
        np.savez(folder / FILE, allow_pickle=False, **named)

    def __add__(self, other: Runs) -> Runs:
        """Know the runs of both."""
        return Runs([*self._filters, *other._filters])

    @property
    def size(self) -> int:
        """Count the bytes."""
        return sum(map(len, self._filters))

    def end(self, words: Sequence[str], longest: int) -> bool:
        """Tell whether the last words are a run longer than ``longest`` that was read."""
        length = max(WORDS, longest + 1)
        if len(words) < length:
            return False
        numbers = [_number(word) for word in words[-length:]]
        # From the end: most texts part from what was read with their last word.
        starts = range(length - WORDS, -1, -1)
        return any(
            all(_holds(bits, _run(numbers[at : at + WORDS])) for at in starts)
            for bits in self._filters
        )


class Novelty:
    """Keeps one sentence from going on, word for word, like an essay that was read."""

    def __init__(self, runs: Runs, longest: int, before: str) -> None:
        """Begin; ``before`` is the text up to this sentence."""
        self._runs = runs
        self._longest = longest
        self._before = before[-TAIL:]

    def allows(self, text: str, piece: str) -> bool:
        """Tell whether ``piece`` may follow the sentence's ``text``."""
        if not any(sign.isalnum() for sign in piece):  # its last word was looked at before
            return True
        so_far = text[-TAIL:] if len(text) >= TAIL else f"{self._before} {text}"
        longer = max(WORDS, self._longest + 1)
        return not self._runs.end(last_words(so_far + piece, longer), self._longest)


def words_of(text: str) -> list[str]:
    """List words in lower case; "an" counts as "a", which a sentence's mending may change."""
    words = (word.strip("'") for word in _WORD.findall(text.lower()))
    return ["a" if word == "an" else word for word in words if word]


def last_words(text: str, count: int) -> list[str]:
    """List the last ``count`` words of a text, or as many as its last letters hold."""
    words = words_of(text[-NEAR:])
    if len(words) <= count:  # the first may have lost its beginning
        words = words_of(text[-TAIL:])
    return words[-count:]


@lru_cache(maxsize=131_072)
def _number(word: str) -> int:
    return int.from_bytes(blake2b(word.encode(), digest_size=8).digest(), "little")


def _runs(words: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    """Number every run of a text."""
    count = max(0, len(words) - WORDS + 1)
    result = np.zeros(count, dtype=np.uint64)
    for k in range(WORDS):
        result = result * np.uint64(_ODD) + words[k : k + count]
        result ^= result >> np.uint64(_SHIFT)
    return result


def _run(words: Sequence[int]) -> int:
    """Number one run, as ``_runs`` does."""
    result = 0
    for word in words:
        result = (result * _ODD + word) & _ALL
        result ^= result >> _SHIFT
    return result


def _holds(bits: bytes, run: int) -> bool:
    size = int.from_bytes(bits[:8], "little")
    first, step = run >> 32, run & _HALF | 1
    for probe in range(PROBES):
        place = (first + probe * step) % size
        if not bits[8 + (place >> 3)] >> (place & 7) & 1:
            return False
    return True
