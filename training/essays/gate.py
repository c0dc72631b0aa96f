"""What a new version is compared in with the live one: likelihood, and essays it writes."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import mean

import numpy as np
import torch

from models.essay.lstm import EssayLSTM
from models.registry import Version
from training.essays.evaluation import measure_likelihood
from training.essays.pack import Packed
from training.essays.prepare import Corpus
from training.essays.report import Row
from training.essays.textstats import CopyIndex, rep_n, repeated_sentences
from training.essays.writing import Order, write_all
from training.promote import Figure

DOCUMENTS = 200  # of each held-out set
WORDS = 150
TOPICS = (
    "Friendship",
    "The price of success",
    "Learning at home",
    "Cell phones at school",
    "A journey by train",
    "Why we need trees",
    "Getting up early",
    "Playing in a team",
)
BITS_MARGIN = 0.01  # of the value
REPEATED_MARGIN = 0.02  # share of four-word runs
SENTENCES_MARGIN = 1 / len(TOPICS)  # one sentence in all the essays may be chance
COPY_MARGIN = 4.0  # words; a collection of one's own is small and soon half known by heart
COMMON_RUN = 8.0  # words that half of people's essays share with others


def likelihoods(version: Version, held_out: Mapping[str, Packed]) -> dict[str, Row]:
    """Score a version on held-out text."""
    model = EssayLSTM.from_pretrained(version.path, dtype=torch.float32)
    return measure_likelihood(model, held_out, documents=DOCUMENTS)


def training_copies(corpus: Corpus) -> CopyIndex:
    """Index what a run reads."""
    return CopyIndex(d.text for d in (*(e.document for e in corpus.essays_of("train")),
                                      *corpus.general))  # fmt: skip


def gate_figures(
    version: Version, rows: Mapping[str, Row], copies: CopyIndex
) -> dict[str, Figure | float]:
    """Give the figures with their margins; the essays have fixed topics and seeds."""
    figures: dict[str, Figure | float] = {
        f"bits_per_byte_{name}": Figure(
            row["bits_per_byte"], margin=BITS_MARGIN * row["bits_per_byte"]
        )
        for name, row in rows.items()
    }
    orders = [Order(topic, WORDS, 7 + n) for n, topic in enumerate(TOPICS)]
    texts = [w.text for w in write_all(version, orders) if w.text.strip()]
    figures["essays_written"] = Figure(float(len(texts)), "higher", margin=0.0)
    if texts:
        runs = [copies.longest(t) for t in texts]
        figures |= {
            "repeated_4_grams": Figure(mean(map(rep_n, texts)), margin=REPEATED_MARGIN),
            "repeated_sentences": Figure(
                mean(map(repeated_sentences, texts)), margin=SENTENCES_MARGIN
            ),
            "longest_copy_p95": Figure(
                max(COMMON_RUN, float(np.percentile(runs, 95))), margin=COPY_MARGIN
            ),
        }
    return figures
