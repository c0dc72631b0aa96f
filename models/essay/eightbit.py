"""The essay model's step in eight bits on a CPU, run by ONNX Runtime; and the choice of a kernel.

A row's numbers come out the same whoever else is in the batch: products are sums of whole numbers,
and all else treats each row alone (``exact_buckets`` looks whether that holds here, too).
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.essay.kernel import Kernel, PlainKernel, norms, recurrences, scoring
from models.essay.lstm import EssayLSTM, Recurrence
from models.essay.onnxgraph import Bytes, Graph, exact_weights
from models.essay.precision import Precision


def kernel_for(model: EssayLSTM, device: torch.device, precision: str) -> Kernel:
    """Choose how a model is stepped; in eight bits only where the processor is exact."""
    if precision == Precision.INT8 and device.type == "cpu" and (kind := exact_weights()):
        return EightBitKernel(model, device, kind)
    return PlainKernel(model, device, precision)


class EightBitKernel(Kernel):
    """A kernel whose weights are bytes."""

    def __init__(self, model: EssayLSTM, device: torch.device, weights: Bytes) -> None:
        """Make the two graphs; the model keeps only what conditions are made of."""
        super().__init__(model, device, torch.float32)
        threads = torch.get_num_threads()
        stepping, outputs = _stepping(model, Graph(weights))
        self._stepping = stepping.session(threads, **outputs)
        scores, log_probs = _scores(model, Graph(weights))
        self._scores = scores.session(threads, log_probs=log_probs)
        self._weights = stepping.size + scores.size
        model.layers = torch.nn.ModuleList()
        del model.skip, model.project

    @property
    def size(self) -> int:
        """Count the bytes of the weights that are held."""
        kept = [*self._model.parameters(), *self._model.buffers()]
        return self._weights + sum(t.nbytes for t in kept)

    def step(self, ids: Tensor, felt: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Feed one token a row: ids (R,), felt (R, F), memory (R, M) -> output (R, E), memory."""
        given = {"ids": ids.numpy(), "felt": felt.numpy(), "memory": memory.numpy()}
        y, after = self._stepping.run(("y", "after"), given)
        return torch.from_numpy(y), torch.from_numpy(after)

    def log_probs(self, y: Tensor) -> Tensor:
        """Turn outputs (R, E) into exact log-probabilities (R, V), fp32."""
        (scores,) = self._scores.run(("log_probs",), {"y": y.numpy()})
        return torch.from_numpy(scores)


def _stepping(model: EssayLSTM, graph: Graph) -> tuple[Graph, dict[str, str]]:
    """Write ``PlainKernel.step`` down as a graph."""
    config = model.config
    layers, hidden, embed = config.num_hidden_layers, config.hidden_size, config.embed_size
    sizes = [embed] + [hidden] * layers
    ids = graph.input("ids", whole=True)
    felt = graph.split(graph.input("felt", sum(sizes)), sizes)
    memory = graph.split(graph.input("memory", 2 * layers * hidden), [hidden] * (2 * layers))
    entry = graph("Gather", graph.weight(model.embed.weight), ids)
    stream = graph.product(entry, model.skip.weight)
    outs, cells = [], []
    scales = norms(model)
    for n, layer in enumerate(recurrences(model)):
        inside = _normed(graph, graph("Add", entry, felt[n]), scales[n])
        weight, bias = _ordered_gates(layer)
        gates = graph.product(graph("Concat", inside, memory[n], axis=1), weight, bias)
        smooth, g = graph.split(gates, [3 * hidden, hidden])
        i, f, o = graph.split(graph("Sigmoid", smooth), [hidden] * 3)
        kept = graph("Mul", f, memory[layers + n])
        cells.append(graph("Add", kept, graph("Mul", i, graph("Tanh", g))))
        outs.append(graph("Mul", o, graph("Tanh", cells[-1])))
        entry = stream = graph("Add", stream, outs[-1])
    y = _normed(graph, graph("Add", stream, felt[-1]), scales[-1])
    y = graph.product(y, model.project.weight, model.project.bias)
    return graph, {"y": y, "after": graph("Concat", *outs, *cells, axis=1)}


def _scores(model: EssayLSTM, graph: Graph) -> tuple[Graph, str]:
    """Write ``PlainKernel.log_probs`` down as a graph."""
    head, vocabulary = model.config.head_size, model.config.vocab_size
    scores = graph.product(graph.input("y", model.config.embed_size), *scoring(model))
    common, rare = graph.split(scores, [head + 1, vocabulary - head])
    common, cluster = graph.split(graph("LogSoftmax", common, axis=1), [head, 1])
    rare = graph("Add", graph("LogSoftmax", rare, axis=1), cluster)
    return graph, graph("Concat", common, rare, axis=1)


def _normed(graph: Graph, rows: str, norm: tuple[Tensor, Tensor, float]) -> str:
    weight, bias, epsilon = norm
    return graph(
        "LayerNormalization", rows, graph.weight(weight), graph.weight(bias), epsilon=epsilon
    )


def _ordered_gates(layer: Recurrence) -> tuple[Tensor, Tensor]:
    """Join a layer's weights (4H, I + H) and bias (4H,) in the order i, f, o, g."""
    weight = torch.cat([layer.weight_ih, layer.weight_hh], dim=1).detach()
    i, f, g, o = weight.chunk(4)
    bias_i, bias_f, bias_g, bias_o = layer.bias.detach().chunk(4)
    return torch.cat([i, f, o, g]), torch.cat([bias_i, bias_f, bias_o, bias_g])
