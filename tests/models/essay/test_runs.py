from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest

from models.essay.runs import FILE, TAIL, Novelty, Runs, last_words, words_of
from training.essays.textstats import CopyIndex

WORDS = [f"{a}{b}{c}" for a in "bdfgk" for b in "aeiou" for c in "lmnrt"]


def prose(seed: int, words: int) -> str:
    draw = random.Random(seed)
    return " ".join(draw.choice(WORDS) for _ in range(words))


def test_a_run_that_was_read_is_never_missed() -> None:
    texts = [prose(n, 60) for n in range(50)]
    runs = Runs.of(texts)
    for text in texts:
        words = words_of(text)
        for at in range(len(words) - 8):
            assert runs.end(words[: at + 9], longest=8)
            assert runs.end(words[at : at + 9], longest=8)
            assert not runs.end(words[at : at + 8], longest=8)


def test_what_nobody_read_is_seldom_taken_for_known() -> None:
    runs = Runs.of(prose(n, 200) for n in range(50))
    strange = words_of(prose(99, 20_000))
    wrong = {n: sum(runs.end(strange[at : at + n + 1], n) for at in range(19_000)) for n in (7, 8)}
    assert 0.05 < wrong[7] / 19_000 < 0.15
    assert wrong[8] / 19_000 < 0.02


def test_a_run_does_not_reach_from_one_text_into_the_next() -> None:
    halves = [prose(1, 6), prose(2, 6)]
    assert not Runs.of(halves).end(words_of(" ".join(halves)), longest=8)


def test_runs_are_stored_without_pickles_and_join(tmp_path: Path) -> None:
    one, other, third = prose(1, 30), prose(2, 30), prose(3, 30)
    (Runs.of([one]) + Runs.of([other])).write(tmp_path)
    runs = Runs.read(tmp_path)
    assert runs is not None
    assert runs.end(words_of(one), 8) and runs.end(words_of(other), 8)
    assert not runs.end(words_of(third), 8)
    with np.load(tmp_path / FILE, allow_pickle=False) as data:
        assert len(data.files) == 2
    assert runs.size < 2 * (8 + 23 * 5)


def test_a_version_without_the_file_knows_no_runs(tmp_path: Path) -> None:
    assert Runs.read(tmp_path) is None


def test_nothing_to_read_gives_runs_that_hold_nothing() -> None:
    assert not Runs.of([]).end(words_of(prose(1, 30)), 8)
    assert not Runs.of(["three short words"]).end(words_of(prose(1, 30)), 8)


def test_a_sentence_may_share_eight_words_and_no_ninth() -> None:
    read = "We can see that the old bridge over the river is an example of good work."
    novelty = Novelty(Runs.of([read]), 8, before="They said it. ")
    text = " We can see that the old bridge over"
    assert novelty.allows(" We can see that the old bridge", " over")
    assert not novelty.allows(text, " the")
    assert novelty.allows(text, " a")
    assert novelty.allows(text, ",")  # no new word


@pytest.mark.parametrize("stretch", [1, 3, 5])
def test_the_last_words_of_a_text_are_found_however_long(stretch: int) -> None:
    text = " ".join(word * stretch for word in prose(4, 200).split())
    for end in range(0, len(text), 7):
        near = words_of(text[:end][-TAIL:])
        assert last_words(text[:end], 9) == near[-9:]


def test_the_sentence_before_and_mended_words_count() -> None:
    read = "They like the river very much. It is an example of good work."
    novelty = Novelty(Runs.of([read]), 8, before="People say: they like the river very much.")
    assert novelty.allows(" It", " is")  # eight so far
    assert not novelty.allows(" It is", " a")  # "a example" will be mended


@pytest.mark.parametrize("longest", [7, 8, 12])
def test_text_drawn_by_the_rule_copies_no_more_than_allowed(longest: int) -> None:
    read = [prose(n, 80) for n in range(20)]
    runs, text = Runs.of(read), ""
    draw = random.Random(5)
    source = iter(read[0].split())
    for _ in range(400):  # a writer who knows the texts by heart
        wanted = [next(source, draw.choice(WORDS)), *draw.sample(WORDS, 30)]
        novelty = Novelty(runs, longest, before="")
        text += next(f" {w}" for w in wanted if novelty.allows(text, f" {w}"))
    assert CopyIndex(read).longest(text) <= longest
    assert CopyIndex(read).longest(text) >= longest - 1
