"""The words of a topic that the model spells in pieces, and where an essay may name them.

A small model talks around such words: an essay on photosynthesis would never say so. So they are
held out to it where a noun may stand, and once begun they are spelled to their end.
"""

from __future__ import annotations

from itertools import pairwise

from models.essay.lexicon import STOP_WORDS, Lexicon, split_set, stem

PUSH = 2.0  # nats given to such a word's first token
FORCE = 100.0  # nats given to its other ones
LEAST = 0.002  # share of the likeliest token's that its first one needs
_ENDINGS = split_set("s es ing ed d er ers")
_BEFORE_ANY = split_set("of about for with like on from by than")
_BEFORE_COMMON = split_set("the my your our their his her")


class Naming:
    """A topic's words as tokens."""

    def __init__(self, subject: str, title: str, lexicon: Lexicon) -> None:
        """Find the words that are no single token; the title tells which belong together."""
        self._next: dict[str, str] = {}
        words = subject.split()
        for first, second in pairwise(words):
            both_capital = first[:1].isupper() and second[:1].isupper()
            if both_capital and f"{first} {second}".lower() in title.lower():
                self._next[first.lower()] = second
        self.stems: set[str] = set()
        self._whole: set[str] = set()  # words that are one token
        self._inside: dict[int, tuple[int, ...]] = {}
        self._opening: dict[int, tuple[int, ...]] = {}
        for word in words:
            if _is_noun(word) and len(lexicon.encode(f" {word}")) > 1 and word.isascii():
                self.stems.add(stem(word))
                for form in (word, word.capitalize()):
                    token, *rest = lexicon.encode(f" {form}")
                    self._inside.setdefault(token, tuple(rest))
                    if form[0].isupper():
                        self._opening.setdefault(token, tuple(rest))
            elif word.isalpha():
                self._whole.add(word.lower())
        self._names = all(word[:1].isupper() for word in words)

    def wanted(self, before: str) -> dict[int, tuple[int, ...]]:
        """Tell which tokens begin a topic's word after ``before`` ("" = the start of a sentence).

        To each belong the tokens that spell the rest of it.
        """
        if not before:
            return self._opening
        fits = before in _BEFORE_ANY or (before in _BEFORE_COMMON and not self._names)
        return self._inside if fits else {}

    def grows(self, word: str, piece: str) -> bool:
        """Tell whether letters may follow the topic's ``word``: "war" is pushed, "warmer" not."""
        return word not in self._whole or piece in _ENDINGS

    def continues(self, before: str, letters: str, *, whole: bool) -> bool:
        """Tell whether a capital after a name's first word ("Albert") goes on as the name does."""
        following = self._next.get(before)
        if following is None or not letters[:1].isupper():
            return True
        return letters == following if whole else following.startswith(letters)


def _is_noun(word: str) -> bool:
    return word.lower() not in STOP_WORDS and not word.endswith(("ed", "ly")) and word.isalpha()
