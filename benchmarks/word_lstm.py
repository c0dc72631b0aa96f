"""The plain word-level LSTM that many people begin with, trained as its public example is.

Two layers, tied weights, dropout, stochastic gradient descent at rate 20 that falls to a quarter
whenever held-out text is not predicted better, clipping at 0.25, 20 streams, 35 words a step. Our
own lines after the recipe of PyTorch's ``word_language_model``.
"""

from __future__ import annotations

import math
import re
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

END, UNKNOWN = "<eos>", "<unk>"
MOST_WORDS = 33_000
LOOKS = 10  # at held-out text while training
_PIECES = re.compile(r"\w+|[^\w\s]")


@dataclass(frozen=True)
class Sizes:
    """What the example leaves to its user."""

    units: int = 200
    layers: int = 2
    dropout: float = 0.2
    streams: int = 20
    length: int = 35
    rate: float = 20.0
    clip: float = 0.25


class Vocabulary:
    """The words of the training text that are not too rare; the others are spelled.

    Spaces between words are given away for nothing. An unknown word costs, beside its token, the
    letters it is made of, each by its frequency in training words: so all bytes are paid for.
    """

    def __init__(self, texts: Sequence[str]) -> None:
        counts = Counter(word for text in texts for word in _PIECES.findall(text))
        common = [w for w, count in counts.most_common(MOST_WORDS) if count > 1]
        self._ids = {word: number for number, word in enumerate([END, UNKNOWN, *common])}
        letters = Counter(c for word in counts for c in f"{word}\n")
        self._total = sum(letters.values()) + 1
        self._letters = letters

    def __len__(self) -> int:
        return len(self._ids)

    def encode(self, texts: Sequence[str]) -> Tensor:
        """Join texts to ids, each with its end."""
        ids = [self._ids.get(word, 1) for text in texts for word in [*_PIECES.findall(text), END]]
        return torch.tensor(ids)

    def spelling(self, texts: Sequence[str]) -> float:
        """Give the nats that the letters of all unknown words cost."""
        words = (w for text in texts for w in _PIECES.findall(text) if w not in self._ids)
        return sum(
            -math.log(max(self._letters[c], 1) / self._total) for word in words for c in f"{word}\n"
        )


class WordLSTM(nn.Module):
    """Embedding, nn.LSTM, tied softmax."""

    def __init__(self, words: int, sizes: Sizes) -> None:
        super().__init__()
        self.drop = nn.Dropout(sizes.dropout)
        self.embed = nn.Embedding(words, sizes.units)
        self.lstm = nn.LSTM(sizes.units, sizes.units, sizes.layers, dropout=sizes.dropout)
        self.bias = nn.Parameter(torch.zeros(words))
        nn.init.uniform_(self.embed.weight, -0.1, 0.1)

    def forward(self, ids: Tensor, state: tuple[Tensor, Tensor] | None) -> tuple[Tensor, Any]:
        """Score what follows ids (T, B) -> (T, B, V)."""
        out, state = self.lstm(self.drop(self.embed(ids)), state)
        return F.linear(self.drop(out), self.embed.weight, self.bias), state


@dataclass(frozen=True)
class Trained:
    """A model after its time."""

    model: WordLSTM
    words: int  # read
    seconds: float  # of learning alone


def train(ids: Tensor, check: Tensor, words: int, sizes: Sizes, seconds: float) -> Trained:
    """Learn from a row of ids for so many seconds; ``check`` decides when the rate falls."""
    torch.manual_seed(1)
    model, rate = WordLSTM(words, sizes), sizes.rate
    part = len(ids) // sizes.streams
    rows = ids[: part * sizes.streams].view(sizes.streams, part).t().contiguous()
    spent, read, at, best, looked = 0.0, 0, 0, math.inf, 0
    state: tuple[Tensor, Tensor] | None = None
    while spent < seconds:
        begun = time.monotonic()
        if at + 1 >= part:
            at, state = 0, None
        length = min(sizes.length, part - 1 - at)
        scores, state = model(rows[at : at + length], state)
        state = (state[0].detach(), state[1].detach())
        loss = F.cross_entropy(scores.flatten(0, 1), rows[at + 1 : at + 1 + length].flatten())
        model.zero_grad()
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(model.parameters(), sizes.clip)
        with torch.no_grad():
            for parameter in model.parameters():
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=rate)
        at += length
        read += length * sizes.streams
        spent += time.monotonic() - begun
        if spent >= seconds * (looked + 1) / LOOKS:
            looked += 1
            nats = score(model, check)
            rate, best = (rate / 4, best) if nats >= best else (rate, nats)
            model.train()
    return Trained(model, read, spent)


@torch.no_grad()
def score(model: WordLSTM, ids: Tensor) -> float:
    """Give the nats of a row of ids, the first one left out."""
    model.train(False)
    state, nats = None, 0.0
    for begin in range(0, len(ids) - 1, 512):
        part = ids[begin : begin + 513]
        scores, state = model(part[:-1].unsqueeze(1), state)
        nats += float(F.cross_entropy(scores.squeeze(1), part[1:], reduction="sum").double())
    return nats
