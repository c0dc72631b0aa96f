"""Drawing tokens, for all rows at once; each row's luck comes from its own request's seed.

Letters: R rows, V vocabulary. No function here mixes rows, so that batch-mates never meet.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

LENIENCE = 0.7  # of the fatigue that the topic's own words suffer
LANES = 16  # numbers that processors treat at once; the odd ones out are rounded otherwise
ABSURD = 40.0  # nats taken from what is not plausible
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


class Wanted(NamedTuple):
    """A token that one row should rather draw."""

    row: int
    token: int
    nats: float


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


def keep_plausible(scores: Tensor, known: Tensor, least: float) -> None:
    """Put behind, in place, what the knowing voice gives less than ``least`` of its best token.

    Guidance else lifts what neither voice would say, for being a little less absurd to one. Where
    nothing plausible is allowed the rest is still there.
    """
    floor = known.amax(1, keepdim=True) + math.log(least)
    scores.sub_((known < floor) * ABSURD)


def favour(
    scores: Tensor, known: Tensor, wanted: Sequence[Wanted], least: float, plausible: float
) -> None:
    """Push single tokens, in place, of which the knowing voice gives ``least`` of its best one.

    They need not be as ``plausible`` as others; what is forced needs nothing.
    """
    if not wanted:
        return
    rows, tokens, nats = zip(*wanted, strict=True)
    at = (torch.tensor(rows, device=scores.device), torch.tensor(tokens, device=scores.device))
    push = torch.tensor(nats, device=scores.device, dtype=scores.dtype)
    share = known[at] - known.amax(1)[at[0]]
    behind = share < (math.log(plausible) if plausible > 0 else -math.inf)
    likely = (share >= math.log(least)) | (push > ABSURD)
    scores[at] += torch.where(likely, push + ABSURD * behind, torch.zeros_like(push))


def forbid(scores: Tensor, rows: Sequence[int], tokens: Sequence[int]) -> None:
    """Rule out single tokens of single rows, in place."""
    if rows and scores.device.type == "cpu":
        scores.numpy()[rows, tokens] = -math.inf  # numpy is several times as fast for so few
    elif rows:
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
    luck = how.luck.unsqueeze(1)
    pick = _picked if scores.device.type == "cpu" else _picked_there
    drawn = pick(scores, peak, floor, heat, luck.to(scores.dtype))
    if bool((how.temperature > 0).all()):
        return drawn
    return torch.where(how.temperature > 0, drawn, scores.argmax(1))


def _picked(scores: Tensor, peak: Tensor, floor: Tensor, heat: Tensor, luck: Tensor) -> Tensor:
    """Pick a token of those from ``floor`` up, as ``luck`` says; all but scores are (R, 1).

    Most of drawing is reading long rows, so what is left of them is gathered first. numpy is
    three times as fast as torch at the many small operations.
    """
    numbers = scores.numpy()
    places = np.flatnonzero(numbers >= floor.numpy())
    rows, ids = np.divmod(places, numbers.shape[1])
    starts = np.searchsorted(rows, np.arange(len(numbers) + 1))
    counts = np.diff(starts)
    width = -(-max(int(counts.max()), 1) // LANES) * LANES
    few = np.full((len(numbers), width), -np.inf, numbers.dtype)
    few[rows, np.arange(len(rows)) - starts[rows]] = numbers.reshape(-1)[places]
    with np.errstate(invalid="ignore"):  # where all is forbidden
        heaps = np.exp((few - peak.numpy()) / heat.numpy()).cumsum(1)
        aim = luck.numpy() * heaps[:, -1:] * numbers.dtype.type(1 - 1e-6)
        place = (heaps <= aim).sum(1)
    return torch.from_numpy(ids[starts[:-1] + np.minimum(place, counts - 1)])


def _picked_there(
    scores: Tensor, peak: Tensor, floor: Tensor, heat: Tensor, luck: Tensor
) -> Tensor:
    """Do the same where numpy cannot reach."""
    rows, ids = (scores >= floor).nonzero(as_tuple=True)
    counts = torch.bincount(rows, minlength=len(scores))
    starts = counts.cumsum(0) - counts
    width = -(-max(int(counts.max()), 1) // LANES) * LANES
    few = scores.new_full((len(scores), width), -math.inf)
    few[rows, torch.arange(len(rows), device=rows.device) - starts[rows]] = scores[rows, ids]
    heaps = ((few - peak) / heat).exp_().cumsum(1)
    aim = luck * heaps[:, -1:] * (1 - 1e-6)
    place = torch.searchsorted(heaps, aim, right=True).squeeze(1)
    return ids[starts + torch.minimum(place, counts - 1)]


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
