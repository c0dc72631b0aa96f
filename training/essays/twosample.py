"""How well a plain classifier tells a writer's essays from people's: .5 is not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from training.essays.embedding import require

_FOLDS = 5
_FEATURES = 200_000  # commonest n-grams of each kind
_LEAST = 4  # pairs


@dataclass(frozen=True)
class Pair:
    """Two essays on one topic, and the topic."""

    topic: str
    made: str
    people: str


def accuracy(pairs: Sequence[Pair], *, seed: int = 1) -> float | None:
    """Measure the accuracy of telling which essay of a pair is which writer's, cross-validated.

    A logistic regression reads word 1-3-grams and character 2-4-grams, weighed by TF-IDF. Both
    essays of a pair are cut to the length of the shorter and white space is levelled, so that
    neither length nor layout betrays them; the topics that are tested were not trained on, where
    there are two or more. None where there are too few pairs.
    """
    usable = [pair for pair in map(_levelled, pairs) if pair.made and pair.people]
    if len(usable) < _LEAST:
        return None
    require("sklearn", "scikit-learn")
    from sklearn.model_selection import GroupKFold, cross_val_predict

    texts = [text for pair in usable for text in (pair.made, pair.people)]
    truth = np.array([1, 0] * len(usable))
    topics = [pair.topic for pair in usable for _ in range(2)]
    if len(set(topics)) < 2:  # a pair is never torn apart
        topics = [str(number) for number in range(len(usable)) for _ in range(2)]
    folds = GroupKFold(min(_FOLDS, len(set(topics))), shuffle=True, random_state=seed)
    guessed = cross_val_predict(_classifier(seed), texts, truth, groups=topics, cv=folds)
    return float((guessed == truth).mean())


def _classifier(seed: int) -> object:
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline, make_union

    words = TfidfVectorizer(
        ngram_range=(1, 3), token_pattern=r"[\w']+|[^\w\s]", max_features=_FEATURES,
        sublinear_tf=True, dtype=np.float32,
    )  # fmt: skip
    characters = TfidfVectorizer(
        analyzer="char", ngram_range=(2, 4), max_features=_FEATURES, sublinear_tf=True,
        dtype=np.float32,
    )  # fmt: skip
    return make_pipeline(
        make_union(words, characters), LogisticRegression(C=10.0, max_iter=300, random_state=seed)
    )


def _levelled(pair: Pair) -> Pair:
    made, people = pair.made.split(), pair.people.split()
    length = min(len(made), len(people))
    return Pair(pair.topic, " ".join(made[:length]), " ".join(people[:length]))
