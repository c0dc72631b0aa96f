"""A graph of operations for ONNX Runtime, with products in eight bits.

Eight bits: a scale for each output (weights) and one for each row (inputs), whole numbers in
between. The sums are exact, whatever the number of rows; ONNX Runtime runs a graph without coming
back to Python between operations, which for few rows is most of the gain (``docs/operating.md``).
Weights are signed bytes where the processor sums their products in 32 bits at once (AVX-512 VNNI
and the like). Without such an instruction, signed bytes lose carries and unsigned ones, which are
widened first, do not: ``exact_weights`` finds out.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from enum import StrEnum
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

log = logging.getLogger(__name__)

OPSETS = {"": 21, "com.microsoft": 1}
FORMAT = 10  # version of the file format that belongs to the operations
ZERO = 128  # what stands for zero among unsigned bytes
ALLOWED_ERROR = 0.03  # of the result's norm; the rounding itself costs about 0.01
ROWS = "rows"  # the name of the axis whose size is open


class Bytes(StrEnum):
    """What kind of bytes the weights are, the quickest first."""

    SIGNED = "signed"
    UNSIGNED = "unsigned"


class Graph:
    """Collects operations and weights; a value is told by its name."""

    def __init__(self, weights: Bytes = Bytes.SIGNED) -> None:
        self.weights = weights
        self._nodes: list[Any] = []
        self._constants: dict[str, Any] = {}
        self._inputs: list[Any] = []
        self._zeros = ""

    @property
    def size(self) -> int:
        """Count the bytes of the weights."""
        return sum(len(weight.raw_data) for weight in self._constants.values())

    def input(self, name: str, *shape: int, whole: bool = False) -> str:
        """Add an input of rows of ``shape``."""
        kind = TensorProto.INT64 if whole else TensorProto.FLOAT
        self._inputs.append(helper.make_tensor_value_info(name, kind, [ROWS, *shape]))
        if not self._zeros:  # a zero for each row
            self._zeros = self("Expand", self.constant(np.uint8(ZERO)), self._row_count(name))
        return name

    def constant(self, value: npt.ArrayLike, name: str = "") -> str:
        """Add a constant; the same name stands for the same value."""
        name = name or f"constant{len(self._constants)}"
        array = np.ascontiguousarray(value)
        self._constants[name] = numpy_helper.from_array(array.reshape(np.shape(value)), name)
        return name

    def weight(self, tensor: Tensor) -> str:
        """Add a weight."""
        return self.constant(tensor.detach().float().numpy())

    def __call__(self, operation: str, *values: str, **attributes: Any) -> str:
        """Add an operation with one output."""
        return self.several(1, operation, *values, **attributes)[0]

    def several(self, count: int, operation: str, *values: str, **attributes: Any) -> list[str]:
        """Add an operation with ``count`` outputs."""
        names = [f"value{len(self._nodes)}.{n}" for n in range(count)]
        self._nodes.append(helper.make_node(operation, list(values), names, **attributes))
        return names

    def split(self, value: str, sizes: Sequence[int]) -> list[str]:
        """Cut rows into parts."""
        return self.several(
            len(sizes), "Split", value, self.constant(np.array(sizes, np.int64)), axis=1
        )

    def product(self, rows: str, weight: Tensor, bias: Tensor | None = None) -> str:
        """Multiply rows (R, I) with a weight (O, I) in eight bits, and add a bias (O,)."""
        scale = weight.detach().abs().amax(1).clamp(min=1e-8) / 127  # (O,)
        whole = (weight.detach() / scale.unsqueeze(1)).round().to(torch.int8).t()  # (I, O)
        peak = self("ReduceMax", self("Abs", rows), self._numbers(1), keepdims=1)
        floor = self.constant(np.float32(1e-8), "least")
        of_row = self("Mul", self("Max", peak, floor), self.constant(np.float32(1 / 127), "127th"))
        given = self(
            "QuantizeLinear", rows, self("Squeeze", of_row, self._numbers(1)), self._zeros, axis=0
        )
        unit, zero = self.constant(np.float32(1), "unit"), self.constant(np.uint8(ZERO), "zero")
        stored, zeros = whole.numpy(), [zero]
        if self.weights is Bytes.UNSIGNED:
            stored, zeros = (stored.astype(np.int16) + ZERO).astype(np.uint8), [zero, zero]
        sums = self(
            "MatMulIntegerToFloat",
            given,
            self.constant(stored),
            unit,
            self.weight(scale),
            *zeros,
            domain="com.microsoft",
        )
        result = self("Mul", sums, of_row)
        return result if bias is None else self("Add", result, self.weight(bias))

    def session(self, threads: int, **outputs: str) -> onnxruntime.InferenceSession:
        """Make it ready to run; ``outputs`` are values by the names they go by."""
        for name, value in outputs.items():
            self._nodes.append(helper.make_node("Identity", [value], [name]))
        told = [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs]
        graph = helper.make_graph(
            self._nodes, "essay", self._inputs, told, list(self._constants.values())
        )
        model = helper.make_model(
            graph,
            opset_imports=[helper.make_opsetid(*item) for item in OPSETS.items()],
            ir_version=FORMAT,
        )
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
        options.log_severity_level = 3
        return onnxruntime.InferenceSession(
            model.SerializeToString(), options, providers=["CPUExecutionProvider"]
        )

    def _row_count(self, name: str) -> str:
        first, end = self._numbers(0), self._numbers(1)
        return self("Slice", self("Shape", name), first, end)

    def _numbers(self, *numbers: int) -> str:
        name = "numbers" + "-".join(map(str, numbers))
        return self.constant(np.array(numbers, np.int64), name)


@cache
def exact_weights() -> Bytes | None:
    """Find the quickest kind of bytes whose products are exact on the present processor, if any."""
    return next((kind for kind in Bytes if _exact(kind)), None)


def _exact(kind: Bytes) -> bool:
    draw = torch.Generator().manual_seed(0)
    weight, x = torch.randn(64, 512, generator=draw), torch.randn(40, 512, generator=draw)
    weight[:8], x[:8] = 1.0, 1.0  # the largest sums there are
    try:
        graph = Graph(kind)
        product = graph.product(graph.input("x", 512), weight)
        session = graph.session(1, y=product)
        result, alone = (torch.from_numpy(session.run(None, {"x": rows.numpy()})[0])
                         for rows in (x, x[:3]))  # fmt: skip
    except Exception as error:  # ONNX Runtime's own kinds of error have no common base
        log.warning("no products of %s bytes here: %s", kind.value, error)
        return False
    truth = x @ weight.t()
    error_share = float((result - truth).norm() / truth.norm())
    return error_share < ALLOWED_ERROR and torch.equal(alone, result[:3])
