"""Products with fixed weights, in floating point or in eight bits.

Eight bits: a scale for each output (weights) and one for each row (inputs), whole numbers in
between. On processors with 8-bit dot products (AVX512-VNNI) this is four to seven times as fast as
fp32 for few rows, and the sums are exact, whatever the number of rows.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from enum import StrEnum
from functools import cache
from typing import Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

log = logging.getLogger(__name__)

PACKED_FOR = 8  # rows that the packing suits best; any other number works, too
UNSIGNED = 128  # what is added to whole numbers from -127 to 127
ALLOWED_ERROR = 0.03  # of the result's norm; the rounding itself costs about 0.01


class Precision(StrEnum):
    """What the large products are computed in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"  # on a CPU; elsewhere fp16


class Linear(Protocol):
    """A product with fixed weights."""

    @property
    def size(self) -> int: ...  # noqa: D102

    def __call__(self, x: Tensor) -> Tensor: ...  # noqa: D102


class WholeLinear:
    """A product in eight bits; weights (O, I), bias (O,)."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._scale = weight.abs().amax(1).clamp(min=1e-8) / 127  # (O,)
        self._whole = (weight / self._scale.unsqueeze(1)).round().to(torch.int8).t()  # (I, O)
        self._bias = bias.clone()

    @property
    def size(self) -> int:
        """Count the bytes of the weights."""
        return self._whole.nbytes + self._scale.nbytes + self._bias.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply (R, I) -> (R, O)."""
        scale = x.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        product = torch._int_mm((x / scale).round_().to(torch.int8), self._whole)
        return torch.addcmul(self._bias, product.float().mul_(self._scale), scale)


class PackedLinear:
    """The same product, bit for bit, with the weights in the order that the processor reads.

    For up to 32 rows about twice as fast. The packed product wants inputs without a sign.
    """

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._scale = weight.abs().amax(1).clamp(min=1e-8) / 127  # (O,)
        whole = (weight / self._scale.unsqueeze(1)).round().to(torch.int8)  # (O, I)
        self._packed = torch.ops.onednn.qlinear_prepack(whole, [PACKED_FOR, whole.shape[1]])
        self._zeros = torch.zeros(len(whole), dtype=torch.int32)
        self._bias = bias.clone()
        self.size = whole.nbytes + 2 * self._scale.nbytes + self._bias.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply (R, I) -> (R, O)."""
        scale = x.abs().amax(1, keepdim=True).clamp(min=1e-8) / 127
        inputs = (x / scale).round_().add_(UNSIGNED).to(torch.uint8)
        product: Tensor = torch.ops.onednn.qlinear_pointwise(
            inputs, 1.0, UNSIGNED, self._packed, self._scale, self._zeros, None,
            1.0, 0, torch.float32, "none", [], "",
        )  # fmt: skip
        return torch.addcmul(self._bias, product, scale)


class PlainLinear:
    """The same in the weights' own precision."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        self._weight, self._bias = weight, bias

    @property
    def size(self) -> int:
        """Count the bytes of the weights."""
        return self._weight.nbytes + self._bias.nbytes

    def __call__(self, x: Tensor) -> Tensor:
        """Multiply (R, I) -> (R, O)."""
        return F.linear(x, self._weight, self._bias)


@cache
def whole_numbers_work(maker: Callable[[Tensor, Tensor], Linear]) -> bool:
    """Try eight bits on the present processor; without AVX512 they would not be fast."""
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX512"):
        return False
    draw = torch.Generator().manual_seed(0)
    weight, x = torch.randn(64, 512, generator=draw), torch.randn(40, 512, generator=draw)
    weight[:8], x[:8] = 1.0, 1.0  # the largest sums there are: some processors lose carries
    try:
        made = maker(weight, torch.zeros(64))
        result = made(x)
        alone = made(x[:3])
    except (RuntimeError, AttributeError) as error:
        log.warning("no %s here: %s", maker, error)
        return False
    truth = x @ weight.t()
    error_share = float((result - truth).norm() / truth.norm())
    return error_share < ALLOWED_ERROR and torch.equal(alone, result[:3])


def number_type(precision: str, device: torch.device) -> torch.dtype:
    """Say which numbers weights and rows are on a device, where they are no whole ones."""
    if precision == Precision.INT8:
        return torch.float32 if device.type == "cpu" else torch.float16
    half = {Precision.FP16.value: torch.float16, Precision.BF16.value: torch.bfloat16}
    return half.get(precision, torch.float32)


def linear_maker(precision: str, device: torch.device) -> Callable[[Tensor, Tensor], Linear]:
    """Choose how products are computed on a device."""
    if precision == Precision.INT8 and device.type == "cpu":
        for maker in (PackedLinear, WholeLinear):
            if whole_numbers_work(maker):
                return maker
    return PlainLinear
