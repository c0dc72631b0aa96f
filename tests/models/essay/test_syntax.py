from __future__ import annotations

import pytest

from models.essay.mending import tidy
from models.essay.syntax import allows


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("They", " is"), ("I can", " is"), ("I like the", " and"), ("I like the", "."),
        ("We know that, ", ","), ("It is a", " my"), ("She", " have"), ("I want to", " was"),
        ("The people of", " is"), ("It is very", "."), ("Some don", " only"), ("They didn", "."),
    ],
)  # fmt: skip
def test_refuses_what_no_sentence_has(text: str, piece: str) -> None:
    assert not allows(text, text.lower().strip(" ,").split()[-1], piece)


@pytest.mark.parametrize(
    ("text", "piece"),
    [
        ("They", " are"), ("I can", " swim"), ("I like the", " sea"), ("I like the sea", "."),
        ("We know that", ","), ("what they want to", "."), ("he", " is"),
        ("what it is", " that"), ("those of", " which"), ("I", "'m"), ("well", "-known"),
        ("They don", "'t"), ("They don", "’"), ("A don", "or"),
        ("the best thing to do", " is"), ("walking distance to", " and"), ("how will", " the"),
        ("a college to choose from", "."), ("To begin with", ","), ("Because of this,", " the"),
        ("They do this", " and"), ("and", " of"), ("should not be", " of"),
    ],
)  # fmt: skip
def test_lets_plain_english_pass(text: str, piece: str) -> None:
    assert allows(text, text.lower().strip(",").split()[-1], piece)


@pytest.mark.parametrize(
    ("raw", "right"),
    [
        ("a idea", "An idea"), ("it is an good idea", "It is a good idea"),
        ("a university and an hour", "A university and an hour"),
        ("a one-way hat", "A one-way hat"),
        ("an owl", "An owl"), ("a European", "A European"),
    ],
)  # fmt: skip
def test_articles_agree(raw: str, right: str) -> None:
    assert tidy(raw) == right
