"""Slips of a topic's spelling, set right."""

from __future__ import annotations

import re
from functools import cache

from models.essay.lexicon import english, is_english, seldom

_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")


def respelled(text: str) -> tuple[str, dict[str, str]]:
    """Correct plain slips; return the text and what was changed."""
    slips: dict[str, str] = {}
    titled = not any(w.islower() and len(w) > 3 for w in _LETTERS.findall(text))

    def correct(match: re.Match[str]) -> str:
        word = match.group()
        if len(word) < 4 or word.isupper() or is_english(word) or word.lower() in seldom():
            return word
        if match.start() and word[0].isupper() and not titled:  # a name nobody knows
            return word
        meant = nearest_word(word.lower())
        if meant is None:
            return word
        slips[word] = meant
        return meant.capitalize() if word[0].isupper() else meant

    return _LETTERS.sub(correct, text), dict(list(slips.items())[:4])


def nearest_word(word: str) -> str | None:
    """Find the common word that a slip of one letter (two in long words) was meant to be."""
    reach = 6_000 if len(word) <= 5 else 12_000 if len(word) <= 6 else 40_000
    found = [w for w in _one_away(word) if english().get(w, reach) < reach]
    if not found and len(word) >= 10:
        found = [
            other
            for other in _by_start().get(word[:2], ())
            if abs(len(other) - len(word)) <= 2 and _distance(word, other, 2) <= 2
        ]
    return min(found, key=lambda w: english()[w], default=None)


def _one_away(word: str) -> set[str]:
    letters = "abcdefghijklmnopqrstuvwxyz"
    cuts = [(word[:i], word[i:]) for i in range(len(word) + 1)]
    return (
        {a + b[1:] for a, b in cuts if b}
        | {a + b[1] + b[0] + b[2:] for a, b in cuts if len(b) > 1}
        | {a + c + b[1:] for a, b in cuts if b for c in letters}
        | {a + c + b for a, b in cuts for c in letters}
    )


@cache
def _by_start() -> dict[str, list[str]]:
    groups: dict[str, list[str]] = {}
    for word, rank in english().items():
        if rank < 25_000 and len(word) >= 6:
            groups.setdefault(word[:2], []).append(word)
    return groups


def _distance(a: str, b: str, limit: int) -> int:
    """Count the letters to insert, delete or replace; stops early above ``limit``."""
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, start=1):
        above, row = row, [i]
        for j, y in enumerate(b, start=1):
            row.append(min(above[j] + 1, row[-1] + 1, above[j - 1] + (x != y)))
        if min(row) > limit:
            return limit + 1
    return row[-1]
