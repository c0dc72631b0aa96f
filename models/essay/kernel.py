"""The essay model as one fused step for many rows, without autograd.

Letters: R rows, V vocabulary, E embedding, H hidden, L layers, M memory (2 * L * H values), F felt
(the condition as every norm receives it: E + L * H values). Each layer is a single product of
``[x, h]`` with ``[W_ih; W_hh]``. ``eightbit.py`` has the same step in whole numbers.

A row's numbers must not depend on who else is in the batch. In fp32, matrix libraries pick their
inner loop by the number of rows, which may change a row's last bits: ``exact_buckets`` finds the
row counts for which this does not happen on the present processor, and the engine pads to those. On
a GPU nobody looks: there the row counts are few because a graph is recorded for each
(``graphs.py``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from models.essay.lstm import EssayLSTM, Recurrence
from models.essay.precision import number_type
from models.essay.prompt import ConditionArrays

_known_buckets: dict[tuple[object, ...], tuple[int, ...]] = {}
GRAPH_BUCKETS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
BUCKETS = tuple(sorted({*range(1, 17), 20, 28, 40, 56, 80, *GRAPH_BUCKETS}))


class Kernel(ABC):
    """Weights laid out for stepping; immutable, so any number of tables may share it."""

    def __init__(self, model: EssayLSTM, device: torch.device, dtype: torch.dtype) -> None:
        """Keep what conditions and embeddings are made of."""
        config = model.config
        self.device = device
        self.dtype = dtype
        self.layers: int = config.num_hidden_layers
        self.hidden: int = config.hidden_size
        self.vocabulary: int = config.vocab_size
        self.embed_size: int = config.embed_size
        self.shape = (type(self), str(device), dtype, self.layers, self.hidden, self.vocabulary,
                      self.embed_size, config.head_size, torch.get_num_threads())  # fmt: skip
        self.parameters = sum(p.numel() for p in model.parameters())
        model.train(False)
        torch.nn.Module.to(model, device=device, dtype=dtype)
        self._model = model
        with torch.inference_mode():
            self._inject = torch.cat([part.weight for part in _linears(model.inject)])  # (F, C)

    @property
    @abstractmethod
    def size(self) -> int:
        """Count the bytes of the weights that are held."""

    @property
    def felt_size(self) -> int:
        """Width F of what the norms receive."""
        return len(self._inject)

    @property
    def memory_size(self) -> int:
        """Width M of a row's memory: ``h`` of every layer, then ``c`` of every layer."""
        return 2 * self.layers * self.hidden

    def empty_memory(self, rows: int) -> Tensor:
        """Give empty memories (R, M); they grow by small steps and are fp32 everywhere."""
        return torch.zeros(rows, self.memory_size, device=self.device)

    def felt(self, arrays: ConditionArrays) -> Tensor:
        """Turn conditions into what every norm receives (N, F)."""
        device = self.device
        condition = self._model.condition(
            topic=torch.tensor(arrays.topic, device=device),
            keywords=torch.tensor(arrays.keywords, device=device),
            style=torch.tensor(arrays.style, device=device),
            mark=torch.tensor(arrays.mark, device=device),
            role=torch.tensor(arrays.role, device=device),
            remaining=torch.tensor(arrays.remaining, device=device),
        )
        return F.linear(condition, self._inject)

    @abstractmethod
    def step(self, ids: Tensor, felt: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Feed one token a row: ids (R,), felt (R, F), memory (R, M) -> output (R, E), memory."""

    @abstractmethod
    def log_probs(self, y: Tensor) -> Tensor:
        """Turn outputs (R, E) into exact log-probabilities (R, V), fp32."""


class PlainKernel(Kernel):
    """A kernel of torch's own operations, in fp32 or, on a GPU, in half precision."""

    def __init__(self, model: EssayLSTM, device: torch.device, precision: str) -> None:
        """Lay the weights out."""
        super().__init__(model, device, number_type(precision, device))
        self._gates = [joined_gates(layer) for layer in recurrences(model)]
        self._skip = model.skip.weight.detach()
        self._project = model.project.weight.detach(), model.project.bias.detach()
        self._out, self._head = scoring(model), model.config.head_size
        self._norms = norms(model)
        sizes = [self.embed_size, *[self.hidden] * self.layers]
        self._parts = [slice(sum(sizes[:n]), sum(sizes[: n + 1])) for n in range(len(sizes))]
        model.layers = torch.nn.ModuleList()  # what was laid out anew is not held twice

    @property
    def size(self) -> int:
        """Count the bytes of the weights that are held."""
        kept = [*self._model.parameters(), *self._model.buffers()]
        laid_out = [tensor for pair in (*self._gates, self._out) for tensor in pair]
        return sum(t.nbytes for t in [*kept, *laid_out])

    def step(self, ids: Tensor, felt: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Feed one token a row: ids (R,), felt (R, F), memory (R, M) -> output (R, E), memory."""
        before = memory.view(len(ids), 2, self.layers, self.hidden)
        after = torch.empty_like(before)
        x = F.embedding(ids, self._model.embed.weight)
        stream, entry = F.linear(x, self._skip), x
        for n in range(self.layers):
            inside = self._normed(entry + felt[:, self._parts[n]], n)
            h = before[:, 0, n].to(self.dtype)
            gates = F.linear(torch.cat([inside, h], 1), *self._gates[n]).float().sigmoid_()
            i, f, g, o = gates.chunk(4, dim=1)
            # tanh(x) is 2 sigmoid(2x) - 1, and several times as slow; g's weights hold its 2.
            cell = torch.mul(f, before[:, 1, n]).addcmul_(i, g, value=2).sub_(i)
            out = (cell * 2).sigmoid_().mul_(2).sub_(1).mul_(o)
            after[:, 0, n], after[:, 1, n] = out, cell
            entry = stream = stream + out.to(self.dtype)
        y = self._normed(stream + felt[:, self._parts[-1]], self.layers)
        return F.linear(y, *self._project), after.view(memory.shape)

    def log_probs(self, y: Tensor) -> Tensor:
        """Turn outputs (R, E) into exact log-probabilities (R, V), fp32."""
        scores, head = F.linear(y, *self._out).float(), self._head
        common = scores[:, : head + 1].log_softmax(1)
        rare = scores[:, head + 1 :].log_softmax(1)
        return torch.cat([common[:, :head], rare.add_(common[:, head:])], 1)

    def _normed(self, x: Tensor, number: int) -> Tensor:
        weight, bias, eps = self._norms[number]
        return F.layer_norm(x, (x.shape[1],), weight, bias, eps)


def padded(rows: int, buckets: Sequence[int]) -> int:
    """Give the smallest bucket that holds ``rows``, or a multiple of the largest."""
    for bucket in buckets:
        if rows <= bucket:
            return bucket
    largest = buckets[-1]
    return -(-rows // largest) * largest


@torch.inference_mode()
def exact_buckets(kernel: Kernel, most: int) -> tuple[int, ...]:
    """Find the row counts whose results are equal bit by bit; also warms the libraries up.

    They depend on the shapes and on the processor alone: versions of one shape find them once.
    """
    known = BUCKETS if kernel.device.type == "cpu" else GRAPH_BUCKETS
    sizes = [b for b in known if b <= max(most, 8)]
    key = (*kernel.shape, most)
    if key not in _known_buckets:
        _known_buckets[key] = _found(kernel, sizes)
    return _known_buckets[key]


def _found(kernel: Kernel, sizes: Sequence[int]) -> tuple[int, ...]:
    if kernel.device.type != "cpu":
        return tuple(sizes)
    largest = sizes[-1]
    draw = torch.Generator().manual_seed(1)
    ids = torch.randint(0, kernel.vocabulary, (largest,), generator=draw)
    felt = torch.randn(largest, kernel.felt_size, generator=draw).to(kernel.dtype)
    memory = torch.randn(largest, kernel.memory_size, generator=draw)

    def run(rows: Tensor) -> Tensor:
        y, after = kernel.step(ids[rows], felt[rows], memory[rows])
        return torch.cat([kernel.log_probs(y), after], 1)

    everyone = torch.arange(largest)
    truth = run(everyone)
    shifted = run(everyone.roll(3)).roll(-3, 0)
    if not torch.equal(truth, shifted):
        return tuple(sizes)  # no size can help: the place in the batch matters already
    return tuple(
        size for size in sizes if size == largest or torch.equal(run(everyone[:size]), truth[:size])
    )


def recurrences(model: EssayLSTM) -> list[Recurrence]:
    """List the recurrent layers, from the input up."""
    return [module for module in model.layers if isinstance(module, Recurrence)]


def joined_gates(layer: Recurrence) -> tuple[Tensor, Tensor]:
    """Join a layer's weights (4H, I + H), those of ``g`` doubled, and its bias (4H,)."""
    weight = torch.cat([layer.weight_ih.detach(), layer.weight_hh.detach()], dim=1)
    bias = layer.bias.detach().clone()
    for part in (weight, bias):
        part[2 * layer.hidden : 3 * layer.hidden] *= 2
    return weight, bias


def scoring(model: EssayLSTM) -> tuple[Tensor, Tensor]:
    """Join the weights (V + 1, E) and biases of all scores: frequent words, their cluster, rare."""
    head = model.config.head_size
    weight, bias = model.embed.weight.detach(), model.output_bias.detach()
    cluster = model.cluster
    return (
        torch.cat([weight[:head], cluster.weight.detach(), weight[head:]]),
        torch.cat([bias[:head], cluster.bias.detach(), bias[head:]]),
    )


def norms(model: EssayLSTM) -> list[tuple[Tensor, Tensor, float]]:
    """List weights, biases and epsilons of the norms, from the input up."""
    return [
        (cast(Tensor, norm.weight).detach(), cast(Tensor, norm.bias).detach(), norm.eps)
        for norm in model.norms
        if isinstance(norm, torch.nn.LayerNorm)
    ]


def _linears(modules: torch.nn.ModuleList) -> list[torch.nn.Linear]:
    return [module for module in modules if isinstance(module, torch.nn.Linear)]
