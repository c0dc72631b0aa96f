"""Figures of texts themselves: repetition, variety, copying, nearness to a topic."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

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


class CopyIndex:
    """Finds the longest run of words that a text shares with a corpus."""

    _SEED = 5  # words of the shortest run that is looked up

    def __init__(self, texts: Iterable[str]) -> None:
        self._ids: dict[str, int] = {}
        parts: list[list[int]] = []
        for text in texts:
            parts.append(
                [self._ids.setdefault(w, len(self._ids) + 1) for w in words_of(text)] + [0]
            )
        self._words = np.array([i for part in parts for i in part], dtype=np.int64)
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


class TopicFinder:
    """Ranks topics by nearness to a text: cosine of TF-IDF against labelled training texts."""

    def __init__(self, texts: Sequence[str], topics: Sequence[str]) -> None:
        frequency = Counter(w for text in texts for w in set(words_of(text)))
        common = [w for w, _ in frequency.most_common(20_000)]
        self._columns = {w: i for i, w in enumerate(common)}
        counts = np.array([frequency[w] for w in common], dtype=np.float64)
        self._rarity = np.log(len(texts) / (1 + counts)).clip(min=0)
        self.topics = sorted(set(topics))
        centres = np.zeros((len(self.topics), len(common)))
        place = {t: i for i, t in enumerate(self.topics)}
        for text, topic in zip(texts, topics, strict=True):
            centres[place[topic]] += self._vector(text)
        self._centres = centres / np.linalg.norm(centres, axis=1, keepdims=True).clip(min=1e-9)

    def found(self, text: str, topic: str, among: int = 20) -> bool:
        """Tell whether ``topic`` is the nearest of ``among`` topics (itself and the next ones)."""
        at = self.topics.index(topic)
        rivals = [(at + k) % len(self.topics) for k in range(min(among, len(self.topics)))]
        scores = self._centres[rivals] @ self._vector(text)
        return bool(scores.argmax() == 0 and scores[0] > 0)

    def _vector(self, text: str) -> npt.NDArray[np.float64]:
        vector = np.zeros(len(self._columns))
        for word, count in Counter(words_of(text)).items():
            column = self._columns.get(word)
            if column is not None:
                vector[column] = (1 + np.log(count)) * self._rarity[column]
        norm = float(np.linalg.norm(vector))
        return vector / norm if norm else vector
