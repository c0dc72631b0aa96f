"""Growing a writer: more layers on top of those it has, which at first change nothing."""

from __future__ import annotations

from typing import Any

import torch

from models.essay.lstm import EssayConfig, EssayLSTM, Recurrence


@torch.no_grad()
def grown(model: EssayLSTM, layers: int) -> EssayLSTM:
    """Give the same writer with ``layers`` recurrent layers; every text keeps its likelihood.

    A new layer's cell candidates are zero whatever it reads, so its memory stays empty and adds
    nothing to the stream; their weights do get a gradient, and with them the layer wakes up.
    Raises ValueError if the model has more layers already.
    """
    old = model.config.num_hidden_layers
    if layers < old:
        raise ValueError(f"A writer of {old} layers cannot shrink to {layers}.")
    if layers == old:
        return model
    sizes: dict[str, Any] = {**model.config.to_dict(), "num_hidden_layers": layers}
    larger = EssayLSTM(EssayConfig(**sizes))
    larger.load_state_dict(_raised(model.state_dict(), old, layers), strict=False)
    for layer in larger.recurrences()[old:]:
        _silence(layer)
    return larger


def _raised(weights: dict[str, torch.Tensor], old: int, new: int) -> dict[str, torch.Tensor]:
    """Name weights as in the larger model: every new layer reads what the output read so far."""
    raised = dict(weights)
    for part in ("norms", "inject"):
        for name, tensor in weights.items():
            head = f"{part}.{old}."
            if name.startswith(head):
                for number in range(old + 1, new + 1):
                    raised[f"{part}.{number}.{name.removeprefix(head)}"] = tensor
    return raised


def _silence(layer: Recurrence) -> None:
    """Make the cell candidates of a layer zero."""
    candidates = slice(2 * layer.hidden, 3 * layer.hidden)
    for weights in (layer.weight_ih, layer.weight_hh, layer.bias):
        weights[candidates] = 0.0
