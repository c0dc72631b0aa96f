"""A text that an essay goes on from: its whole sentences, and one that may have no end yet.

The service looks here, too, whether an opening leaves room.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass

from models.contract import OPENING_LIMIT
from models.essay.lexicon import content_words, english, is_english
from models.essay.plan import paragraph_count
from models.essay.prompt import PLAN_KEYWORDS, PLAN_PARAGRAPHS, Plan, normalise
from models.essay.topic import FALLBACK_SCRIPT, FALLBACK_WORDS, SUBJECT_WORDS, Topic

LEAST_ROOM = 20  # words that must be left to write
FEWEST_WORDS = 40  # of a further paragraph
USUAL_WORDS = 140  # of a paragraph
OWN_KEYWORDS = 3  # words of the opening that say what it is about

_NO_WORDS = re.compile(r"[^\w\s'.,:;!?&%$/()\"-]+|_+")
_LOOSE_SIGN = re.compile(r" +([,.;:!?])")
_LOOSE_END = re.compile(r"(?:\s+[\"'(-]+)+\Z")
_SENTENCES = re.compile(r"(?:(?<=[.!?])|(?<=[.!?][\"')]))\s+")
_ENDED = re.compile(r"[.!?][\"')]*\Z")


@dataclass(frozen=True)
class Opening:
    """What the essay begins with, as it will stand there."""

    paragraphs: tuple[tuple[str, ...], ...]  # whole sentences of each; the last may have none
    begun: str  # the sentence of the last paragraph that has no end yet; may be empty

    @property
    def blocks(self) -> list[str]:
        """List the paragraphs as texts, the unfinished sentence included."""
        blocks = [" ".join(sentences) for sentences in self.paragraphs]
        blocks[-1] = f"{blocks[-1]} {self.begun}".strip()
        return blocks

    @property
    def text(self) -> str:
        """The whole text."""
        return "\n\n".join(self.blocks)

    @property
    def words(self) -> int:
        """Count its words."""
        return len(self.text.split())

    def leaves_room(self, words: int) -> bool:
        """Tell whether something can be written after it in an essay of ``words``."""
        return self.words + LEAST_ROOM <= words

    def paragraph_count(self, words: int) -> int:
        """Choose how many paragraphs an essay of ``words`` has that begins with this."""
        here, left = len(self.paragraphs), words - self.words
        further = max(paragraph_count(words) - here, round(left / USUAL_WORDS))
        return min(PLAN_PARAGRAPHS, here + min(further, left // FEWEST_WORDS))

    def outline(self, plan: Plan) -> Plan:
        """Let an outline say of the paragraphs that stand already what they are about."""
        own = [telling_words(block, OWN_KEYWORDS) for block in self.blocks]
        last = len(own) - 1
        told = []
        for number, keywords in enumerate(plan):
            here = own[number] if number <= last else ()
            if number == last:  # it goes on
                here = tuple(dict.fromkeys((*here[: PLAN_KEYWORDS // 2], *keywords)))
            told.append(here[:PLAN_KEYWORDS] or keywords)
        return tuple(told)


def read_opening(text: str | None) -> Opening | None:
    """Clean a text, cut it at a word if it is too long; None where no words are left."""
    blocks = [_cleaned(block) for block in re.split(r"\n\s*\n", normalise(text or ""))]
    whole = "\n\n".join(block for block in blocks if any(c.isalnum() for c in block))
    if len(whole) > OPENING_LIMIT:
        whole = re.sub(r"\S*\Z", "", whole[: OPENING_LIMIT + 1]).strip()
    if not whole:
        return None
    paragraphs = [_SENTENCES.split(block) for block in whole.split("\n\n")]
    begun = "" if _ENDED.search(paragraphs[-1][-1]) else _LOOSE_END.sub("", paragraphs[-1].pop())
    return Opening(tuple(tuple(sentences) for sentences in paragraphs), begun)


def about(topic: Topic, opening: Opening) -> Topic:
    """Let a topic's subject take in what the opening is about."""
    told = telling_words(opening.text, OWN_KEYWORDS)
    if topic.subject in (FALLBACK_SCRIPT, FALLBACK_WORDS):
        return Topic(topic.title, " ".join(told), None) if told else topic
    own = topic.subject.split()
    known = {word.lower() for word in own}
    added = [word for word in told if word not in known]
    return Topic(topic.title, " ".join([*own, *added][: max(SUBJECT_WORDS, len(own))]), topic.note)


def telling_words(text: str, count: int) -> tuple[str, ...]:
    """Choose the words that say what a text is about, repeated and rare ones first."""
    words = [word for word in content_words(text) if is_english(word)]
    counts, ranks = Counter(words), english()
    best = sorted(counts, key=lambda w: (-counts[w], -ranks.get(w, 0)))[:count]
    return tuple(word for word in counts if word in best)


def _cleaned(block: str) -> str:
    block = " ".join(_NO_WORDS.sub(" ", block).split())
    return _LOOSE_SIGN.sub(r"\1", block)
