"""What a writer of words says of a split, with and without looking back at it.

The cache (Grave, Joulin and Usunier 2017) remembers the output vectors of the last words and what
followed each; a word is the likelier, the more the present vector is like those it followed. How
sharply, how far back and how much it counts is chosen on one split and used on another.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch
from torch import Tensor
from torch.nn import functional as F

from benchmarks.wikitext_writer import WordWriter

SHARPNESS = (5.0, 10.0, 20.0, 40.0)  # times the cosine of two vectors
WINDOWS = (500, 2000, 4000)
SHARES = tuple(n / 100 for n in (1, 2, 3, 5, 7, 10, 13, 16, 20, 25, 30))
EVERY = 4  # blocks are looked at while choosing
BLOCK = 512


@dataclass(frozen=True)
class Seen:
    """A split as a model read it: what came, the vector before it, and its log-probability."""

    ids: Tensor  # (N,)
    vectors: Tensor  # (N, E) of unit length
    log_p: Tensor  # (N,)

    def mean(self) -> float:
        """Give the nats per word."""
        return -float(self.log_p.double().mean())


@torch.no_grad()
def read_split(model: WordWriter, ids: Tensor, end: int) -> Seen:
    """Read a split in one go, the memory carried on; an end of line stands before it."""
    model.train(False)
    device = model.output_bias.device
    ids = ids.to(device)
    inputs = torch.cat([ids.new_tensor([end]), ids[:-1]])
    state, vectors, log_p = model.initial_state(1), [], []
    for begin in range(0, len(ids), BLOCK):
        y, state = model.read(inputs[begin : begin + BLOCK].unsqueeze(1), state)
        vectors.append(F.normalize(y.squeeze(1), dim=-1))
        log_p.append(-model.nll(y.squeeze(1), ids[begin : begin + BLOCK]))
    return Seen(ids, torch.cat(vectors), torch.cat(log_p))


@dataclass(frozen=True)
class Cache:
    """How a cache looks back."""

    sharpness: float
    window: int
    share: float

    def mean(self, seen: Seen) -> float:
        """Give the nats per word of a split."""
        recalled = torch.cat([r for _, r in _recalled(seen, [(self.sharpness, self.window)])], 1)
        return _mixed(seen.log_p, recalled[0], self.share)


def choose_cache(seen: Seen) -> Cache:
    """Take the cache that predicts a split best, by a part of it."""
    ways = list(product(SHARPNESS, WINDOWS))
    parts = list(_recalled(seen, ways, EVERY))
    log_p = torch.cat([seen.log_p[where] for where, _ in parts])
    recalled = torch.cat([r for _, r in parts], 1)
    choices = [
        (_mixed(log_p, recalled[number], share), Cache(*way, share))
        for number, way in enumerate(ways)
        for share in SHARES
    ]
    return min(choices, key=lambda c: c[0])[1]


def _mixed(log_p: Tensor, recalled: Tensor, share: float) -> float:
    return -float(((1 - share) * log_p.double().exp() + share * recalled.double()).log().mean())


@torch.no_grad()
def _recalled(
    seen: Seen, ways: list[tuple[float, int]], every: int = 1
) -> Iterator[tuple[slice, Tensor]]:
    """Give blocks, and the cache's probability (ways, block) of what came."""
    furthest, count = max(window for _, window in ways), len(seen.ids)
    for begin in range(0, count, BLOCK * every):
        stop, first = min(begin + BLOCK, count), max(0, begin - furthest)
        block, past = slice(begin, stop), slice(first, stop)
        near = seen.vectors[block] @ seen.vectors[past].T
        same = seen.ids[block].unsqueeze(1) == seen.ids[past]
        places = torch.arange(first, stop, device=near.device)
        back = places[begin - first :].unsqueeze(1) - places  # how long ago
        rows = []
        for sharpness, window in ways:
            weight = (sharpness * (near - 1)).exp() * ((back > 0) & (back <= window))
            rows.append((weight * same).sum(1) / weight.sum(1).clamp(min=1e-30))
        yield block, torch.stack(rows)
