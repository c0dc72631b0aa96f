"""The optimisers of the essay writer: AdamW, or Muon for the matrices with AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import nn

from models.essay.lstm import EssayLSTM

#: Tables that are looked up or that score words: not matrices in Muon's sense.
TABLES = ("embed", "cluster", "style_in", "mark_in", "role_in", "remaining_in")
BETAS = (0.9, 0.99)


def is_hidden_matrix(name: str, parameter: nn.Parameter) -> bool:
    """Tell whether a parameter maps vectors inside the model."""
    return parameter.ndim == 2 and not name.startswith(TABLES)


def parameter_groups(
    model: EssayLSTM, optimiser: str, weight_decay: float, layer_factor: float
) -> list[dict[str, Any]]:
    """Group parameters by depth (embedding 0, layers 1.., output last) and by weight decay."""
    last = model.config.num_hidden_layers + 1

    def depth(name: str) -> int:
        head, _, rest = name.partition(".")
        if head in ("layers", "norms", "inject"):
            return int(rest.split(".")[0]) + 1
        return last if head in ("project", "output_bias", "cluster") else 0

    groups: dict[tuple[bool, int, bool], list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        plain = optimiser == "adamw" or not is_hidden_matrix(name, parameter)
        groups.setdefault((plain, depth(name), parameter.ndim > 1), []).append(parameter)
    return [
        {
            "params": parameters,
            "weight_decay": weight_decay if matrix else 0.0,
            "share": layer_factor ** (last - deep),
            "depth": deep,
            "muon": not plain,
        }
        for (plain, deep, matrix), parameters in sorted(groups.items(), key=lambda g: g[0])
    ]


def make_optimiser(groups: list[dict[str, Any]], rate: float) -> torch.optim.Optimizer:
    """Make AdamW, or both where groups say ``muon``; groups with Muon must stand first."""
    matrices = [g for g in groups if g.pop("muon", False)]
    others = groups[len(matrices) :]
    adam = torch.optim.AdamW(others, lr=rate, betas=BETAS, fused=True)
    if not matrices:
        return adam
    # Steps as large as AdamW's would be, so that both live with one rate.
    muon = torch.optim.Muon(matrices, lr=rate, adjust_lr_fn="match_rms_adamw")
    return Pair(muon, adam)


class Pair(torch.optim.Optimizer):
    """Two optimisers seen as one: their groups in a row, and one state."""

    def __init__(self, first: torch.optim.Optimizer, second: torch.optim.Optimizer) -> None:
        self._parts = (first, second)
        self._first_groups = len(first.param_groups)
        super().__init__([*first.param_groups, *second.param_groups], {})
        self._share()

    def _share(self) -> None:
        """Let both parts work on this optimiser's groups and state."""
        first, second = self._parts
        first.param_groups = self.param_groups[: self._first_groups]
        second.param_groups = self.param_groups[self._first_groups :]
        first.state = second.state = self.state

    def load_state_dict(self, state_dict: Mapping[str, Any]) -> None:
        """Take a state up."""
        super().load_state_dict(dict(state_dict))
        self._share()

    def step(self, closure: Callable[[], float] | None = None) -> None:  # type: ignore[override]
        """Let both learn from the present gradients."""
        assert closure is None, "nothing here computes a loss twice"
        for part in self._parts:
            part.step()
