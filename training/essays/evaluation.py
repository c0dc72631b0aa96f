"""Figures of an essay version: held-out likelihood beside a 5-gram, and essays beside people's."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from statistics import mean, median

import numpy as np

from models.essay.lstm import EssayLSTM
from models.essay.prompt import Plan
from training.essays.corpus import Document
from training.essays.embedding import Retrieval
from training.essays.marking import Marker
from training.essays.ngram import Floats, KneserNey, text_tokens
from training.essays.pack import Packed, Packer
from training.essays.report import Row
from training.essays.scoring import Likelihood, likelihood
from training.essays.textstats import (
    CopyIndex,
    coverage,
    rep_n,
    repeated_sentences,
    variety,
)
from training.essays.wikitext import LIMIT, Piece, flag_nats


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
            low, high = ratio_interval(score.document_nats, other.document_nats)
            rows[name] |= {"ratio_from": low, "ratio_to": high}
    return rows


def ratio_interval(
    ours: Floats, theirs: Floats, *, block: int = 10, draws: int = 2000
) -> tuple[float, float]:
    """Give the 95 % interval of a ratio of summed nats, by bootstrap over the same documents.

    Neighbouring documents may be parts of one article, so blocks of them are drawn together.
    """
    starts = np.arange(0, len(ours), block)
    sums = np.stack([np.add.reduceat(ours, starts), np.add.reduceat(theirs, starts)])
    chosen = np.random.default_rng(1).integers(len(starts), size=(draws, len(starts)))
    mine, other = sums[:, chosen].sum(axis=2)
    low, high = np.percentile(mine / other, [2.5, 97.5])
    return float(low), float(high)


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
    nats = np.array([-np.sum(model.log_probabilities(texts[d])) for d in chosen])
    return Likelihood(
        nats,
        int(packed.text_bytes[chosen].sum()),
        int(packed.text_words[chosen].sum()),
        sum(len(texts[d]) for d in chosen),
    )


def benchmark(
    model: EssayLSTM, packer: Packer, pieces: Sequence[Piece], text: int, baseline: KneserNey | None
) -> dict[str, Row]:
    """Give the perplexity of the WikiText tokens; see ``wikitext.read_benchmark``."""
    documents = [p.document for p in pieces]
    packed = packer.pack(documents, [0] * len(documents), None, told_words=LIMIT)
    scores = {"model": likelihood(model, packed)}
    if baseline is not None:
        scores["5-gram"] = baseline_likelihood(baseline, packed, range(len(documents)), text)
    tokens, unknown = sum(p.tokens for p in pieces), sum(p.unknown for p in pieces)
    flags = flag_nats(tokens, unknown)
    return {
        name: {
            "tokens": float(tokens),
            "unk": float(unknown),
            "perplexity": math.exp(min((score.nats + flags) / max(tokens, 1), 50.0)),
            "share_of_flags": flags / max(score.nats + flags, 1e-9),
            "bits_per_byte": score.bits_per_byte,
        }
        for name, score in scores.items()
    }


@dataclass(frozen=True)
class Essays:
    """One writer's essays over topics; plans are the model's for the same topics."""

    texts: Sequence[str]
    topics: Sequence[str]
    plans: Sequence[Plan] = ()
    asked: int | None = None


@dataclass(frozen=True)
class Judges:
    """What essays are held against; None leaves its figure out."""

    copies: CopyIndex | None = None
    retrieval: Retrieval | None = None
    marker: Marker | None = None


@dataclass(frozen=True)
class Measured:
    """A writer's figures, and what the pictures show of every essay."""

    row: Row
    copied: list[int]
    repeated: list[float]
    found: dict[str, list[bool]]  # by topic


def measure_essays(essays: Essays, judges: Judges) -> Measured:
    """Measure a writer's essays; the same function measures people's. Empty texts count."""
    texts = essays.texts
    lengths = [len(t.split()) for t in texts]
    repeated = [rep_n(t) for t in texts]
    row = {
        "essays": float(len(texts)),
        "words": mean(lengths),
        "paragraphs": mean(len(t.split("\n\n")) for t in texts),
        "rep_4": mean(repeated),
        "repeated_sentences": mean(repeated_sentences(t) for t in texts),
        **{f"distinct_{n}": variety(texts, n) for n in (1, 2, 3)},
    }
    if essays.asked:
        errors = [abs(n - essays.asked) / essays.asked for n in lengths]
        row["length_error"] = mean(errors)
        row["length_within_5_percent"] = mean(e <= 0.05 for e in errors)
    copied: list[int] = []
    if judges.copies is not None:
        copied = [judges.copies.longest(t) for t in texts]
        row["longest_copy_median"] = float(median(copied))
        row["longest_copy_p95"] = float(np.percentile(copied, 95))
        row["longest_copy_max"] = float(max(copied))
    found: dict[str, list[bool]] = {}
    if judges.retrieval is not None:
        hits = judges.retrieval.found(texts, essays.topics)
        row["topic_found_of_20"] = mean(hits)
        for topic, hit in zip(essays.topics, hits, strict=True):
            found.setdefault(topic, []).append(hit)
    row |= _planned(essays)
    if judges.marker is not None:
        row["predicted_mark"] = float(judges.marker.marks(texts).mean())
    return Measured(row, copied, repeated, found)


def _planned(essays: Essays) -> Row:
    """Give the coverage of the plans, and of the plans of other topics."""

    def shares(plans: Sequence[Plan]) -> list[tuple[float, float]]:
        pairs = zip(essays.texts, plans, strict=True)
        return [c for text, plan in pairs if (c := coverage(text, plan)) is not None]

    own = shares(essays.plans) if essays.plans else []
    if not own:
        return {}
    row = {
        "plan_in_paragraph": mean(c[0] for c in own),
        "plan_in_essay": mean(c[1] for c in own),
    }
    other = shares(shuffled_plans(essays.plans, essays.topics))
    if other and len(set(essays.topics)) > 1:
        row["other_plan_in_paragraph"] = mean(c[0] for c in other)
        row["other_plan_in_essay"] = mean(c[1] for c in other)
    return row


def shuffled_plans(plans: Sequence[Plan], topics: Sequence[str]) -> list[Plan]:
    """Give every essay the plan of the next essay on another topic; none where there is none."""
    count = len(plans)
    return [
        next((plans[(n + k) % count] for k in range(1, count)
              if topics[(n + k) % count] != topics[n]), ())
        for n in range(count)
    ]  # fmt: skip


def ngram_texts(
    model: KneserNey, decode: Callable[[list[int]], str], par: int, end: int, count: int, words: int
) -> list[str]:
    """Let the 5-gram write; where it ends early, it begins anew."""
    texts = []
    for number in range(count):
        paragraphs: list[str] = []
        for again in range(words):
            limit = round(1.5 * (words - sum(len(p.split()) for p in paragraphs))) + 1
            seed = number * 1000 + again
            ids = model.sample([], end, seed=seed, limit=limit, temperature=0.8)
            pieces: list[list[int]] = [[]]
            for token in ids:
                if token == par:
                    pieces.append([])
                else:
                    pieces[-1].append(token)
            paragraphs += [shown for piece in pieces if (shown := decode(piece).strip())]
            if sum(len(p.split()) for p in paragraphs) >= words:
                break
        texts.append(_cut(paragraphs, words))
    return texts


def _cut(paragraphs: Sequence[str], words: int) -> str:
    kept: list[str] = []
    for paragraph in paragraphs:
        left = words - sum(len(p.split()) for p in kept)
        if left > 0:
            kept.append(" ".join(paragraph.split()[:left]))
    return "\n\n".join(kept)


def spread(documents: Sequence[Document], count: int, seed: int) -> list[Document]:
    """Choose titled essays evenly over their topics."""
    by_topic: dict[str, list[Document]] = {}
    order = sorted((d for d in documents if d.topic), key=lambda d: d.sha256)
    random.Random(seed).shuffle(order)
    for document in order:
        by_topic.setdefault(document.topic, []).append(document)
    rounds = zip_longest(*by_topic.values())
    return [d for turn in rounds for d in turn if d is not None][:count]
