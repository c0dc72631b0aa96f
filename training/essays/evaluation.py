"""Figures of an essay version: held-out likelihood beside a 5-gram, and samples beside people's."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean, median

import numpy as np

from models.essay.lstm import EssayLSTM
from training.essays.corpus import Document
from training.essays.ngram import KneserNey, text_tokens
from training.essays.pack import Packed
from training.essays.scoring import Likelihood, likelihood
from training.essays.textstats import (
    CopyIndex,
    TopicFinder,
    distinct_n,
    rep_n,
    repeated_sentences,
)
from training.runs import write_json


@dataclass
class Report:
    """Everything measured; each held-out set and each writer is a row."""

    held_out: dict[str, dict[str, float]] = field(default_factory=dict)
    samples: dict[str, dict[str, float]] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write ``evaluation.json`` and ``evaluation.md``."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / "evaluation.json", asdict(self))
        (folder / "evaluation.md").write_text(self.markdown(), encoding="utf-8")

    def markdown(self) -> str:
        """Lay the figures out as two tables."""
        parts = [
            _table("held-out text", self.held_out),
            _table("writer", self.samples),
            "".join(f"- {note}\n" for note in self.notes),
        ]
        return "\n".join(part for part in parts if part)


def measure_likelihood(
    model: EssayLSTM,
    held_out: Mapping[str, Packed],
    *,
    baseline: KneserNey | None = None,
    text_token: int = 6,
    documents: int | None = None,
) -> dict[str, dict[str, float]]:
    """Score held-out sets with the model and, where given, the 5-gram on the same tokens."""
    rows: dict[str, dict[str, float]] = {}
    for name, packed in held_out.items():
        chosen = range(packed.documents)
        if documents is not None:
            chosen = chosen[:: max(1, math.ceil(len(chosen) / documents))]
        score = likelihood(model, packed, chosen)
        rows[name] = {
            "documents": len(chosen),
            "bits_per_byte": score.bits_per_byte,
            "word_perplexity": score.word_perplexity,
        }
        if baseline is not None:
            other = baseline_likelihood(baseline, packed, chosen, text_token)
            rows[name] |= {
                "ngram_bits_per_byte": other.bits_per_byte,
                "ngram_word_perplexity": other.word_perplexity,
                "ratio": score.bits_per_byte / other.bits_per_byte,
            }
    return rows


def fit_baseline(sets: Sequence[Packed], vocabulary: int, start: int, text_token: int) -> KneserNey:
    """Train the 5-gram on the text of what the model was trained on; repeated texts count once."""
    documents = [d for packed in sets for d in text_tokens(packed, text_token)]
    unique = {d.tobytes(): d for d in documents}
    return KneserNey.fit(list(unique.values()), vocabulary, start)


def baseline_likelihood(
    model: KneserNey, packed: Packed, documents: Sequence[int], text_token: int
) -> Likelihood:
    """Score the same bytes with the 5-gram."""
    texts = text_tokens(packed, text_token)
    chosen = list(documents)
    nats = -sum(float(np.sum(model.log_probabilities(texts[d]))) for d in chosen)
    return Likelihood(
        nats,
        int(packed.text_bytes[chosen].sum()),
        int(packed.text_words[chosen].sum()),
        sum(len(texts[d]) for d in chosen),
    )


def measure_texts(
    texts: Sequence[str],
    *,
    topics: Sequence[str] | None = None,
    asked: int | None = None,
    copies: CopyIndex | None = None,
    finder: TopicFinder | None = None,
) -> dict[str, float]:
    """Measure a writer's texts; the same function measures people's."""
    texts_used = [t for t in texts if t.strip()]
    if not texts_used:
        return {"texts": 0.0}
    row = {
        "texts": float(len(texts_used)),
        "rep_4": mean(rep_n(t) for t in texts_used),
        "repeated_sentences": mean(repeated_sentences(t) for t in texts_used),
        "distinct_1": distinct_n(texts_used, 1),
        "distinct_2": distinct_n(texts_used, 2),
        "words": mean(len(t.split()) for t in texts_used),
        "paragraphs": mean(len(t.split("\n\n")) for t in texts_used),
    }
    if asked:
        row["length_within_5_percent"] = mean(
            abs(len(t.split()) - asked) <= 0.05 * asked for t in texts_used
        )
    if copies is not None:
        runs = sorted(copies.longest(t) for t in texts_used)
        row["longest_copy_median"] = float(median(runs))
        row["longest_copy_p95"] = float(np.percentile(runs, 95))
    if finder is not None and topics is not None:
        known = [
            (text, topic)
            for text, topic in zip(texts, topics, strict=True)
            if text.strip() and topic in finder.topics
        ]
        if known:
            row["topic_found_of_20"] = mean(finder.found(text, topic) for text, topic in known)
    return row


def ngram_texts(
    model: KneserNey, decode: Callable[[list[int]], str], par: int, end: int, count: int, words: int
) -> list[str]:
    """Let the 5-gram write."""
    texts = []
    for seed in range(count):
        ids = model.sample([], end, seed=seed, limit=round(words * 1.3), temperature=0.8)
        pieces: list[list[int]] = [[]]
        for token in ids:
            if token == par:
                pieces.append([])
            else:
                pieces[-1].append(token)
        texts.append("\n\n".join(decode(p).strip() for p in pieces if p))
    return texts


def human_texts(
    documents: Sequence[Document], count: int, seed: int
) -> tuple[list[str], list[str]]:
    """Choose people's held-out essays and their topics."""
    chosen = random.Random(seed).sample(list(documents), min(count, len(documents)))
    return [d.text for d in chosen], [d.topic for d in chosen]


def _table(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = f"| {title} | " + " | ".join(c.replace("_", " ") for c in columns) + " |\n"
    rule = "|---" * (len(columns) + 1) + "|\n"
    body = "".join(
        f"| {name} | " + " | ".join(_cell(row.get(c)) for c in columns) + " |\n"
        for name, row in rows.items()
    )
    return head + rule + body


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    return f"{value:.0f}" if value == round(value) and abs(value) >= 10 else f"{value:.3f}"


def read_report(path: Path) -> Report:
    """Read ``evaluation.json``."""
    return Report(**json.loads(path.read_text(encoding="utf-8")))
