from __future__ import annotations

import numpy as np
import pytest

from training.essays import embedding
from training.essays.embedding import Embedder, NotInstalled, Retrieval, chunks

TOPICS = ("Dogs and cats", "Space travel", "School lunches", "Playing the piano", "Rainy weather")
TEXTS = (
    "My puppy barks at the kitten of our neighbours, and both sleep in one basket.",
    "The astronauts left their rocket and walked over the dust of the moon.",
    "In the canteen the pupils eat soup and bread at noon, which the kitchen cooks.",
    "She practises her scales on the keyboard, and plays Chopin in the evening.",
    "Clouds gather, drops fall on umbrellas, and puddles grow in the street.",
)


@pytest.fixture(scope="module")
def embedder() -> Embedder:
    return Embedder()


def test_topics_are_found_without_a_word_in_common(embedder: Embedder) -> None:
    retrieval = Retrieval(embedder, [*TOPICS, *TOPICS], seed=1)
    assert retrieval.topics == sorted(TOPICS) and retrieval.chance == 0.2
    assert all(retrieval.found(TEXTS, TOPICS))
    assert not any(retrieval.found(TEXTS, [*TOPICS[1:], TOPICS[0]]))
    # With one rival alone, a text about a third thing may still be nearer to the right topic.
    assert Retrieval(embedder, TOPICS, seed=1, among=2).chance == 0.5


def test_vectors_do_not_depend_on_their_company(embedder: Embedder) -> None:
    together = embedder.vectors(TEXTS)
    alone = np.concatenate([embedder.vectors([text]) for text in TEXTS])
    assert np.allclose(together, alone, atol=1e-5)
    assert np.allclose(np.linalg.norm(together, axis=1), 1.0, atol=1e-5)


def test_long_texts_are_read_to_their_end(embedder: Embedder) -> None:
    assert [len(c.split()) for c in chunks("word " * 400)] == [150, 150, 100]
    assert chunks("") == [""]
    long = " ".join([TEXTS[0]] * 12 + [TEXTS[1]] * 40)  # the moon comes after 180 words
    assert Retrieval(embedder, TOPICS, seed=1).found([long], [TOPICS[1]]) == [True]


def test_a_missing_package_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PACKAGE", "no_such_package")
    with pytest.raises(NotInstalled, match=r"^The examination of essays needs .*txt\.$"):
        Embedder()
