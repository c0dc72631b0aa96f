"""The recurrent parts of the writer: a layer that can be reset in mid-sequence, and its dropout.

Shapes: T steps, B rows, F features, H hidden.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

State = tuple[Tensor, Tensor]


class LockedDropout(nn.Module):
    """Dropout whose mask is one for all steps of a sequence (time first)."""

    def __init__(self, p: float) -> None:
        super().__init__()
        self.p = p

    def forward(self, x: Tensor) -> Tensor:
        """Drop the same features of ``x`` (T, B, F) at every step."""
        if not self.training or self.p == 0:
            return x
        mask = x.new_empty(1, *x.shape[1:]).bernoulli_(1 - self.p).div_(1 - self.p)
        return x * mask


class Recurrence(nn.Module):
    """One LSTM layer (gates i, f, g, o) with weight-drop and exact resets inside a sequence."""

    def __init__(self, inputs: int, hidden: int, weight_drop: float) -> None:
        super().__init__()
        self.hidden = hidden
        self.weight_drop = weight_drop
        self.weight_ih = nn.Parameter(torch.empty(4 * hidden, inputs))
        self.weight_hh = nn.Parameter(torch.empty(4 * hidden, hidden))
        self.bias = nn.Parameter(torch.zeros(4 * hidden))
        # Closes input, forget and output gates: what follows starts from an empty memory.
        self.register_buffer("closing", torch.empty(4 * hidden, 1), persistent=False)
        self.close()

    def close(self) -> None:
        """Fill the constant that closes the gates (also after loading, which skips it)."""
        closing = cast(Tensor, self.closing)
        closing.fill_(-60.0)
        closing[2 * self.hidden : 3 * self.hidden] = 0.0

    def forward(self, x: Tensor, state: State, reset: Tensor | None = None) -> tuple[Tensor, State]:
        """Run over ``x`` (T, B, F); after a step marked in ``reset`` (T, B) the memory is empty."""
        weight_ih: Tensor = self.weight_ih
        weight_hh: Tensor = self.weight_hh
        if self.training and self.weight_drop > 0:
            weight_hh = F.dropout(weight_hh, self.weight_drop)
        if reset is not None:
            x = torch.cat([x, reset.unsqueeze(-1).to(x.dtype)], dim=-1)
            weight_ih = torch.cat([weight_ih, cast(Tensor, self.closing).to(x.dtype)], dim=1)
        weights = [weight_ih, weight_hh, self.bias, torch.zeros_like(self.bias)]
        h, c = state
        out, h, c = torch.lstm(
            x, [h.unsqueeze(0), c.unsqueeze(0)], weights, True, 1, 0.0, self.training, False, False
        )
        return out, (h.squeeze(0), c.squeeze(0))
