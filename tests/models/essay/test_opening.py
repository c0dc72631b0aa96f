from __future__ import annotations

import pytest

from models.contract import OPENING_LIMIT
from models.essay.opening import Opening, about, read_opening, telling_words
from models.essay.topic import read_topic


def opening(text: str) -> Opening:
    found = read_opening(text)
    assert found is not None
    return found


def test_whole_sentences_and_the_one_without_an_end() -> None:
    found = opening('Rivers are old. "They move!" I like\n\nMany towns stand there. Some of them')
    assert found.paragraphs == (
        ("Rivers are old.", '"They move!"', "I like"),
        ("Many towns stand there.",),
    )
    assert found.begun == "Some of them"
    assert found.text == (
        'Rivers are old. "They move!" I like\n\nMany towns stand there. Some of them'
    )
    assert found.words == 14
    assert opening("It ends here.").begun == ""
    assert opening("only a piece").paragraphs == ((),)


@pytest.mark.parametrize(
    ("raw", "clean"),
    [
        ("  two\n lines\u200b ", "two lines"),
        ("a **bold** <text> word </s>", "a bold text word /s"),
        ("Cats 😀, dogs 🚀.", "Cats, dogs."),
        ("He said “no” – twice…", 'He said "no" - twice...'),
        ("snake_case and @here", "snake case and here"),
        ('He wrote: "', "He wrote:"),
    ],
)
def test_is_cleaned(raw: str, clean: str) -> None:
    assert opening(raw).text == clean


@pytest.mark.parametrize("nothing", [None, "", "  \n", "😀 …", "*** ---"])
def test_without_words_there_is_none(nothing: str | None) -> None:
    assert read_opening(nothing) is None


def test_a_long_one_is_cut_at_a_word() -> None:
    found = opening("ﬃ" * 3 + " " + "word " * OPENING_LIMIT)
    assert len(found.text) <= OPENING_LIMIT and found.text.endswith(" word")


def test_has_paragraphs_left_for_what_is_to_come() -> None:
    short, long = opening("Rivers are old."), opening("Rivers are old. " * 100)
    assert short.paragraph_count(400) == 4
    assert long.paragraph_count(400) == 3
    assert long.paragraph_count(320) == 1
    assert opening("\n\n".join(["One line."] * 30)).paragraph_count(400) == 10
    assert long.leaves_room(320) and not long.leaves_room(319)


def test_says_what_it_is_about() -> None:
    text = "The harvest was late. A harvest is work for every farmer, and farmers know it."
    assert telling_words(text, 1) == ("harvest",)
    topic = about(read_topic("village life"), opening(text))
    assert topic.subject.split()[:2] == ["village", "life"] and "harvest" in topic.subject
    assert about(read_topic("???"), opening(text)).subject.startswith("harvest")
    assert about(read_topic("???"), opening(text)).note is None


def test_outline_of_what_stands_already_is_its_own() -> None:
    found = opening("The harvest was late.\n\nSome farmers")
    plan = (("a", "b"), ("c", "d"), ("e", "f"))
    told = found.outline(plan)
    assert told[0] == ("harvest", "late") and told[2] == ("e", "f")
    assert told[1] == ("farmers", "c", "d")
