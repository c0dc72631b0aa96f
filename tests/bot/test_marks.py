from __future__ import annotations

import pytest

from bot.marks import from_name, from_text, parse_mark, title_of


@pytest.mark.parametrize(
    ("value", "best", "mark"),
    [
        ("18/20", None, 90.0),
        ("93 %", None, 93.0),
        (93, None, 93.0),
        ("4,5 of 6", None, 75.0),
        ("18", 20, 90.0),
        ("B+", None, 88.0),
        ("A+", None, 98.0),
        ("21/20", None, None),
        ("9/0", None, None),
        ("-3", None, None),
        ("good", None, None),
        ("=1+92", None, None),
        (None, None, None),
    ],
)
def test_marks_become_per_cent(value: object, best: object, mark: float | None) -> None:
    assert parse_mark(value, best) == mark


@pytest.mark.parametrize(
    ("name", "title", "mark"),
    [
        ("The sea (93).txt", "The sea", 93.0),
        ("The_sea_[18 of 20].docx", "The sea", 90.0),
        ("The sea 95%.pdf", "The sea", 95.0),
        ("The sea - 88.5.md", "The sea", 88.5),
        ("The sea (B+).txt", "The sea", 88.0),
        ("Essay 12.txt", "Essay 12", None),
        ("essay_12.txt", "essay 12", None),
        ("1984.txt", "1984", None),
        ("(a)(a)(a)(a)(a)(a)(a)(a).txt", "(a)(a)(a)(a)(a)(a)(a)", 95.0),
    ],
)
def test_names_carry_title_and_mark(name: str, title: str, mark: float | None) -> None:
    assert from_name(name) == (title, mark)


def test_texts_say_what_they_are_about() -> None:
    text = "Topic: The sea\nMark: 18/20\n\nIt is wide.\n\nAnd deep."
    assert from_text(text) == ("The sea", 90.0, "It is wide.\n\nAnd deep.")
    assert from_text("# The sea\n\nIt is wide.") == ("The sea", None, "It is wide.")
    assert from_text("It is wide.\n\nAnd deep.") == ("", None, "It is wide.\n\nAnd deep.")


def test_a_title_is_one_line_and_no_formula() -> None:
    assert title_of('=HYPERLINK("http://x")\n\x00 and') == 'HYPERLINK("http://x") and'
    assert title_of("@SUM(A1)") == "SUM(A1)"
    assert len(title_of("x" * 999)) == 200
    assert title_of(None) == ""
