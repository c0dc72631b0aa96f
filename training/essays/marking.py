"""A machine that marks essays as people did: a figure beside others, and never an aim."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from training.essays.corpus import Document
from training.essays.embedding import require
from training.essays.labels import Lexicon
from training.essays.textstats import words_of

Floats = npt.NDArray[np.float64]
LEAST_READ, LEAST_HELD = 60, 10  # marked essays to learn from, and to be judged by
BANDS = 9  # marks of a finer scale are sorted into so many bands of equal width
_FOLDS = 4
_SENTENCE = re.compile(r"(?<=[.!?])\s+")


@dataclass(frozen=True)
class Reliability:
    """How well predicted marks agree with people's on essays that were not read."""

    read: int
    held_out: int
    qwk: float  # quadratic weighted kappa, 1 = always the same, 0 = no better than chance
    qwk_of_length: float  # of a marker that looks at the number of words alone


class Marker:
    """Ridge regression from an essay's words, length and slips to its mark in per cent."""

    def __init__(self, essays: Sequence[Document], lexicon: Lexicon) -> None:
        """Learn from marked essays of one source, whose marks have one scale."""
        require("sklearn", "scikit-learn")
        self._lexicon = lexicon
        marks = np.array([e.mark for e in essays], dtype=np.float64)
        texts = [e.text for e in essays]
        self._levels = levels(marks)
        self._words = _Regression.fit(self._features(texts), texts, marks, self._levels)
        self._length = _Regression.fit(_lengths(texts), None, marks, self._levels)
        self.source, self.read = essays[0].source, len(essays)

    def marks(self, texts: Sequence[str]) -> Floats:
        """Predict marks in per cent."""
        return self._words.predict(self._features(texts), texts)

    def reliability(self, essays: Sequence[Document]) -> Reliability:
        """Compare with people's marks on held-out essays of the same source."""
        texts = [e.text for e in essays]
        truth = nearest(np.array([e.mark for e in essays], dtype=np.float64), self._levels)
        size = len(self._levels)
        guess = nearest(self.marks(texts), self._levels)
        of_length = nearest(self._length.predict(_lengths(texts), texts), self._levels)
        return Reliability(
            self.read, len(essays), kappa(truth, guess, size), kappa(truth, of_length, size)
        )

    def _features(self, texts: Sequence[str]) -> Floats:
        return np.array([_measures(text, self._lexicon) for text in texts])


def marked_source(essays: Sequence[Document]) -> str | None:
    """Name the source with the most marks by people; scales of different sources differ."""
    counts = Counter(e.source for e in essays if e.mark is not None)
    return max(sorted(counts), key=counts.__getitem__) if counts else None


def make_marker(
    read: Sequence[Document], held_out: Sequence[Document], lexicon: Lexicon
) -> tuple[Marker, Reliability] | None:
    """Learn to mark and judge it; None where people marked too few essays."""
    source = marked_source(read)
    known = [e for e in read if e.source == source and e.mark is not None]
    judged = [e for e in held_out if e.source == source and e.mark is not None]
    if len(known) < LEAST_READ or len(judged) < LEAST_HELD or len({e.mark for e in known}) < 2:
        return None
    marker = Marker(known, lexicon)
    return marker, marker.reliability(judged)


def levels(marks: Floats) -> Floats:
    """Give the steps of a scale: the marks that occur, or nine of equal distance for a fine one."""
    steps: Floats = np.unique(marks)
    return steps if len(steps) <= BANDS else np.linspace(steps[0], steps[-1], BANDS)


def nearest(marks: Floats, steps: Floats) -> npt.NDArray[np.int64]:
    """Number the nearest step of every mark."""
    found: npt.NDArray[np.int64] = np.abs(marks[:, None] - steps[None, :]).argmin(1)
    return found


def kappa(truth: npt.NDArray[np.int64], guess: npt.NDArray[np.int64], size: int) -> float:
    """Give the quadratic weighted kappa of two raters."""
    seen = np.zeros((size, size))
    np.add.at(seen, (truth, guess), 1.0)
    weight = np.subtract.outer(np.arange(size), np.arange(size)) ** 2.0
    chance = np.outer(seen.sum(1), seen.sum(0)) / max(seen.sum(), 1.0)
    expected = float((weight * chance).sum())
    return 1.0 - float((weight * seen).sum()) / expected if expected else 0.0


@dataclass(frozen=True)
class _Regression:
    """A ridge regression whose predictions are stretched to the spread of people's marks."""

    scaler: Any
    words: Any  # None: numbers alone
    ridge: Any
    guessed: Floats  # sorted predictions of essays that were held out in turn
    given: Floats  # their sorted marks

    @classmethod
    def fit(
        cls, numbers: Floats, texts: Sequence[str] | None, marks: Floats, steps: Floats
    ) -> _Regression:
        from sklearn.feature_extraction.text import TfidfVectorizer
        from sklearn.linear_model import Ridge
        from sklearn.model_selection import KFold, cross_val_predict
        from sklearn.preprocessing import StandardScaler

        scaler = StandardScaler().fit(numbers)
        words = None
        if texts is not None:
            words = TfidfVectorizer(
                ngram_range=(1, 2), token_pattern=r"[\w']+|[^\w\s]", min_df=3,
                max_features=30_000, sublinear_tf=True,
            ).fit(texts)  # fmt: skip
        table = _table(scaler, words, numbers, texts)
        ridge = Ridge(alpha=3.0, solver="lsqr")
        folds = KFold(_FOLDS, shuffle=True, random_state=0)
        guessed = cross_val_predict(ridge, table, marks, cv=folds)
        return cls(scaler, words, ridge.fit(table, marks), np.sort(guessed), np.sort(marks))

    def predict(self, numbers: Floats, texts: Sequence[str]) -> Floats:
        """Predict, then give the mark of the same rank: regression alone shuns the ends."""
        raw = self.ridge.predict(_table(self.scaler, self.words, numbers, texts))
        result: Floats = np.interp(raw, self.guessed, self.given)
        return result


def _table(scaler: Any, words: Any, numbers: Floats, texts: Sequence[str] | None) -> Any:
    from scipy import sparse

    scaled = scaler.transform(numbers) / math.sqrt(numbers.shape[1])
    if words is None or texts is None:
        return scaled
    return sparse.hstack([sparse.csr_matrix(scaled), words.transform(texts)]).tocsr()


def _lengths(texts: Sequence[str]) -> Floats:
    return np.array([[math.log(1 + len(t.split())), len(t.split()) / 500] for t in texts])


def _measures(text: str, lexicon: Lexicon) -> list[float]:
    """Describe length, variety and slips of a text in numbers."""
    words = words_of(text)
    count = max(len(words), 1)
    sentences = [s for s in _SENTENCE.split(text.replace("\n", " ")) if s]
    lengths = [len(s.split()) for s in sentences] or [0]
    return [
        math.log(1 + count),
        count / 500,
        len(set(words)) / math.sqrt(count),
        sum(map(len, words)) / count,
        sum(len(w) > 6 for w in words) / count,
        float(np.mean(lengths)),
        float(np.std(lengths)),
        math.log(1 + len(sentences)),
        float(text.count("\n\n")),
        lexicon.cleanliness(text),
        sum(s[0].islower() for s in sentences) / max(len(sentences), 1),
        len(re.findall(r"\bi\b", text)) / count,
        text.count(",") / count,
        sum(text.count(c) for c in ';:"-') / count,
        sum(text.count(c) for c in "?!") / count,
    ]
