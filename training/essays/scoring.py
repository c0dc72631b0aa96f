"""Held-out likelihood: nats, bytes and words of whole documents, each from an empty memory."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from models.essay.lstm import EssayLSTM
from training.essays.pack import Packed


@dataclass(frozen=True)
class Likelihood:
    """Of some documents, in their order; only learned tokens (text and its end) count."""

    document_nats: npt.NDArray[np.float64]
    text_bytes: int
    words: int
    tokens: int

    @property
    def nats(self) -> float:
        """Sum over all documents."""
        return float(self.document_nats.sum())

    @property
    def bits_per_byte(self) -> float:
        """Bits for one UTF-8 byte of text."""
        return self.nats / math.log(2) / max(self.text_bytes, 1)

    @property
    def word_perplexity(self) -> float:
        """Perplexity for one white-space word, its spaces and the end included."""
        return math.exp(min(self.nats / max(self.words, 1), 50.0))


def conditions(model: EssayLSTM, packed: Packed, rows: npt.NDArray[np.int64]) -> Tensor:
    """Make the conditions (N, C) of rows of a packed corpus."""
    device = model.output_bias.device

    def tensor(array: npt.NDArray[np.generic]) -> Tensor:
        return torch.from_numpy(array.astype(np.int64)).to(device)

    small = tensor(packed.row_small[rows])
    return model.condition(
        tensor(packed.bags[packed.row_topic[rows]]),
        tensor(packed.bags[packed.row_keywords[rows]]),
        small[:, 0],
        small[:, 1],
        small[:, 2],
        small[:, 3],
    )


@torch.no_grad()
def likelihood(
    model: EssayLSTM, packed: Packed, documents: Sequence[int] | None = None, rows: int = 32
) -> Likelihood:
    """Score documents (default: all) in batches of similar length."""
    chosen = list(range(packed.documents)) if documents is None else list(documents)
    lengths = np.diff(packed.starts)[chosen]
    order = np.argsort(lengths, kind="stable")
    was_training = model.training
    model.train(False)
    nats, tokens = np.zeros(len(chosen)), 0
    for begin in range(0, len(chosen), rows):
        batch = order[begin : begin + rows]
        nats[batch], batch_tokens = _score(model, packed, [chosen[n] for n in batch])
        tokens += batch_tokens
    model.train(was_training)
    return Likelihood(
        nats,
        int(packed.text_bytes[chosen].sum()),
        int(packed.text_words[chosen].sum()),
        tokens,
    )


def _score(
    model: EssayLSTM, packed: Packed, documents: Sequence[int]
) -> tuple[npt.NDArray[np.float64], int]:
    """Pad documents to the right: a causal model never sees the padding in what counts."""
    spans = [slice(int(packed.starts[d]), int(packed.starts[d + 1])) for d in documents]
    longest = max(s.stop - s.start for s in spans)
    shape = (len(spans), longest)
    ids, index = np.zeros(shape, np.int64), np.zeros(shape, np.int64)
    learn = np.zeros(shape, bool)
    for row, span in enumerate(spans):
        length = span.stop - span.start
        ids[row, :length] = packed.tokens[span]
        index[row, :length] = packed.condition[span]
        learn[row, :length] = packed.learn[span]
    device = model.output_bias.device
    unique, inverse = np.unique(index[:, :-1], return_inverse=True)
    felt = conditions(model, packed, unique)
    where = torch.from_numpy(inverse.reshape(len(spans), -1)).to(device)
    total, state = torch.zeros(len(spans), dtype=torch.float64, device=device), None
    for t in range(0, longest - 1, 256):
        stop = min(t + 256, longest - 1)
        inputs = torch.from_numpy(ids[:, t:stop]).to(device)
        y, state = model.hidden(inputs, felt, where[:, t:stop], state)
        keep = torch.from_numpy(learn[:, t + 1 : stop + 1].T.copy()).to(device)
        targets = torch.from_numpy(ids[:, t + 1 : stop + 1].T.copy()).to(device)
        rows = torch.arange(len(spans), device=device).expand_as(keep)[keep]
        total.index_add_(0, rows, model.nll(y[keep], targets[keep]).double())
    return total.cpu().numpy(), int(learn.sum())
