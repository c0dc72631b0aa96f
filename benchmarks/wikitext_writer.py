"""The essay writer's LSTM over the words of a benchmark, without a condition.

Same trunk, same weights; what differs is the vocabulary (words, by frequency), a softmax of three
or more levels, and the dropout that two million words need: whole words of the embedding, the
input, between layers, the output and the recurrent weights (Merity, Keskar and Socher 2018).
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.essay.lstm import EssayConfig, EssayLSTM, LockedDropout, State

NOBODY = -1  # an id that no word has: nothing empties the memory


@dataclass(frozen=True)
class Sizes:
    """What a writer of words is made of."""

    embed: int = 400
    hidden: int = 512
    layers: int = 2
    cuts: tuple[int, ...] = (2000, 10_000)  # ids, by frequency, at which the softmax is cut
    word_drop: float = 0.1  # of whole words in the embedding
    input_drop: float = 0.3
    layer_drop: float = 0.2
    output_drop: float = 0.3
    weight_drop: float = 0.2


class DroppedEmbedding(nn.Embedding):
    """An embedding that forgets whole words for the length of a window."""

    word_drop = 0.0

    def forward(self, ids: Tensor) -> Tensor:
        """Look ids up; a dropped word is zero wherever it stands."""
        vectors = super().forward(ids)
        if not self.training or self.word_drop == 0:
            return vectors
        kept = torch.empty_like(self.weight[:, 0]).bernoulli_(1 - self.word_drop)
        return vectors * (kept / (1 - self.word_drop))[ids].unsqueeze(-1)


class WordWriter(EssayLSTM):  # type: ignore[no-untyped-call]
    """EssayLSTM over words; see the module's docstring."""

    def __init__(self, words: int, sizes: Sizes) -> None:
        cuts = tuple(cut for cut in sizes.cuts if cut < words)
        super().__init__(
            EssayConfig(
                vocab_size=words, embed_size=sizes.embed, hidden_size=sizes.hidden,
                num_hidden_layers=sizes.layers, condition_size=1,
                head_size=cuts[0] if cuts else words, weight_drop=sizes.weight_drop,
                pad_token_id=None, bos_token_id=NOBODY, eos_token_id=None,
            )
        )  # fmt: skip
        table = DroppedEmbedding(words, sizes.embed)
        table.word_drop = sizes.word_drop
        nn.init.normal_(table.weight, std=0.05)
        self.embed = table
        self.cluster = nn.Linear(sizes.embed, max(1, len(cuts)))
        nn.init.zeros_(self.cluster.weight)
        self.parts = list(pairwise((*cuts, words)))  # of the tail, from id to id
        self.enter, self.between, self.leave = (
            LockedDropout(p) for p in (sizes.input_drop, sizes.layer_drop, sizes.output_drop)
        )

    @torch.no_grad()
    def prime(self, ids: Tensor) -> None:
        """Start from word frequencies."""
        counts = torch.bincount(ids, minlength=self.config.vocab_size) + 0.5
        share = (counts / counts.sum()).to(self.output_bias)
        self.output_bias.copy_(share.log())
        for number, (begin, end) in enumerate(self.parts):
            self.cluster.bias[number] = share[begin:end].sum().log()

    def read(self, ids: Tensor, state: State) -> tuple[Tensor, State]:
        """Run the trunk over ids (T, B); give output vectors (T, B, E) and the new state."""
        x = self.enter(self.embed(ids))
        entry, stream = x, self.skip(x)
        after_h, after_c = [], []
        for number, layer in enumerate(self.recurrences()):
            felt = self.norms[number](entry)
            inside = felt if number == 0 else self.between(felt)
            out, (h, c) = layer(inside, (state[0][number], state[1][number]))
            stream = entry = stream + out
            after_h.append(h)
            after_c.append(c)
        y = self.project(self.between(self.norms[-1](stream)))
        return self.leave(y), (torch.stack(after_h), torch.stack(after_c))

    def nll(self, y: Tensor, targets: Tensor) -> Tensor:
        """Give the negative log-likelihood (N,) of targets (N,) under output vectors (N, E)."""
        head = self.config.head_size
        masks = [(targets >= begin) & (targets < end) for begin, end in self.parts]
        entries = targets
        for number, within in enumerate(masks):
            entries = torch.where(within, head + number, entries)
        # Cut once: the gradient of every slice of a table would be as large as the table.
        lengths = [head, *(end - begin for begin, end in self.parts)]
        vectors = torch.split(self.embed.weight, lengths)
        biases = torch.split(self.output_bias, lengths)
        scores = F.linear(y, vectors[0], biases[0])
        if self.parts:
            scores = torch.cat([scores, self.cluster(y)], dim=-1)
        loss = F.cross_entropy(scores.float(), entries, reduction="none")
        for (begin, _), within, tail, bias in zip(
            self.parts, masks, vectors[1:], biases[1:], strict=True
        ):
            rare = within.nonzero().squeeze(1)
            if rare.numel():
                found = F.linear(y[rare], tail, bias).float()
                extra = F.cross_entropy(found, targets[rare] - begin, reduction="none")
                loss = loss.index_add(0, rare, extra)
        return loss

    def log_probs(self, y: Tensor) -> Tensor:
        """Turn output vectors (..., E) into exact log-probabilities (..., V)."""
        head = self.config.head_size
        scores = F.linear(y, self.embed.weight, self.output_bias)
        if not self.parts:
            return scores.log_softmax(-1)
        top = torch.cat([scores[..., :head], self.cluster(y)], dim=-1).log_softmax(-1)
        tails = [
            scores[..., begin:end].log_softmax(-1) + top[..., head + n : head + n + 1]
            for n, (begin, end) in enumerate(self.parts)
        ]
        return torch.cat([top[..., :head], *tails], dim=-1)
