from __future__ import annotations

import pytest

from models.essay.lexicon import is_english


@pytest.mark.parametrize("word", ["don't", "it's", "they're", "anna's", "couldn't"])
def test_short_forms_are_english(word: str) -> None:
    assert is_english(word)


def test_not_every_apostrophe_makes_a_word() -> None:
    assert not is_english("xqzt's")
    assert not is_english("cat'x")
