from __future__ import annotations

import random

import numpy as np
import pytest

from models.essay.lexicon import Lexicon
from models.essay.manner import Manner
from tests.models.essay import tiny
from training.essays import manner
from training.essays.manner import learn


def essays(seed: int, often: str, seldom: str) -> list[str]:
    """Write essays in which one word stands where another could."""
    draw = random.Random(seed)

    def sentence() -> str:
        topic = draw.choice(tiny.THINGS)
        return f"{tiny.sentence(draw, topic)} We see {often if draw.random() < 0.9 else seldom}."

    return [" ".join(sentence() for _ in range(8)) for _ in range(30)]


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(tiny.tokenizer(), "()[]<>")


@pytest.fixture(scope="module")
def learnt(lexicon: Lexicon) -> Manner:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(manner, "STEPS", 60)
        return learn(lexicon, essays(1, "cats daily", "dogs twice"),
                     essays(2, "dogs twice", "cats daily"))  # fmt: skip


def test_what_a_version_says_too_often_weighs_against_a_sentence(learnt: Manner) -> None:
    assert learnt.likeness("We see dogs twice.") > 0.3
    assert learnt.likeness("We see cats daily.") < -0.3


def test_tokens_that_people_like_better_are_favoured(learnt: Manner, lexicon: Lexicon) -> None:
    twice, daily = (lexicon.encode(f" {word}")[0] for word in ("twice", "daily"))
    assert learnt.tokens[twice] > 0.2 > -0.2 > learnt.tokens[daily]
    assert np.abs(learnt.tokens.numpy()).max() <= manner.FURTHEST


def test_a_version_that_writes_like_people_is_left_alone(lexicon: Lexicon) -> None:
    same = learn(lexicon, essays(1, "cats daily", "dogs twice"),
                 essays(3, "cats daily", "dogs twice"))  # fmt: skip
    assert abs(same.likeness("We see dogs twice.")) < 0.3


def test_words_of_a_few_essays_and_parts_of_words_have_no_habits(lexicon: Lexicon) -> None:
    people = ["We build bridges here."] + ["We like cats here. We like dogs here."] * 40
    found = learn(lexicon, ["We like songs here. We like games here."] * 41, people)
    assert found.tokens[lexicon.encode(" bridges")[0]] == 0
    assert found.tokens[lexicon.encode(" cats")[0]] > 0


def test_a_small_collection_teaches_no_manner() -> None:
    def unwanted() -> None:
        raise AssertionError("nothing had to be written")

    assert manner.manner_of(unwanted, [], 1) is None  # type: ignore[arg-type]
