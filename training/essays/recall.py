"""What remembering the text at hand adds: the continuous cache of Grave, Joulin and Usunier (2017).

A cache gives every word that stands earlier in the same document a share of the probability: the
more, the more alike the model's output vectors were then and now. A model that knows no vectors,
such as the 5-gram, remembers how often each word stood. Nothing is learned for it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

from models.essay.lstm import EssayLSTM
from training.essays.evaluation import ratio_interval
from training.essays.ngram import Floats, KneserNey, text_tokens
from training.essays.pack import Packed
from training.essays.report import Row
from training.essays.scoring import conditions

SHARPNESS = (0.05, 0.1, 0.15, 0.2)
SHARES = (0.03, 0.06, 0.1, 0.15, 0.2, 0.25)
CHOOSING = 60  # documents by which a cache is chosen


@dataclass(frozen=True)
class Trace:
    """How one document was read: T learned tokens, in order."""

    tokens: Tensor  # (T,)
    log_p: Tensor  # (T,) nats, fp64
    vectors: Tensor  # (T, E) outputs before each; E may be 0


@dataclass(frozen=True)
class Cache:
    """How a document's words are remembered."""

    sharpness: float
    share: float  # of the probability

    def nats(self, trace: Trace) -> float:
        """Give the nats of a document."""
        return _nats(trace, _recalled(trace, self.sharpness), self.share)


@torch.no_grad()
def model_traces(model: EssayLSTM, packed: Packed, documents: Sequence[int]) -> Iterator[Trace]:
    """Read documents with the model, each from an empty memory."""
    model.train(False)
    for document in documents:
        span = slice(int(packed.starts[document]), int(packed.starts[document + 1]))
        ids = torch.from_numpy(packed.tokens[span].astype(np.int64))
        learn = torch.from_numpy(packed.learn[span].astype(bool))[1:]
        rows, where = np.unique(packed.condition[span][:-1].astype(np.int64), return_inverse=True)
        felt = conditions(model, packed, rows)
        y, _ = model.hidden(ids[None, :-1], felt, torch.from_numpy(where)[None])
        vectors, tokens = y[learn, 0], ids[1:][learn]
        yield Trace(tokens, -model.nll(vectors, tokens).double(), vectors)


def ngram_traces(
    model: KneserNey, packed: Packed, documents: Sequence[int], text_token: int
) -> Iterator[Trace]:
    """Read documents with the 5-gram."""
    texts = text_tokens(packed, text_token)
    for document in documents:
        log_p = torch.from_numpy(model.log_probabilities(texts[document]))
        tokens = torch.from_numpy(texts[document].astype(np.int64))
        yield Trace(tokens, log_p, torch.zeros(len(tokens), 0))


def choose(traces: Sequence[Trace], sharpness: Sequence[float] = SHARPNESS) -> Cache:
    """Take the cache that gives some documents the fewest nats."""
    nats = dict.fromkeys((Cache(*way) for way in product(sharpness, SHARES)), 0.0)
    for trace in traces:
        recalled = {value: _recalled(trace, value) for value in sharpness}
        for cache in nats:
            nats[cache] += _nats(trace, recalled[cache.sharpness], cache.share)
    return min(nats, key=nats.__getitem__)


def measure_recall(
    model: EssayLSTM,
    baseline: KneserNey,
    held_out: Mapping[str, Packed],
    text_token: int,
    documents: int | None = None,
) -> dict[str, Row]:
    """Score held-out sets with a cache, for the model and for the 5-gram.

    The caches are chosen by a few documents of the last set, which are left out of its figures.
    """
    *_, last = held_out
    few = range(held_out[last].documents)[:: max(2, held_out[last].documents // CHOOSING)]
    ours = choose(list(model_traces(model, held_out[last], few)))
    theirs = choose(list(ngram_traces(baseline, held_out[last], few, text_token)), (0.0,))
    rows = {}
    for name, packed in held_out.items():
        every = [n for n in range(packed.documents) if name != last or n not in few]
        if not every:
            continue
        chosen = every[:: max(1, math.ceil(len(every) / documents))] if documents else every
        read = list(ngram_traces(baseline, packed, chosen, text_token))
        plain = np.array([-float(trace.log_p.sum()) for trace in read])
        remembered = np.array([theirs.nats(trace) for trace in read])
        cached = np.array([ours.nats(t) for t in model_traces(model, packed, chosen)])
        rows[name] = _row(cached, remembered, plain, int(packed.text_bytes[chosen].sum()))
        rows[name] |= {"share": ours.share, "ngram_share": theirs.share}
    return rows


def _row(cached: Floats, remembered: Floats, plain: Floats, size: int) -> Row:
    bits = math.log(2) * max(size, 1)
    low, high = ratio_interval(cached, plain)
    return {
        "documents": len(cached),
        "bits_per_byte": float(cached.sum() / bits),
        "ngram_bits_per_byte": float(plain.sum() / bits),
        "ngram_with_its_own": float(remembered.sum() / bits),
        "ratio": float(cached.sum() / plain.sum()),
        "ratio_from": low,
        "ratio_to": high,
        "ratio_to_ngram_with_its_own": float(cached.sum() / remembered.sum()),
    }


def _recalled(trace: Trace, sharpness: float) -> Tensor:
    """Give the cache's probability (T,) of each token that came."""
    earlier = torch.ones(len(trace.tokens), len(trace.tokens), dtype=torch.bool).tril(-1)
    alike = sharpness * (trace.vectors @ trace.vectors.T)
    weights = alike.masked_fill(~earlier, -math.inf).softmax(1).nan_to_num()  # nothing is earlier
    same = trace.tokens.unsqueeze(1) == trace.tokens
    return (weights * same).sum(1).double()


def _nats(trace: Trace, recalled: Tensor, share: float) -> float:
    mixed = (1 - share) * trace.log_p.exp() + share * recalled
    return -float(trace.log_p[:1].sum() + mixed[1:].log().sum())  # the first has no past
