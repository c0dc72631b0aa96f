from __future__ import annotations

import pytest

from training.essays.textstats import (
    CopyIndex,
    coverage,
    distinct_n,
    rep_n,
    repeated_sentences,
    variety,
)


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


def test_variety_does_not_depend_on_the_number_of_texts() -> None:
    texts = [f"a{n} b{n} c c" for n in range(40)]
    assert variety(texts, 1) == variety(texts[:10], 1) == pytest.approx(21 / 40)
    assert variety(texts[:14], 1) == pytest.approx(21 / 40)  # what fills no group is left out
    assert variety(["a a", "b b"], 1) == 0.5
    assert variety([], 1) == 0.0
    assert variety(["a " * 200 + "b c d e f"], 1) == pytest.approx(1 / 200)


def test_planned_keywords_are_found_in_any_form() -> None:
    text = "The cities grow.\n\nTrains ran, and cars waited."
    assert coverage(text, [["city"], ["car", "train"]]) == (1.0, 1.0)
    assert coverage(text, [["car"], ["growing"]]) == (0.0, 1.0)
    assert coverage(text, [["city bus"], ["trains"], ["city"]]) == pytest.approx((1 / 3, 2 / 3))
    assert coverage(text, []) is None
    assert coverage("", [["city"]]) == (0.0, 0.0)


def test_an_empty_corpus_holds_no_copies() -> None:
    assert CopyIndex([]).longest("one two three four five six") == 0
