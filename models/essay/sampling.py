"""Drawing tokens, for all rows at once; each row's luck comes from its own request's seed.

Letters: R rows, V vocabulary. No function here mixes rows, so that batch-mates never meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

LENIENCE = 0.7  # of the fatigue that the topic's own words suffer
LANES = 16  # numbers that processors treat at once; the odd ones out are rounded otherwise
NUCLEUS = 256  # top-p looks at no more tokens than these


class Luck:
    """The random stream of one request: the same seed gives the same numbers, in the same order."""

    def __init__(self, seed: int) -> None:
        self._generator = np.random.Generator(np.random.Philox(key=seed))

    def draws(self, rows: int, steps: int) -> np.ndarray:
        """Draw numbers from 0 to 1 (rows, steps); the first column is spread evenly over rows.

        Candidates that share a beginning thus part at once instead of starting alike.
        """
        numbers = self._generator.random((rows, steps))
        places = self._generator.permutation(rows)
        numbers[:, 0] = (places + numbers[:, 0]) / rows
        return numbers

    def pick(self, count: int) -> int:
        """Draw one of ``count`` things."""
        return int(self._generator.integers(count))


@dataclass(frozen=True)
class Draw:
    """How each row draws its next token: tensors of R values."""

    luck: Tensor  # (R,) from 0 to 1
    temperature: Tensor  # (R,); 0 = the most likely token
    min_p: float
    top_p: float = 1.0


def guided(wanted: Tensor, bare: Tensor, strength: float) -> Tensor:
    """Push log-probabilities (R, V) away from those of the voice that does not know the topic."""
    return torch.lerp(bare, wanted, strength)


def forbid(scores: Tensor, rows: Sequence[int], tokens: Sequence[int]) -> None:
    """Rule out single tokens of single rows, in place."""
    if rows:
        scores[
            torch.tensor(rows, device=scores.device), torch.tensor(tokens, device=scores.device)
        ] = -math.inf


def draw(scores: Tensor, how: Draw) -> Tensor:
    """Draw a token a row from unnormalised log-probabilities (R, V) -> ids (R,).

    min-p and top-p cut the tail as the model sees it; the temperature shapes what is left.
    """
    peak = scores.amax(1, keepdim=True)
    floor = peak + math.log(max(how.min_p, 1e-9))
    if how.top_p < 1:
        floor = torch.maximum(floor, _nucleus_floor(scores, how.top_p))
    heat = how.temperature.clamp(min=1e-3).unsqueeze(1)
    few, ids = _gathered(scores, floor)
    heaps = ((few - peak) / heat).exp_().cumsum(1)
    aim = how.luck.to(heaps.dtype).unsqueeze(1) * heaps[:, -1:] * (1 - 1e-6)
    place = torch.searchsorted(heaps, aim, right=True)
    place = place.clamp(max=ids.shape[1] - 1)  # nothing is left where all is forbidden
    drawn = ids.gather(1, place).squeeze(1)
    if bool((how.temperature > 0).all()):
        return drawn
    return torch.where(how.temperature > 0, drawn, scores.argmax(1))


def _gathered(scores: Tensor, floor: Tensor) -> tuple[Tensor, Tensor]:
    """Gather the few scores from ``floor`` up and their ids to the left, in order.

    -inf fills the rows. Most of drawing is reading long rows; after this there are none.
    """
    rows, ids = _from(scores, floor)
    counts = torch.bincount(rows, minlength=len(scores))
    width = -(-max(int(counts.max()), 1) // LANES) * LANES
    place = torch.arange(len(rows), device=rows.device) - (counts.cumsum(0) - counts)[rows]
    few = scores.new_full((len(scores), width), -math.inf)
    few_ids = torch.zeros(few.shape, dtype=torch.long, device=rows.device)
    few[rows, place] = scores[rows, ids]
    few_ids[rows, place] = ids
    return few, few_ids


def _from(scores: Tensor, floor: Tensor) -> tuple[Tensor, Tensor]:
    """Find the rows and columns of scores that reach their row's floor (R, 1)."""
    if scores.device.type != "cpu":
        rows, ids = (scores >= floor).nonzero(as_tuple=True)
        return rows, ids
    # On a CPU numpy compares and looks for few among many several times as fast.
    places = np.flatnonzero(scores.numpy() >= floor.numpy())
    numbers = np.divmod(places, scores.shape[1])
    return torch.from_numpy(numbers[0]), torch.from_numpy(numbers[1])


def _nucleus_floor(scores: Tensor, top_p: float) -> Tensor:
    """Find the score (R, 1) of the last token inside the nucleus."""
    best = scores.topk(min(NUCLEUS, scores.shape[1]), dim=1).values
    shares = (best - scores.logsumexp(1, keepdim=True)).exp()
    inside = (shares.cumsum(1) - shares < top_p).sum(1, keepdim=True)
    return best.gather(1, inside - 1)


class Fatigue:
    """A penalty on content words just used, which fades with every token written."""

    def __init__(self, content: Tensor, strength: float, half_life: float) -> None:
        self._weight = content.float()
        self._strength = strength
        self._fade = 0.5 ** (1 / half_life)
        self._level = torch.zeros(content.shape[0])

    def spare(self, tokens: Iterable[int]) -> None:
        """Go easy on the topic's own words: an essay may and must repeat those."""
        spared = torch.tensor(sorted(set(tokens)), dtype=torch.long)
        self._weight[spared] = self._weight[spared].clamp(max=LENIENCE)

    def use(self, tokens: Sequence[int]) -> None:
        """Count tokens as written."""
        self._level *= self._fade ** len(tokens)
        self._level[torch.tensor(list(dict.fromkeys(tokens)), dtype=torch.long)] += 1

    def bias(self) -> Tensor:
        """Give what to add to the log-probabilities (V,)."""
        return -self._strength * self._weight * self._level.clamp(max=3)


class PhraseBook:
    """The word n-grams of what was written, to tell which word would complete one again."""

    def __init__(self, size: int = 4) -> None:
        self._size = size
        self._next: dict[tuple[str, ...], set[str]] = {}
        self.tail: tuple[str, ...] = ()  # the last words, one fewer than the n-gram has

    def add(self, words: Sequence[str]) -> None:
        """Append words to what was written."""
        line = [*self.tail, *words]
        width = self._size - 1
        for start in range(len(line) - width):
            key = tuple(line[start : start + width])
            self._next.setdefault(key, set()).add(line[start + width])
        self.tail = tuple(line[-width:])

    def repeats(self, words: Sequence[str]) -> int:
        """Count the n-grams of the next words that stand already, or twice in these words."""
        line = [*self.tail, *words]
        width = self._size - 1
        seen: set[tuple[str, ...]] = set()
        count = 0
        for start in range(len(line) - width):
            key = tuple(line[start : start + width])
            gram = (*key, line[start + width])
            count += gram in seen or line[start + width] in self._next.get(key, ())
            seen.add(gram)
        return count

    def completions(self, words: Sequence[str]) -> set[str]:
        """List the words which, coming after ``words``, would repeat an n-gram."""
        width = self._size - 1
        line = [*self.tail, *words]
        if len(line) < width:
            return set()
        key = tuple(line[-width:])
        found = set(self._next.get(key, ()))
        for start in range(max(0, len(line) - len(words) - width), len(line) - width):
            if tuple(line[start : start + width]) == key:
                found.add(line[start + width])
        return found
