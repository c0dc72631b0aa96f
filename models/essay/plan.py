"""The outline of an essay: how many paragraphs, how long each, and which keywords."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from models.essay.associations import Associations, Vector, associations
from models.essay.grammar import PLAN_NEXT, PLAN_REST, PLAN_TEXT, PLAN_WORD, Mask
from models.essay.lexicon import (
    STOP_WORDS,
    Lexicon,
    Speller,
    content_words,
    stem,
)
from models.essay.prompt import (
    PLAN_KEYWORDS,
    PLAN_PARAGRAPHS,
    SEP,
    SPECIAL_TOKENS,
    TEXT,
    Plan,
    role_of,
)
from models.essay.sampling import Luck

FEWEST_KEYWORDS = 2
USUAL_KEYWORDS = 3
NEAR = 0.4  # cosine from which a keyword belongs to the topic
FIELD, CHOICE = 80, 6  # words of a topic's field; how many of the nearest are drawn from
LONGEST_KEYWORD = 6  # tokens
_SEP, _TEXT = SPECIAL_TOKENS.index(SEP), SPECIAL_TOKENS.index(TEXT)
_INTRO, _CONCLUSION = 1, 3


def paragraph_count(words: int) -> int:
    """Choose how many paragraphs suit a length: 200 words -> 3, 400 -> 4, 800 -> 7."""
    if words < 80:
        return 1
    if words < 150:
        return 2
    return max(3, min(PLAN_PARAGRAPHS, round(1.6 + words / 140)))


def paragraph_words(left: int, paragraph: int, paragraphs: int) -> int:
    """Share the words still to come: what paragraph ``paragraph`` (from 0) should take of them."""
    weights = [
        {_INTRO: 0.8, _CONCLUSION: 0.75}.get(role_of(n, paragraphs), 1.0)
        for n in range(paragraph, paragraphs)
    ]
    return round(left * weights[0] / sum(weights))


class PlanCandidate:
    """One outline being drawn: keywords, a separator between paragraphs, at last ``<text>``."""

    def __init__(
        self, lexicon: Lexicon, speller: Speller, paragraphs: int, topic: Iterable[int]
    ) -> None:
        self._lexicon = lexicon
        self._speller = speller
        self._paragraphs = paragraphs
        self._topic = frozenset(topic)
        self._used: set[int] = set()
        self.plan: list[list[list[int]]] = [[]]
        self.tokens: list[int] = []
        self.logp = 0.0
        self.gain = 0.0
        self.done = False
        self.ended = False

    @property
    def written(self) -> int:
        """Count words of text: an outline has none."""
        return 0

    @property
    def mask(self) -> int:
        """Say what may come next."""
        here = self.plan[-1]
        bits = 0
        if len(here) < PLAN_KEYWORDS:
            bits |= PLAN_WORD
        if here and len(here[-1]) < LONGEST_KEYWORD:
            bits |= PLAN_REST
        if len(here) >= FEWEST_KEYWORDS:
            bits |= PLAN_TEXT if len(self.plan) == self._paragraphs else PLAN_NEXT
        return Mask.PLAN + bits

    def favoured(self) -> dict[int, float]:
        """Favour nothing: the topic's field is pulled as a whole."""
        return {}

    def forbidden(self) -> list[int]:
        """Keep keywords apart: one mention each, but the last paragraph may return to the topic."""
        if len(self.plan) == self._paragraphs > 1:
            here = {word[0] for word in self.plan[-1]}
            return sorted(here | (self._used - self._topic))
        return sorted(self._used)

    def accepts(self, token: int) -> bool:
        """Refuse a token that spells no known word."""
        here = self.plan[-1]
        partial = self._lexicon.decode(here[-1]) if here else ""
        return self._speller.allows(partial, self._lexicon.texts[token])

    def take(self, token: int, logp: float, gain: float, *, strained: bool = False) -> None:
        """Add a drawn token."""
        self.tokens.append(token)
        self.logp += logp
        self.gain += gain
        if token == _TEXT:
            self.done = self.ended = True
        elif token == _SEP:
            self.plan.append([])
        elif self._lexicon.begins[token]:
            self.plan[-1].append([token])
            word = self._lexicon.texts[token].strip().lower()
            for form in (word, f"{word}s", word.removesuffix("s")):
                self._used.update(self._lexicon.starts_of(form) if form else ())
        else:
            self.plan[-1][-1].append(token)

    def give_up(self) -> None:
        """Stop without an end."""
        self.done = True

    def keywords(self) -> Plan:
        """Read the outline as words."""
        return tuple(
            tuple(self._lexicon.decode(word).strip() for word in words) for words in self.plan
        )


def judge_plan(candidate: PlanCandidate, topic: str, known: Associations) -> float:
    """Rate an outline: near to the topic, varied, made of real words, few names."""
    plan = candidate.keywords()
    words = [word for keywords in plan for word in keywords]
    if not words or not candidate.ended:
        return -100.0
    about = {stem(word) for word in content_words(topic)}
    nearness = known.nearness(words, known.mean(topic.split()))
    variety = len({stem(word) for word in words}) / len(words)
    names = sum(word[0].isupper() and stem(word) not in about for word in words) / len(words)
    dull = sum(word.lower() in STOP_WORDS for word in words) / len(words)
    spoken = len(about & {stem(word) for word in words}) / max(len(about), 1)
    tokens = len(candidate.tokens)
    return (
        5.0 * sum(nearness) / len(words)
        + 1.0 * variety
        + 1.0 * spoken
        + 0.2 * candidate.logp / tokens
        + 0.7 * candidate.gain / tokens
        - 1.5 * names
        - 1.0 * dull
    )


def mend_plan(plan: Plan, topic: str, lexicon: Lexicon, directions: Tensor, luck: Luck) -> Plan:
    """Put words of the topic's field where an outline strays from it, or says too little.

    ``directions`` are those of all tokens (see ``Associations.table``): what is put in is then a
    word that the model itself knows. A topic that nobody knows leaves the outline as it is.
    """
    known = associations()
    subject = known.mean(topic.split())
    if not subject.any():
        return plan
    own = [word for word in dict.fromkeys(topic.split()) if content_words(word)]
    taken = {stem(word) for word in own}
    best = (directions @ torch.from_numpy(subject)).topk(min(FIELD, len(directions))).indices
    field = [lexicon.texts[n].strip() for n in best.tolist()]
    mended = []
    for number, keywords in enumerate(plan):
        here = [w for w in keywords if stem(w) not in taken and _near(w, known, subject)]
        if number in (0, len(plan) - 1):
            here = [*own[:2], *here]
        taken |= {stem(word) for word in here}
        while len(here) < USUAL_KEYWORDS:
            fresh = [w for w in field if w.islower() and stem(w) not in taken][:CHOICE]
            if not fresh:
                break
            here.append(fresh[luck.pick(len(fresh))])
            taken.add(stem(here[-1]))
        mended.append(tuple(here[:PLAN_KEYWORDS]) or keywords)
    return tuple(mended)


def _near(word: str, known: Associations, subject: Vector) -> bool:
    return any(n >= NEAR for n in known.nearness([word], subject))


def fallback_plan(topic: str, paragraphs: int) -> Plan:
    """Make an outline of the topic's own words, for want of a better one."""
    words = tuple(dict.fromkeys(content_words(topic))) or tuple(topic.split()) or ("unknown",)
    return tuple(
        tuple(dict.fromkeys((words[n % len(words)], words[(n + 1) % len(words)])))
        for n in range(paragraphs)
    )
