from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pytest

from training.essays.ngram import KneserNey

VOCABULARY, START, END = 25, 1, 2


def documents(count: int, seed: int = 0) -> list[npt.NDArray[np.int64]]:
    """Make texts in which the next token depends on the last two."""
    draw = np.random.default_rng(seed)
    texts = []
    for _ in range(count):
        ids = [3, 4]
        for _ in range(40):
            likely = 3 + (ids[-1] + 2 * ids[-2]) % 20
            ids.append(likely if draw.random() < 0.8 else int(draw.integers(3, 23)))
        texts.append(np.array([*ids, END]))
    return texts


@pytest.fixture(scope="module")
def model() -> KneserNey:
    return KneserNey.fit(documents(80), VOCABULARY, START)


@pytest.mark.parametrize("context", [[], [3], [3, 4, 9], [24, 24], [3, 24, 5, 6, 7, 8]])
def test_distributions_sum_to_one(model: KneserNey, context: list[int]) -> None:
    distribution = model.distribution(context)
    assert distribution.sum() == pytest.approx(1.0, abs=1e-6)
    assert (distribution > 0).all()


def test_scoring_a_text_is_reading_distributions(model: KneserNey) -> None:
    text = documents(1, seed=7)[0]
    one_by_one = [np.log(model.distribution(list(text[:n]))[token]) for n, token in enumerate(text)]
    assert model.log_probabilities(text) == pytest.approx(np.array(one_by_one), abs=1e-6)


def test_longer_contexts_help_on_unread_text() -> None:
    train, held_out = documents(80), documents(20, seed=9)
    loss = [
        -np.mean(
            np.concatenate(
                [KneserNey.fit(train, VOCABULARY, START, n).log_probabilities(d) for d in held_out]
            )
        )
        for n in (1, 2, 3)
    ]
    assert loss[0] > loss[1] > loss[2]


def test_samples_follow_the_texts_and_their_seed(model: KneserNey) -> None:
    first = model.sample([], END, seed=4, limit=30)
    assert first == model.sample([], END, seed=4, limit=30)
    assert first != model.sample([], END, seed=5, limit=30)
    assert len(first) <= 30
    assert first[:2] == [3, 4]
    assert set(first) <= set(range(3, 23))
