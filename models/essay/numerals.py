"""What no number in an English sentence looks like."""

from __future__ import annotations

import re

MOST_DIGITS = 6  # in a row
_MONEY = re.compile(r"\$[\d,.]*\d\Z")
_NUMBER = re.compile(r"\d\Z")
_DIGITS = re.compile(r"\d+\Z")
_UNITS = frozenset({"%", " %", " percent", " dollars", " dollar", " cents"})


def allows(text: str, piece: str) -> bool:
    """Tell whether ``piece`` may follow ``text``, as far as numbers go."""
    if "$" in piece and "$" in text:  # a small writer finds no end of them
        return False
    if not _NUMBER.search(text):
        return True
    if piece.startswith((" $", "$")) or (_MONEY.search(text) and piece in _UNITS):
        return False
    digits = _DIGITS.search(text)
    more = re.match(r"\d*", piece)
    return len(digits.group() if digits else "") + len(more.group() if more else "") <= MOST_DIGITS
