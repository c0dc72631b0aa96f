from __future__ import annotations

import random

import pytest

from tests.training.essays.made_up import TOPICS, essay
from training.essays import embedding
from training.essays.embedding import NotInstalled
from training.essays.twosample import Pair, accuracy


def pairs(seed: int, marker: str = "") -> list[Pair]:
    draw = random.Random(seed)
    return [
        Pair(topic, essay(topic, draw).replace(" the ", f" {marker or 'the'} "), essay(topic, draw))
        for topic in TOPICS
        for _ in range(6)
    ]


def test_writers_of_one_grammar_cannot_be_told_apart() -> None:
    score = accuracy(pairs(1))
    assert score is not None and 0.2 < score < 0.7


def test_a_writer_with_a_habit_is_told_apart_on_topics_not_trained_on() -> None:
    score = accuracy(pairs(2, marker="der"))
    assert score is not None and score > 0.95


def test_length_alone_betrays_nobody() -> None:
    draw = random.Random(3)
    long = [Pair(t, f"{essay(t, draw)} {essay(t, draw)}", essay(t, draw)) for t in TOPICS * 4]
    score = accuracy(long)
    assert score is not None and score < 0.75


def test_one_topic_is_enough_but_three_pairs_are_not() -> None:
    one = [pair for pair in pairs(2, marker="der") if pair.topic == TOPICS[0]]
    assert accuracy(one) == 1.0
    assert accuracy(one[:3]) is None
    assert accuracy([Pair("Rain", "", "text")] * 9) is None


def test_a_missing_library_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "find_spec", lambda name: None)
    with pytest.raises(NotInstalled, match="needs the package scikit-learn of requirements-dev"):
        accuracy(pairs(1))
