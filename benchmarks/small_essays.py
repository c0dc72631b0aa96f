"""The essay half of ``benchmarks.small_data``: likelihood of a style, and what is copied of it."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerFast

from benchmarks.adapting import Ground
from models.essay.lstm import EssayLSTM
from models.registry import Version
from training.essays.corpus import CorpusError, Document, deduplicated, is_english
from training.essays.evaluation import measure_likelihood
from training.essays.labels import Lexicon
from training.essays.pack import Packer
from training.essays.readers import read_corpus
from training.essays.textstats import CopyIndex
from training.essays.writing import Order, write_all

LEAST_GAIN = 0.08  # of the bits
GOAL = f"save {LEAST_GAIN:.0%} of the bits and pass the gate"
FEWEST_WORDS = 60  # as training asks
WORDS = 200  # of each essay that is searched for copies
TOPIC = "School"  # where essays are of many topics


@dataclass(frozen=True)
class Pool:
    """Essays of one style: those to learn from, the best marked first, and those held out."""

    learnt: tuple[Document, ...]
    held_out: tuple[Document, ...]


@dataclass(frozen=True)
class EssayRow:
    """What a number of essays came to; figures are None where the run failed."""

    essays: int
    words: int
    before: float  # bits per byte of the base
    after: float | None
    copied_before: float  # longest runs shared with the essays, 95th percentile, words
    copied_after: float | None
    copied_by_people: float
    minutes: float
    passed: bool
    sentence: str

    @property
    def gain(self) -> float:
        """Give the share of the bits that is saved."""
        return 0.0 if self.after is None else 1 - self.after / self.before

    def works(self) -> bool:
        """Say whether the gain is worth it and the gate has let it through."""
        return self.passed and self.gain >= LEAST_GAIN

    def cells(self) -> dict[str, str]:
        """Give the columns of the table."""
        after = "" if self.after is None else f"{self.after:.3f} ({-self.gain:+.1%})"
        copied = "" if self.copied_after is None else f"{self.copied_after:.0f}"
        return {
            "essays": str(self.essays),
            "words": f"{self.words:,}",
            "bits per byte, before": f"{self.before:.3f}",
            "after": after,
            "longest copy p95, before": f"{self.copied_before:.0f}",
            "after ": copied,
            "people's": f"{self.copied_by_people:.0f}",
            "minutes": f"{self.minutes:.1f}",
            "gate": "passed" if self.passed else "refused",
        }


def gather(path: Path, topic: str, most: int, held_out: int) -> Pool:
    """Take the best-marked essays of a topic, and hold out some of them at even distances."""
    found = [
        replace(d, style="own", source="own")
        for d in read_corpus(path)
        if (not topic or d.topic == topic) and d.words >= FEWEST_WORDS and is_english(d.text)
    ]
    ranked = sorted(deduplicated(found), key=lambda d: (-_mark(d), d.id))[: most + held_out]
    if len(ranked) <= held_out:
        raise CorpusError(f"There are {len(ranked)} essays; {held_out} are to be held out.")
    step = len(ranked) / held_out
    kept = {int((n + 0.5) * step) for n in range(held_out)}
    return Pool(
        tuple(d for n, d in enumerate(ranked) if n not in kept),
        tuple(d for n, d in enumerate(ranked) if n in kept),
    )


def _mark(document: Document) -> float:
    """Give a mark, a machine's where no person gave one."""
    given = document.mark if document.mark is not None else document.weak_mark
    return -1.0 if given is None else given


class Study:
    """Adapts the base to a number of essays, and measures both on those held out."""

    def __init__(self, ground: Ground, pool: Pool, topic: str, written: int) -> None:
        self.ground, self.pool = ground, pool
        self.orders = [Order(topic or TOPIC, WORDS, 100 + n) for n in range(written)]

    def row(self, size: int) -> EssayRow:
        """Study one size."""
        learnt = self.pool.learnt[:size]
        corpus = self.ground.out / f"essays-{size}.jsonl"
        lay_out(learnt, corpus)
        adapted = self.ground.adapt(corpus, f"s{size}")
        copies = CopyIndex(d.text for d in learnt)
        new = adapted.version
        return EssayRow(
            essays=len(learnt),
            words=sum(d.words for d in learnt),
            before=self.base_bits,
            after=bits(new, self.pool.held_out) if new else None,
            copied_before=longest(copies, self.base_texts),
            copied_after=longest(copies, self.write(new)) if new else None,
            copied_by_people=longest(copies, [d.text for d in self.pool.held_out]),
            minutes=adapted.minutes,
            passed=adapted.passed,
            sentence=adapted.sentence,
        )

    @cached_property
    def base_bits(self) -> float:
        """Score the base once for all sizes."""
        return bits(self.ground.base, self.pool.held_out)

    @cached_property
    def base_texts(self) -> list[str]:
        """Let the base write once for all sizes."""
        return self.write(self.ground.base)

    def write(self, version: Version) -> list[str]:
        """Write essays on the style's own topic, where copying is nearest."""
        return [w.text for w in write_all(version, self.orders) if w.text.strip()]


def lay_out(documents: Sequence[Document], path: Path) -> None:
    """Write essays as the bot lays a style's documents out."""
    with path.open("w", encoding="utf-8") as lines:
        for document in documents:
            line = {"id": document.sha256[:16], "source": "own", "style": "own"}
            line |= {"topic": document.topic, "text": document.text}
            mark = {"mark": document.mark, "mark_max": 100}
            lines.write(json.dumps(line | mark) + "\n")


def bits(version: Version, documents: Sequence[Document]) -> float:
    """Give a version's bits per byte of documents; it is told style, topic and length only."""
    tokenizer = PreTrainedTokenizerFast.from_pretrained(version.path)
    packer = Packer(tokenizer, Lexicon.load(version.path / "lexicon.json"))
    packed = packer.pack(list(documents), [0] * len(documents), None)
    model = EssayLSTM.from_pretrained(version.path, dtype=torch.float32)
    return measure_likelihood(model, {"style": packed})["style"]["bits_per_byte"]


def longest(copies: CopyIndex, texts: Sequence[str]) -> float:
    """Give the 95th percentile of the longest runs that texts share with what was read."""
    return float(np.percentile([copies.longest(text) for text in texts], 95)) if texts else 0.0
