"""Which numbers the engine computes with."""

from __future__ import annotations

from enum import StrEnum

import torch


class Precision(StrEnum):
    """What the large products are computed in."""

    FP32 = "fp32"
    FP16 = "fp16"
    BF16 = "bf16"
    INT8 = "int8"  # on a CPU; elsewhere fp16


def number_type(precision: str, device: torch.device) -> torch.dtype:
    """Say which numbers weights and rows are on a device, where they are no whole ones."""
    if precision == Precision.INT8:
        return torch.float32 if device.type == "cpu" else torch.float16
    half = {Precision.FP16.value: torch.float16, Precision.BF16.value: torch.bfloat16}
    return half.get(precision, torch.float32)
