"""Figures of texts themselves: repetition, variety, copying, nearness to a topic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from statistics import mean

import numpy as np
import numpy.typing as npt

from models.essay.lexicon import stem

_GROUP, _BEGINNING = 10, 200  # texts and words of each that variety is counted over

_WORD = re.compile(r"[a-z0-9']+")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


def words_of(text: str) -> list[str]:
    """Split into lower-case words."""
    return _WORD.findall(text.lower())


def rep_n(text: str, n: int = 4, window: int = 500) -> float:
    """Give the share of n-grams in the first ``window`` words that stood there before."""
    words = words_of(text)[:window]
    grams = [tuple(words[i : i + n]) for i in range(len(words) - n + 1)]
    return 1 - len(set(grams)) / len(grams) if grams else 0.0


def repeated_sentences(text: str) -> int:
    """Count sentences of four words or more that stand in the text already."""
    sentences = [" ".join(words_of(s)) for s in _SENTENCE.split(text.replace("\n", " "))]
    counts = Counter(s for s in sentences if s.count(" ") >= 3)
    return sum(count - 1 for count in counts.values())


def distinct_n(texts: Iterable[str], n: int) -> float:
    """Give the share of different n-grams among all n-grams of the texts."""
    grams = [
        tuple(words[i : i + n]) for words in map(words_of, texts) for i in range(len(words) - n + 1)
    ]
    return len(set(grams)) / len(grams) if grams else 0.0


def variety(texts: Sequence[str], n: int) -> float:
    """Average ``distinct_n`` over groups of ten texts' first 200 words, whatever their number."""
    short = [" ".join(words_of(text)[:_BEGINNING]) for text in texts]
    groups = [short[at : at + _GROUP] for at in range(0, len(short), _GROUP)]
    whole = [group for group in groups if len(group) == _GROUP] or groups
    return mean(distinct_n(group, n) for group in whole) if whole else 0.0


def coverage(text: str, plan: Sequence[Sequence[str]]) -> tuple[float, float] | None:
    """Give the shares of planned keywords that stand in their paragraph, and anywhere.

    A keyword counts in any of its forms; one of several words counts when all of them stand there.
    None without a plan.
    """
    paragraphs = [{stem(w) for w in words_of(p)} for p in text.split("\n\n")]
    everywhere: set[str] = set().union(*paragraphs)
    there = anywhere = total = 0
    for number, keywords in enumerate(plan):
        here = paragraphs[number] if number < len(paragraphs) else set()
        for keyword in keywords:
            stems = {stem(w) for w in words_of(keyword)}
            if stems:
                total += 1
                there += stems <= here
                anywhere += stems <= everywhere
    return (there / total, anywhere / total) if total else None


class CopyIndex:
    """Finds the longest run of words that a text shares with a corpus."""

    _SEED = 5  # words of the shortest run that is looked up

    def __init__(self, texts: Iterable[str]) -> None:
        self._ids: dict[str, int] = {}
        parts = [np.zeros(0, dtype=np.int64)]
        for text in texts:
            ids = [self._ids.setdefault(w, len(self._ids) + 1) for w in words_of(text)]
            parts.append(np.array([*ids, 0], dtype=np.int64))
        self._words = np.concatenate(parts)
        hashes = self._hashes(self._words)
        self._order = np.argsort(hashes, kind="stable")
        self._sorted = hashes[self._order]

    def longest(self, text: str) -> int:
        """Give the length in words of the longest shared run (0 when under five)."""
        # Unknown words get ids that match nothing, not even each other.
        words = np.array(
            [self._ids.get(w, -1 - k) for k, w in enumerate(words_of(text))], dtype=np.int64
        )
        best = 0
        hashes = self._hashes(words)
        low = np.searchsorted(self._sorted, hashes, side="left")
        high = np.searchsorted(self._sorted, hashes, side="right")
        for at in np.flatnonzero(high > low):
            if at and best and at + best >= len(words):
                break
            best = max(best, self._extend(words[at:], self._order[low[at] : high[at]]))
        return best

    def _extend(self, words: npt.NDArray[np.int64], places: npt.NDArray[np.int64]) -> int:
        length = 0
        while length < len(words) and len(places):
            places = places[places + length < len(self._words)]
            places = places[self._words[places + length] == words[length]]
            length += bool(len(places))
        return length if length >= self._SEED else 0

    def _hashes(self, words: npt.NDArray[np.int64]) -> npt.NDArray[np.uint64]:
        count = max(0, len(words) - self._SEED + 1)
        result = np.zeros(count, dtype=np.uint64)
        for k in range(self._SEED):
            result = result * np.uint64(6364136223846793005) + words[k : k + count].astype(
                np.uint64
            )
            result ^= result >> np.uint64(29)
        return result
