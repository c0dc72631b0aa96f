"""The outline of an essay: how many paragraphs, how long each, and which keywords."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from models.essay.grammar import PLAN_NEXT, PLAN_REST, PLAN_TEXT, PLAN_WORD, Mask
from models.essay.lexicon import STOP_WORDS, Lexicon, content_words, is_english, stem
from models.essay.prompt import (
    PLAN_KEYWORDS,
    PLAN_PARAGRAPHS,
    SEP,
    SPECIAL_TOKENS,
    TEXT,
    Plan,
    role_of,
)

FEWEST_KEYWORDS = 2
LONGEST_KEYWORD = 4  # tokens
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

    def __init__(self, lexicon: Lexicon, paragraphs: int, topic: Iterable[int]) -> None:
        self._lexicon = lexicon
        self._paragraphs = paragraphs
        self._topic = frozenset(topic)
        self._used: set[int] = set()
        self.plan: list[list[list[int]]] = [[]]
        self.tokens: list[int] = []
        self.logp = 0.0
        self.gain = 0.0
        self.done = False

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

    def forbidden(self) -> list[int]:
        """Keep keywords apart: one paragraph, one mention; other than the topic's, one essay."""
        here = {word[0] for word in self.plan[-1]}
        return sorted(here | (self._used - self._topic))

    def take(self, token: int, logp: float, gain: float) -> None:
        """Add a drawn token."""
        self.tokens.append(token)
        self.logp += logp
        self.gain += gain
        if token == _TEXT:
            self.done = True
        elif token == _SEP:
            self.plan.append([])
        elif self._lexicon.begins[token]:
            self.plan[-1].append([token])
            self._used.add(token)
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


class Nearness:
    """How near words lie to a topic in the model's own embedding space."""

    def __init__(self, vectors: Tensor, ranks: Tensor) -> None:
        # Frequent words lie near everything; taking the common direction away helps.
        centred = vectors.float() - vectors.float().mean(0)
        self._unit = torch.nn.functional.normalize(centred, dim=1)
        self._weight = ranks

    @classmethod
    def of(cls, vectors: Tensor) -> Nearness:
        """Weigh tokens by rarity: ids are sorted by frequency."""
        ranks = torch.arange(1, vectors.shape[0] + 1).float().log()
        return cls(vectors.cpu(), ranks)

    def mean(self, ids: Sequence[int]) -> Tensor:
        """Average tokens to one direction (E,)."""
        index = torch.tensor(list(ids), dtype=torch.long)
        if not len(index):
            return torch.zeros(self._unit.shape[1])
        summed = (self._unit[index] * self._weight[index].unsqueeze(1)).sum(0)
        return torch.nn.functional.normalize(summed, dim=0)

    def between(self, one: Sequence[int], other: Sequence[int]) -> float:
        """Give the cosine of two groups of tokens."""
        return float(self.mean(one) @ self.mean(other))


def judge_plan(
    candidate: PlanCandidate, topic: str, topic_ids: Sequence[int], near: Nearness
) -> float:
    """Rate an outline: near to the topic, varied, made of real words, few names."""
    plan = candidate.keywords()
    words = [word for keywords in plan for word in keywords]
    if not words or not candidate.done:
        return -100.0
    about = {stem(word) for word in content_words(topic)}
    nearness = [near.between(ids, topic_ids) for para in candidate.plan for ids in para]
    variety = len({stem(word) for word in words}) / len(words)
    odd = sum(word.islower() and not is_english(word) for word in words) / len(words)
    names = sum(word[0].isupper() and stem(word) not in about for word in words) / len(words)
    dull = sum(word.lower() in STOP_WORDS for word in words) / len(words)
    spoken = len(about & {stem(word) for word in words}) / max(len(about), 1)
    fluency = candidate.logp / max(len(candidate.tokens), 1)
    return (
        3.0 * sum(nearness) / len(nearness)
        + 1.0 * variety
        + 1.0 * spoken
        + 0.2 * fluency
        - 3.0 * odd
        - 1.5 * names
        - 1.0 * dull
    )


def fallback_plan(topic: str, paragraphs: int) -> Plan:
    """Make an outline of the topic's own words, for want of a better one."""
    words = tuple(dict.fromkeys(content_words(topic))) or tuple(topic.split()) or ("unknown",)
    return tuple(
        tuple(dict.fromkeys((words[n % len(words)], words[(n + 1) % len(words)])))
        for n in range(paragraphs)
    )
