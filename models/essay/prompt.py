"""The one place that turns a wish (topic, style, mark, length, plan) into what the model is given.

The model is told the same things twice. As text, a prefix::

    <style_x> <mark_k> <len_k> <topic> topic ... <plan> kw kw <sep> kw kw ... <text> words <par> ...

and as a condition, felt at every step: the topic's and the present paragraph's words, the style,
the mark, the paragraph's role and how many words remain. Training and writing both come here, so
that they cannot diverge. Imports no torch.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Protocol

STYLES = (
    "none",
    "argument",
    "reflection",
    "encyclopedia",
    "classic",
    "speech",
    "plain",
    "own",
)
ROLES = ("none", "intro", "body", "conclusion")
MARKS = 6  # 0 = unknown, 1 = weakest fifth or so, 5 = best tenth
LENGTHS = 14  # 0 = unknown
REMAINING = 32  # 0 = unknown
BAG = 16  # topic or keyword tokens felt at every step
TOPIC_TOKENS = 32
PLAN_PARAGRAPHS = 10
PLAN_KEYWORDS = 4

PAD, START, END, TOPIC, PLAN, SEP, TEXT, PAR = (
    "<pad>",
    "<s>",
    "</s>",
    "<topic>",
    "<plan>",
    "<sep>",
    "<text>",
    "<par>",
)
SPECIAL_TOKENS: tuple[str, ...] = (
    PAD,
    START,
    END,
    TOPIC,
    PLAN,
    SEP,
    TEXT,
    PAR,
    *(f"<style_{name}>" for name in STYLES),
    *(f"<mark_{k}>" for k in range(MARKS)),
    *(f"<len_{k}>" for k in range(LENGTHS)),
)

Plan = tuple[tuple[str, ...], ...]

_SPACES = re.compile(r"\s+")
_NOT_WORDS = re.compile(r"[^\w\s'’.,:;!?&%$/()\"-]+")
_QUOTES = str.maketrans(
    {"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "...", "\u00a0": " "}
)


class Encoder(Protocol):
    """The part of a Hugging Face tokenizer that is used here."""

    def encode(self, text: str, /, *, add_special_tokens: bool = ...) -> Any:
        """Turn text into ids: a list of ints."""

    def convert_tokens_to_ids(self, tokens: str, /) -> Any:
        """Look up one token: an int."""


@dataclass(frozen=True)
class Wish:
    """What to write: a topic, and how."""

    topic: str
    words: int = 400
    style: str = "none"
    mark: int = 0  # bucket, 0 = unknown
    plan: Plan | None = None  # keywords per paragraph; None = no plan in the prefix


@dataclass(frozen=True)
class Condition:
    """What the model feels at one step; zeros mean unknown."""

    topic: tuple[int, ...] = ()
    keywords: tuple[int, ...] = ()
    style: int = 0
    mark: int = 0
    role: int = 0
    remaining: int = 0

    def without_content(self) -> Condition:
        """Drop topic and keywords: the weaker voice that guidance pushes away from."""
        return Condition((), (), self.style, self.mark, self.role, self.remaining)


@dataclass(frozen=True)
class ConditionArrays:
    """Many conditions as plain lists, one row each, ready to become integer tensors."""

    topic: list[list[int]]  # (N, BAG), padded with 0
    keywords: list[list[int]]  # (N, BAG), padded with 0
    style: list[int]
    mark: list[int]
    role: list[int]
    remaining: list[int]


def normalise(text: str) -> str:
    """Compose unicode, straighten quotes and dashes, drop control characters."""
    text = unicodedata.normalize("NFKC", text).translate(_QUOTES)
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c)[0] != "C")


def clean_topic(topic: str, limit: int = 500) -> str:
    """Reduce what a user typed to one line of words; may be empty (only emoji, say)."""
    topic = _NOT_WORDS.sub(" ", normalise(topic)[: 2 * limit])
    return _SPACES.sub(" ", topic).strip(" .,:;!?'\"-")[:limit]


def length_bucket(words: int) -> int:
    """Half-octave bucket of an essay's whole length: 50 words -> 1, 100 -> 3, 800 -> 9."""
    if words <= 0:
        return 0
    return 1 + max(0, min(LENGTHS - 2, round(2 * math.log2(max(words, 1) / 50))))


def remaining_bucket(words: int) -> int:
    """Bucket of the words still to come, fine near the end: 0 -> 1, 12 -> 5, 400 -> 21."""
    return 1 + min(REMAINING - 2, int(4 * math.log2(1 + max(words, 0) / 12)))


def role_of(paragraph: int, paragraphs: int) -> int:
    """Number the role of paragraph ``paragraph`` (from 0) among ``paragraphs``."""
    if paragraphs < 3:
        return ROLES.index("none")
    if paragraph <= 0:
        return ROLES.index("intro")
    return ROLES.index("conclusion" if paragraph >= paragraphs - 1 else "body")


def style_index(style: str) -> int:
    """Number a style; unknown names are ``own``, the style of a corpus of one's own."""
    return STYLES.index(style) if style in STYLES else STYLES.index("own")


def condition_arrays(conditions: Iterable[Condition]) -> ConditionArrays:
    """Lay conditions out as rows (pass each field to ``EssayLSTM.condition`` as a tensor)."""
    rows = list(conditions)
    return ConditionArrays(
        topic=[_padded(c.topic) for c in rows],
        keywords=[_padded(c.keywords) for c in rows],
        style=[c.style for c in rows],
        mark=[c.mark for c in rows],
        role=[c.role for c in rows],
        remaining=[c.remaining for c in rows],
    )


class Prompter:
    """Encodes wishes with one tokenizer."""

    def __init__(self, tokenizer: Encoder) -> None:
        self._tokenizer = tokenizer
        self.ids = {token: tokenizer.convert_tokens_to_ids(token) for token in SPECIAL_TOKENS}
        self._word = lru_cache(maxsize=65_536)(self._natural)

    def prefix(self, wish: Wish, *, open_plan: bool = False) -> list[int]:
        """Give the ids to feed before the first word of text.

        No ``<s>``: the memory starts empty. With ``open_plan`` the prefix ends after ``<plan>``,
        and the model itself goes on: keywords, ``<sep>`` between paragraphs, then ``<text>``.
        """
        ids = [
            self.ids[f"<style_{STYLES[style_index(wish.style)]}>"],
            self.ids[f"<mark_{wish.mark}>"],
            self.ids[f"<len_{length_bucket(wish.words)}>"],
            self.ids[TOPIC],
            *self.words(wish.topic)[:TOPIC_TOKENS],
        ]
        if open_plan:
            return [*ids, self.ids[PLAN]]
        if wish.plan:
            ids += self.plan_ids(wish.plan)
        return [*ids, self.ids[TEXT]]

    def plan_ids(self, plan: Plan) -> list[int]:
        """Encode ``<plan> kw kw <sep> kw kw ...`` without the closing ``<text>``."""
        ids = [self.ids[PLAN]]
        for number, keywords in enumerate(plan[:PLAN_PARAGRAPHS]):
            if number:
                ids.append(self.ids[SEP])
            for keyword in keywords[:PLAN_KEYWORDS]:
                ids += self.words(keyword)
        return ids

    def parse_plan(self, ids: Sequence[int], decode: Decoder) -> Plan:
        """Read back a plan that the model wrote after ``<plan>``, up to ``<text>``."""
        paragraphs: list[list[int]] = [[]]
        for token in ids:
            if token in (self.ids[TEXT], self.ids[END]):
                break
            if token == self.ids[SEP]:
                paragraphs.append([])
            elif token >= len(SPECIAL_TOKENS):
                paragraphs[-1].append(token)
        return tuple(tuple(str(decode(p)).split()) for p in paragraphs[:PLAN_PARAGRAPHS])

    def condition(
        self, wish: Wish, *, paragraph: int = -1, paragraphs: int = 0, remaining: int | None = None
    ) -> Condition:
        """Give what is felt while paragraph ``paragraph`` is written; -1 while the prefix is read.

        ``paragraphs`` is how many the essay will have (default: as many as the plan), ``remaining``
        the words still to come (default: all). A paragraph begins at the ``<par>`` token before it,
        the first one at ``<text>``.
        """
        plan = wish.plan or ()
        inside = paragraph >= 0
        keywords = plan[paragraph] if inside and paragraph < len(plan) else ()
        return Condition(
            topic=self.bag([wish.topic]),
            keywords=self.bag(keywords),
            style=style_index(wish.style),
            mark=wish.mark,
            role=role_of(paragraph, paragraphs or len(plan)) if inside else 0,
            remaining=remaining_bucket(wish.words if remaining is None else remaining),
        )

    def bag(self, words: Iterable[str]) -> tuple[int, ...]:
        """Encode words for the condition: at most BAG tokens."""
        return tuple(token for text in words for token in self.words(text))[:BAG]

    def words(self, text: str) -> list[int]:
        """Encode words as they would stand inside a sentence, whatever their capitals here."""
        return [token for word in normalise(text).split() for token in self._word(word)]

    def _natural(self, word: str) -> tuple[int, ...]:
        """Choose the commonest of a word's spellings: fewest tokens, then smallest ids."""
        forms = dict.fromkeys((word, word.lower(), word[:1].upper() + word[1:].lower()))
        encoded = [
            tuple(self._tokenizer.encode(f" {form}", add_special_tokens=False)) for form in forms
        ]
        return min(encoded, key=lambda ids: (len(ids), sum(ids)))


class Decoder(Protocol):
    """Turns ids into text."""

    def __call__(self, ids: list[int], /) -> Any:
        """Decode: a str."""


def _padded(ids: Sequence[int]) -> list[int]:
    return [*ids[:BAG], *([0] * (BAG - len(ids)))]
