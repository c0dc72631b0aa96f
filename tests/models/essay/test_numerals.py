from __future__ import annotations

import pytest

from models.essay.numerals import allows


@pytest.mark.parametrize(
    ("text", "piece", "allowed"),
    [
        (" It costs $15", "%", False),
        (" It costs $15", " dollars", False),
        (" It costs $15", " a", True),
        (" It grew by 15", "%", True),
        (" It costs $15,000", " $", False),
        (" In 1990", "123", False),
        (" In 19", "90", True),
        (" In 123456", "7", False),
        (" We like", " $", True),
        (" They had $5 and", " $", False),
    ],
)
def test_numbers_look_like_numbers(text: str, piece: str, allowed: bool) -> None:
    assert allows(text, piece) is allowed
