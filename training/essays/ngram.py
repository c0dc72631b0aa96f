"""The baseline: an interpolated, modified Kneser-Ney n-gram model over the same tokens.

Every n-gram type has a number. The key of a type is ``number of its first n-1 tokens * V + last
token``; keys are sorted, so that a type is found by binary search and the successors of a context
lie side by side. Lower orders count in how many different left contexts a type stands.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.essays.pack import Packed

Ids = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_UNKNOWN = -1


@dataclass(frozen=True)
class _Order:
    """The types of one order, and what each context of them passes on to shorter ones."""

    keys: Ids  # (types,) sorted
    discounted: npt.NDArray[np.float32]  # (types,) count minus discount
    total: npt.NDArray[np.float32]  # (contexts,)
    passed: npt.NDArray[np.float32]  # (contexts,) mass for the shorter context


class KneserNey:
    """Trained with ``fit``; contexts never cross the start of a document."""

    def __init__(self, orders: Sequence[_Order], vocabulary: int, start: int) -> None:
        self._orders, self._vocabulary, self._start = list(orders), vocabulary, start

    @property
    def order(self) -> int:
        """Give the longest n."""
        return len(self._orders)

    @classmethod
    def fit(
        cls,
        documents: Sequence[npt.NDArray[np.integer]],
        vocabulary: int,
        start: int,
        order: int = 5,
    ) -> KneserNey:
        """Count documents (ids without start tokens); ``start`` pads their beginnings."""
        tokens = _joined(documents, start, order)
        predicted = tokens != start
        previous = np.zeros(len(tokens), dtype=np.int64)  # the empty context
        numbers, raw, keys, first_at = [], [], [], []
        for n in range(1, order + 1):
            key = previous * vocabulary + tokens
            valid = np.arange(len(tokens)) >= n - 1
            unique, first, inverse, counts = np.unique(
                key[valid], return_index=True, return_inverse=True, return_counts=True
            )
            number = np.zeros(len(tokens), dtype=np.int64)
            number[valid] = inverse
            keys.append(unique)
            first_at.append(first + n - 1)
            raw.append(counts)
            numbers.append(number)
            previous = np.concatenate([[0], number[:-1]])
        orders = []
        for n in range(1, order + 1):
            counts = raw[n - 1]
            if n < order:
                suffix = numbers[n - 1][first_at[n]]
                different = np.bincount(suffix, minlength=len(counts))
                begins = tokens[first_at[n - 1] - n + 1] == start
                counts = np.where(begins, counts, different)
            counts = np.where(predicted[first_at[n - 1]], counts, 0)
            contexts = 1 if n == 1 else len(keys[n - 2])
            orders.append(_discounted(keys[n - 1], counts, contexts, vocabulary))
        return cls(orders, vocabulary, start)

    def log_probabilities(self, ids: npt.NDArray[np.integer]) -> Floats:
        """Give the natural log-probability of every token of one document."""
        pad = self.order - 1
        tokens = np.concatenate([np.full(pad, self._start), ids]).astype(np.int64)
        numbers = self._numbers(tokens)
        probability = np.full(len(tokens), 1.0 / self._vocabulary)
        for n, order in enumerate(self._orders, start=1):
            context = np.zeros(len(tokens), np.int64) if n == 1 else _shifted(numbers[n - 2])
            probability = self._mixed(order, context, numbers[n - 1], probability)
        result: Floats = np.log(probability[pad:])
        return result

    def distribution(self, context: Sequence[int]) -> Floats:
        """Give the probability (V,) of every next token."""
        pad = self.order - 1
        tokens = np.array([*([self._start] * pad), *context][-pad:] if pad else [], dtype=np.int64)
        result = np.full(self._vocabulary, 1.0 / self._vocabulary)
        for n, order in enumerate(self._orders, start=1):
            number = self._context_number(tokens[len(tokens) - n + 1 :]) if n > 1 else 0
            if number == _UNKNOWN or order.total[number] <= 0:
                continue
            low, high = np.searchsorted(
                order.keys, [number * self._vocabulary, (number + 1) * self._vocabulary]
            )
            result *= order.passed[number]
            words = order.keys[low:high] % self._vocabulary
            result[words] += order.discounted[low:high] / order.total[number]
        return result

    def sample(
        self, prefix: Sequence[int], end: int, *, seed: int, limit: int, temperature: float = 1.0
    ) -> list[int]:
        """Draw tokens until ``end`` or ``limit``; gives the drawn ones without ``end``."""
        draw = np.random.default_rng(seed)
        ids = list(prefix)
        while len(ids) - len(prefix) < limit:
            weights = self.distribution(ids) ** (1 / temperature)
            token = int(draw.choice(self._vocabulary, p=weights / weights.sum()))
            if token == end:
                break
            ids.append(token)
        return ids[len(prefix) :]

    def _mixed(self, order: _Order, context: Ids, number: Ids, lower: Floats) -> Floats:
        safe = np.maximum(context, 0)
        total = order.total[safe]
        known = (context != _UNKNOWN) & (total > 0)
        count = np.where(number != _UNKNOWN, order.discounted[np.maximum(number, 0)], 0.0)
        mixed = count / np.maximum(total, 1e-9) + order.passed[safe] * lower
        return np.where(known, mixed, lower)

    def _numbers(self, tokens: Ids) -> list[Ids]:
        """Number the n-gram that ends at every token, for every n."""
        previous = np.zeros(len(tokens), np.int64)
        result = []
        for n, order in enumerate(self._orders, start=1):
            found = _find(order.keys, previous * self._vocabulary + tokens)
            found[(previous == _UNKNOWN) | (np.arange(len(tokens)) < n - 1)] = _UNKNOWN
            result.append(found)
            previous = _shifted(found)
        return result

    def _context_number(self, tokens: Ids) -> int:
        number = 0
        for n, token in enumerate(tokens):
            key = np.array([number * self._vocabulary + token])
            number = int(_find(self._orders[n].keys, key)[0])
            if number == _UNKNOWN:
                return _UNKNOWN
        return number


def text_tokens(packed: Packed, first_text: int) -> list[npt.NDArray[np.uint16]]:
    """Take the text of every packed document (what follows ``<text>``), with its end token."""
    result = []
    for begin, end in zip(packed.starts[:-1], packed.starts[1:], strict=True):
        tokens = packed.tokens[begin:end]
        at = int(np.flatnonzero(tokens == first_text)[0])
        result.append(tokens[at + 1 :])
    return result


def _joined(documents: Sequence[npt.NDArray[np.integer]], start: int, order: int) -> Ids:
    pad = np.full(order - 1, start, dtype=np.int64)
    parts = [part for document in documents for part in (pad, document)]
    return np.concatenate(parts).astype(np.int64)


def _discounted(
    keys: Ids, counts: npt.NDArray[np.integer], contexts: int, vocabulary: int
) -> _Order:
    """Apply the three discounts of Chen and Goodman and note what each context passes on."""
    of = [int((counts == k).sum()) for k in (1, 2, 3, 4)]
    y = of[0] / max(of[0] + 2 * of[1], 1)
    discounts = [0.0]
    for k in (1, 2, 3):
        ratio = of[k] / of[k - 1] if of[k - 1] else 0.0
        discounts.append(min(max(k - (k + 1) * y * ratio, 0.1), k - 0.05))
    taken = np.array(discounts)[np.minimum(counts, 3)]
    context = keys // vocabulary
    total = np.bincount(context, weights=counts, minlength=contexts)
    passed = np.bincount(context, weights=taken, minlength=contexts) / np.maximum(total, 1e-9)
    return _Order(
        keys,
        (counts - taken).astype(np.float32),
        total.astype(np.float32),
        np.where(total > 0, passed, 1.0).astype(np.float32),
    )


def _find(keys: Ids, wanted: Ids) -> Ids:
    at = np.minimum(np.searchsorted(keys, wanted), len(keys) - 1)
    return np.where(keys[at] == wanted, at, _UNKNOWN)


def _shifted(numbers: Ids) -> Ids:
    return np.concatenate([[_UNKNOWN], numbers[:-1]])
