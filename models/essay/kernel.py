"""The essay model as one fused step for many rows, without autograd.

Letters: R rows, V vocabulary, E embedding, H hidden, L layers, F felt (the condition as every norm
receives it: E + L * H values). Each layer is a single product of ``[x, h]`` with ``[W_ih; W_hh]``.

A row's numbers must not depend on who else is in the batch. Eight-bit products are sums of whole
numbers, so they never do (``linear.py``). In fp32, matrix libraries pick their inner loop by the
number of rows, which may change a row's last bits: ``exact_buckets`` finds the row counts for which
this does not happen on the present processor, and the engine pads to those. On a GPU nobody looks:
there the row counts are few because a graph is recorded for each (``graphs.py``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

import torch
from torch import Tensor
from torch.nn import functional as F

from models.essay.linear import Precision, linear_maker, number_type
from models.essay.lstm import EssayLSTM, Recurrence
from models.essay.prompt import ConditionArrays

_known_buckets: dict[tuple[object, ...], tuple[int, ...]] = {}
GRAPH_BUCKETS = (1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512)
BUCKETS = tuple(sorted({*range(1, 17), 20, 28, 40, 56, 80, *GRAPH_BUCKETS}))


class Kernel:
    """Weights laid out for stepping; immutable, so any number of tables may share it."""

    def __init__(
        self, model: EssayLSTM, device: torch.device, precision: str = Precision.FP32
    ) -> None:
        """Lay the weights out; eight bits on a CPU only, and only where the processor is exact."""
        config = model.config
        self.device = device
        self.dtype = number_type(precision, device)
        self.layers: int = config.num_hidden_layers
        self.hidden: int = config.hidden_size
        self.vocabulary: int = config.vocab_size
        self.embed_size: int = config.embed_size
        self.shape = (str(device), precision, self.layers, self.hidden, self.vocabulary,
                      self.embed_size, config.head_size, torch.get_num_threads())  # fmt: skip
        self.parameters = sum(p.numel() for p in model.parameters())
        self._head: int = config.head_size
        model.train(False)
        torch.nn.Module.to(model, device=device, dtype=self.dtype)
        self._model = model
        with torch.inference_mode():
            self._inject = torch.cat([part.weight for part in _linears(model.inject)])  # (F, C)
            make = linear_maker(precision, device)
            self._gates = [make(*_gates(layer)) for layer in _recurrences(model)]
            self._skip = make(model.skip.weight, model.output_bias.new_zeros(self.hidden))
            self._project = make(model.project.weight, model.project.bias)
            # One product gives all scores; the cluster's stands between frequent and rare words.
            head = config.head_size
            weight, bias = model.embed.weight, model.output_bias
            self._out = make(
                torch.cat([weight[:head], model.cluster.weight, weight[head:]]),
                torch.cat([bias[:head], model.cluster.bias, bias[head:]]),
            )
        sizes = [self.embed_size] + [self.hidden] * self.layers
        self._cuts = [sum(sizes[:n]) for n in range(len(sizes) + 1)]
        self._norms = [
            (cast(Tensor, norm.weight).detach(), cast(Tensor, norm.bias).detach(), norm.eps)
            for norm in model.norms
            if isinstance(norm, torch.nn.LayerNorm)
        ]

    def keep_only_own(self) -> None:
        """Free the weights that the model still holds in the layout of training."""
        self._model.layers = torch.nn.ModuleList()
        for name in ("skip", "project"):
            delattr(self._model, name)

    @property
    def size(self) -> int:
        """Count the bytes of the weights that are held."""
        kept = [*self._model.parameters(), *self._model.buffers()]
        laid_out = [*self._gates, self._skip, self._project, self._out]
        return sum(t.nbytes for t in kept) + sum(part.size for part in laid_out)

    @property
    def felt_size(self) -> int:
        """Width F of what the norms receive."""
        return int(self._cuts[-1])

    def empty_state(self, rows: int) -> tuple[Tensor, Tensor]:
        """Give empty memories (L, R, H); ``c`` grows by small steps and is fp32 everywhere."""
        shape = (self.layers, rows, self.hidden)
        h = torch.zeros(shape, device=self.device, dtype=self.dtype)
        return h, torch.zeros(shape, device=self.device)

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

    def step(
        self, ids: Tensor, felt: Tensor, h: Tensor, c: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Feed one token a row: ids (R,), felt (R, F), state (L, R, H) -> output (R, E), state."""
        cuts = self._cuts
        x = F.embedding(ids, self._model.embed.weight)
        stream = self._skip(x)
        new_h, new_c = torch.empty_like(h), torch.empty_like(c)
        entry = x
        for n in range(self.layers):
            inside = self._normed(entry + felt[:, cuts[n] : cuts[n + 1]], n)
            gates = self._gates[n](torch.cat([inside, h[n]], 1)).float().sigmoid_()
            i, f, g, o = gates.chunk(4, dim=1)
            # tanh(x) is 2 sigmoid(2x) - 1, and several times as slow; g's weights hold its 2.
            cell = torch.mul(f, c[n], out=new_c[n]).addcmul_(i, g, value=2).sub_(i)
            new_h[n] = (cell * 2).sigmoid_().mul_(2).sub_(1).mul_(o)
            stream = stream + new_h[n]
            entry = stream
        y = self._normed(stream + felt[:, cuts[-2] :], self.layers)
        return self._project(y), new_h, new_c

    def log_probs(self, y: Tensor) -> Tensor:
        """Turn outputs (R, E) into exact log-probabilities (R, V), fp32."""
        scores, head = self._out(y).float(), self._head
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
    h, c = (torch.randn(kernel.layers, largest, kernel.hidden, generator=draw) for _ in range(2))
    h = h.to(kernel.dtype)

    def run(rows: Tensor) -> Tensor:
        y, new_h, new_c = kernel.step(ids[rows], felt[rows], h[:, rows], c[:, rows])
        return torch.cat([kernel.log_probs(y), *new_h.float(), *new_c], 1)

    everyone = torch.arange(largest)
    truth = run(everyone)
    shifted = run(everyone.roll(3)).roll(-3, 0)
    if not torch.equal(truth, shifted):
        return tuple(sizes)  # no size can help: the place in the batch matters already
    return tuple(
        size for size in sizes if size == largest or torch.equal(run(everyone[:size]), truth[:size])
    )


def _gates(layer: Recurrence) -> tuple[Tensor, Tensor]:
    """Join a layer's weights (4H, I + H), those of ``g`` doubled, and its bias (4H,)."""
    weight = torch.cat([layer.weight_ih, layer.weight_hh], dim=1)
    bias = layer.bias.detach().clone()
    for part in (weight, bias):
        part[2 * layer.hidden : 3 * layer.hidden] *= 2
    return weight, bias


def _linears(modules: torch.nn.ModuleList) -> list[torch.nn.Linear]:
    return [module for module in modules if isinstance(module, torch.nn.Linear)]


def _recurrences(model: EssayLSTM) -> list[Recurrence]:
    return [module for module in model.layers if isinstance(module, Recurrence)]
