from __future__ import annotations

import pytest

from training.essays.textstats import CopyIndex, TopicFinder, distinct_n, rep_n, repeated_sentences


def test_repetition_of_four_words() -> None:
    assert rep_n("a b c d e f g h") == 0.0
    assert rep_n("a b c d a b c d") == pytest.approx(1 / 5)
    assert rep_n("a b c d " * 200, window=500) > 0.98
    assert rep_n("too short") == 0.0


def test_repeated_sentences() -> None:
    text = "We all like tea here. It rains. We all like tea here! It rains. We ALL like tea, here."
    assert repeated_sentences(text) == 2


def test_variety() -> None:
    assert distinct_n(["a b a b"], 1) == 0.5
    assert distinct_n(["a b", "c d"], 2) == 1.0
    assert distinct_n([""], 2) == 0.0


def test_the_longest_copied_run_is_found() -> None:
    index = CopyIndex(["one two three four five six seven eight nine ten", "five six seven two"])
    assert index.longest("zero two three four five six seven zero") == 6
    assert index.longest("three four five six seven. Eight, nine, ten!") == 8
    assert index.longest("one two three four zero") == 0
    assert index.longest("") == 0
    # Runs never cross from one text of the corpus into the next.
    assert index.longest("seven eight nine ten five six seven two") == 0


def test_topics_are_found() -> None:
    texts = ["rain rain umbrella", "rain cloud", "song guitar", "song piano", "soil seed"]
    finder = TopicFinder(texts, ["rain", "rain", "music", "music", "garden"])
    assert finder.found("the umbrella in the rain", "rain")
    assert not finder.found("a guitar song", "rain")
    assert not finder.found("nothing known", "garden")
