from __future__ import annotations

import random

import numpy as np
import pytest

from tests.training.essays.made_up import TOPICS, essay
from training.essays.corpus import Document
from training.essays.labels import Lexicon
from training.essays.marking import kappa, levels, make_marker, marked_source, nearest


def marked(count: int, seed: int, source: str = "school") -> list[Document]:
    """Essays whose mark falls with the number of their misspellings; length says nothing."""
    draw = random.Random(seed)
    documents = []
    for number in range(count):
        bad = draw.randrange(5)
        words = essay(draw.choice(TOPICS), draw).split(" ")
        for place in draw.sample(range(len(words)), bad * 6):
            words[place] = words[place][::-1] + "q"
        text, mark = " ".join(words), 100.0 - 20 * bad
        documents.append(Document(f"{source}-{number}", source, "", text, mark=mark))
    return documents


def test_marks_are_learned_and_judged_on_essays_not_read() -> None:
    read, held = marked(120, 1), marked(40, 2)
    lexicon = Lexicon.count(essay(t, random.Random(n)) for n, t in enumerate(TOPICS * 10))
    made = make_marker([*read, *marked(20, 5, "another scale")], held, lexicon)
    assert made is not None
    marker, reliability = made
    assert (reliability.read, reliability.held_out) == (120, 40)
    assert reliability.qwk > 0.8
    assert reliability.qwk_of_length < 0.4
    clean, foul = essay(TOPICS[0], random.Random(9)), marked(200, 3)
    worst = [d.text for d in foul if d.mark == 20.0]
    assert marker.marks([clean])[0] > 80 > 50 > marker.marks(worst).mean()


def test_too_few_marks_give_no_marker() -> None:
    lexicon = Lexicon.count(d.text for d in marked(60, 1))
    assert make_marker(marked(20, 1), marked(40, 2), lexicon) is None
    assert make_marker(marked(80, 1), marked(3, 2), lexicon) is None
    assert make_marker(marked(80, 1), marked(40, 2, "another"), lexicon) is None
    unmarked = [Document(d.id, d.source, "", d.text) for d in marked(80, 1)]
    assert marked_source(unmarked) is None and make_marker(unmarked, unmarked, lexicon) is None


def test_kappa_of_raters() -> None:
    a = np.array([0, 1, 2, 3, 4])
    assert kappa(a, a, 5) == pytest.approx(1.0)
    assert kappa(a, a[::-1].copy(), 5) == pytest.approx(-1.0)
    assert kappa(a, np.full(5, 2), 5) == pytest.approx(0.0)
    # Textbook example: one of four is off by one step.
    assert kappa(np.array([0, 0, 1, 1]), np.array([0, 1, 1, 1]), 2) == pytest.approx(0.5)


def test_a_fine_scale_is_put_into_bands() -> None:
    assert levels(np.array([50.0, 100.0, 50.0])).tolist() == [50.0, 100.0]
    assert levels(np.arange(0.0, 101.0)).tolist() == [0, 12.5, 25, 37.5, 50, 62.5, 75, 87.5, 100]
    assert nearest(np.array([13.0, 99.0]), levels(np.arange(0.0, 101.0))).tolist() == [1, 8]
