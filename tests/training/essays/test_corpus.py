from __future__ import annotations

import random
from dataclasses import replace

from tests.training.essays.made_up import TOPICS, essay
from training.essays.corpus import (
    Document,
    assign_splits,
    chunked,
    clean,
    deduplicated,
    is_english,
    style_of,
    without_repeated_paragraphs,
)


def made(count: int) -> list[Document]:
    draw = random.Random(1)
    return [
        Document(str(n), "made-up", TOPICS[n % 5], essay(TOPICS[n % 5], draw)) for n in range(count)
    ]


def test_cleaning_keeps_paragraphs() -> None:
    assert clean("“One”  two\u200b\tthree\n \n\nfour\nfive\x07") == '"One" two three\n\nfour five'
    assert clean("one\ntwo\nthree") == "one\n\ntwo\n\nthree"


def test_english_is_told_from_other_languages() -> None:
    assert is_english(made(1)[0].text)
    assert not is_english("Die Katze sitzt auf dem Dach und schaut in den Garten hinaus.")
    assert not is_english("1 | 2 | 3 | 4")


def test_near_duplicates_go_and_others_stay() -> None:
    documents = made(10)
    copy = replace(documents[3], id="copy", text=documents[3].text.replace("Many", "Some", 1))
    kept = deduplicated([*documents, copy])
    assert [d.id for d in kept] == [d.id for d in documents]
    assert len(deduplicated([replace(d, id="same") for d in documents])) == len(documents)


def test_repeated_paragraphs_are_dropped() -> None:
    first = Document("a", "s", "", "One.\n\nTwo.")
    second = Document("b", "s", "", "Two.\n\nThree.")
    third = Document("c", "s", "", "One.")
    assert [d.text for d in without_repeated_paragraphs([first, second, third])] == [
        "One.\n\nTwo.",
        "Three.",
    ]


def test_whole_topics_and_some_documents_are_held_out() -> None:
    split = assign_splits(made(400), unseen_topics=["Rainy days"], share=0.1, seed=3)
    assert all((d.split == "unseen") == (d.topic == "Rainy days") for d in split)
    seen = sum(d.split == "seen" for d in split)
    assert 10 < seen < 60
    again = assign_splits(made(400), unseen_topics=["Rainy days"], share=0.1, seed=3)
    assert [d.split for d in again] == [d.split for d in split]


def test_long_documents_are_cut_at_paragraphs() -> None:
    paragraph = "The river is long and the people of the town like it very much indeed."
    article = Document("x", "wikipedia", "River", "\n\n".join([paragraph] * 200), "encyclopedia")
    pieces = list(chunked(article))
    assert "\n\n".join(p.text for p in pieces) == article.text
    assert all(p.words <= 720 for p in pieces)
    assert len({p.id for p in pieces}) == len(pieces)


def test_tables_and_lists_of_an_encyclopedia_are_left_out() -> None:
    prose = "The river is long and the people of the town like it very much indeed, as we know."
    junk = ["1990 | 12 | 13", "See also", "{{cite web}} " + prose]
    article = Document("x", "wikipedia", "R", "\n\n".join([*junk, *[prose] * 12]), "encyclopedia")
    (piece,) = chunked(article)
    assert set(piece.paragraphs) == {prose}


def test_sources_teach_styles() -> None:
    assert style_of("enwiki-2015") == "encyclopedia"
    assert style_of("masc-blog") == "plain"
    assert style_of("Mrs Miller") == "own"
