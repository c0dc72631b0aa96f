"""Learning how people's sentences differ from a version's own; see ``models/essay/manner.py``."""

from __future__ import annotations

import math
import random
import re
from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np
import torch
from torch.nn.functional import binary_cross_entropy_with_logits
from transformers import AutoTokenizer

from models.essay.decoding import Decoding
from models.essay.lexicon import Lexicon, is_english, words_of
from models.essay.manner import PLACES, Floats, Manner, places, sentences
from models.registry import Version
from training.essays.evaluation import spread
from training.essays.labels import polished
from training.essays.prepare import Marked
from training.essays.writing import Order, write_all

LEAST = 400  # essays with a topic: fewer tell nothing
MADE, WORDS = 80, 400  # essays written to be compared
PEOPLE = 10  # people's essays for one of those
MARK = 3  # bucket of people's essays from which they are a model
DOUBT = 12.0  # tokens seen on both sides before the first
FURTHEST = 1.0  # nats that a token is moved at most
COMMON = 0.05  # of the essays hold a word that has habits
STEPS, RATE, DECAY = 250, 0.05, 3e-4
SHORTEST, LONGEST = 4, 45  # words of a sentence that is compared

_WHOLE = re.compile(r" (?:[A-Za-z]{2,}|[AaI])|'[a-z]+|[.,?!;:]")


def manner_of(without: Callable[[], Version], essays: Sequence[Marked], seed: int) -> Manner | None:
    """Let a version write on the topics of training essays and compare; None for a few essays."""
    titled = [e.document for e in essays if e.document.topic and e.mark >= MARK]
    if len(titled) < LEAST:
        return None
    version = without()
    chosen = spread(titled, PEOPLE * MADE, seed)
    orders = [Order(d.topic, WORDS, seed + n) for n, d in enumerate(chosen[:MADE])]
    made = [w.text for w in write_all(version, orders)]
    lexicon = Lexicon(AutoTokenizer.from_pretrained(version.path), Decoding().forbidden)
    return learn(lexicon, made, [polished(d.text) for d in chosen], seed=seed)


def learn(lexicon: Lexicon, made: Sequence[str], people: Sequence[str], *, seed: int = 1) -> Manner:
    """Compare essays of both kinds, on the same topics."""
    ours = _usable(made)
    theirs = [s for s in _usable(people) if all(map(_spelt, words_of(s)))]
    random.Random(seed).shuffle(theirs)
    theirs = theirs[: 4 * len(ours)]
    tokens = _tokens(lexicon, ours, theirs) * _anywhere(lexicon, people)
    return Manner(tokens, _weights(ours, theirs))


def _usable(texts: Sequence[str]) -> list[str]:
    found = (s for text in texts for s in sentences(text))
    return [s for s in found if SHORTEST <= len(s.split()) <= LONGEST]


def _spelt(word: str) -> bool:
    """Tell whether the writer could write a word at all: its slips are none of its manners."""
    return is_english(word.split("'")[0])


def _anywhere(lexicon: Lexicon, people: Sequence[str]) -> Floats:
    """Mark the words and signs that essays on any topic use."""
    held = Counter(t for text in people for t in set(lexicon.encode(f" {text}")))
    marks = np.zeros(len(lexicon.texts), dtype=np.float32)
    for token, count in held.items():
        if count >= COMMON * len(people) and _WHOLE.fullmatch(lexicon.texts[token]):
            marks[token] = 1.0
    return marks


def _tokens(lexicon: Lexicon, ours: Sequence[str], theirs: Sequence[str]) -> Floats:
    """Give how much commoner every token is with people, in nats; rare ones stay."""
    mine, other = (
        Counter(t for s in group for t in lexicon.encode(f" {s}")) for group in (ours, theirs)
    )
    scale = mine.total() / max(other.total(), 1)
    result = np.zeros(len(lexicon.texts), dtype=np.float32)
    for token in mine.keys() | other.keys():
        ratio = math.log((other[token] * scale + DOUBT) / (mine[token] + DOUBT))
        result[token] = max(-FURTHEST, min(FURTHEST, ratio))
    return result


def _weights(ours: Sequence[str], theirs: Sequence[str]) -> Floats:
    """Fit a logistic regression on runs of words, both sides weighing the same."""
    rows = [places(s) for s in (*ours, *theirs)]
    lengths = torch.tensor([len(row) for row in rows])
    flat = torch.tensor([place for row in rows for place in row])
    offsets = torch.cat([lengths.new_zeros(1), lengths.cumsum(0)[:-1]])
    wanted = torch.cat([torch.zeros(len(ours)), torch.ones(len(theirs))])
    share = torch.where(wanted == 1, 0.5 / max(len(theirs), 1), 0.5 / max(len(ours), 1))
    table = torch.zeros(PLACES, 1, requires_grad=True)
    optimiser = torch.optim.Adam([table], lr=RATE)
    for _ in range(STEPS):
        sums = torch.nn.functional.embedding_bag(flat, table, offsets, mode="sum").squeeze(1)
        logits = sums / lengths.sqrt()
        loss = binary_cross_entropy_with_logits(logits, wanted, share, reduction="sum")
        loss = loss + DECAY * table.square().sum()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    return np.asarray(table.detach().squeeze(1).numpy(), dtype=np.float32)
