"""A writer in a wider model: as slow as the wider one, and its texts are nearly its own.

Speed does not depend on weights, but on what is drawn: random weights choose among thousands of
tokens and spell words that have to be drawn again, as no writer that was trained does.
"""

from __future__ import annotations

import torch
from torch import Tensor

from models.essay.lstm import EssayConfig, EssayLSTM

NEVER = -30.0  # nats of a token that the writer does not have


@torch.no_grad()
def widened(writer: EssayLSTM, config: EssayConfig) -> EssayLSTM:
    """Put a writer's weights into the corners of a larger model, zeros elsewhere.

    Of more layers only the lowest are taken. Norms count the zeros, which is made up for where
    what they read has the mean zero.
    """
    wide, given = EssayLSTM(config), writer.state_dict()
    for name, tensor in wide.state_dict().items():
        part, _, rest = name.partition(".")
        if part in ("norms", "inject") and rest.startswith(f"{config.num_hidden_layers}."):
            below = f"{part}.{writer.config.num_hidden_layers}."
            source = given[below + rest.split(".", 1)[1]]
        else:
            source = given[name]
        if part == "norms" and rest.endswith("weight"):
            source = source * (len(source) / len(tensor)) ** 0.5
        tensor.fill_(NEVER if name == "output_bias" else 0.0)
        _put(source, tensor, gates=4 if part == "layers" else 1)
    for layer in wide.recurrences():
        layer.close()
    return wide


def _put(source: Tensor, target: Tensor, gates: int) -> None:
    """Copy a matrix or vector into the corner of another, gate by gate."""
    for small, large in zip(source.chunk(gates), target.chunk(gates), strict=True):
        large[tuple(slice(size) for size in small.shape)] = small
