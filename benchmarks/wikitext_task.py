"""Words in rows for the shared loop: truncated back-propagation, AdamW, cosine, averages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.wikitext_writer import WordWriter
from training.essays.optimisers import make_optimiser


@dataclass(frozen=True)
class Recipe:
    """How words are learned."""

    seed: int = 1
    rows: int = 24
    length: int = 70  # words of one truncated back-propagation, drawn anew around this
    rate: float = 3e-3
    warmup: int = 200  # steps
    weight_decay: float = 0.02
    clip: float = 1.0
    average: float = 0.99  # kept of the average, every few steps
    average_every: int = 5
    precision: str = "bf16"  # of products, where the processor has them: bf16 | no
    check_rows: int = 16  # the valid split is read in, while learning


class WordTask:
    """A writer of words, its training split in rows, and the split that decides."""

    unit = "words"

    def __init__(
        self, model: WordWriter, train: Tensor, valid: Tensor, end: int, recipe: Recipe
    ) -> None:
        self.device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
        cast(nn.Module, model).to(self.device)
        self.model, self.recipe = model, recipe
        self.fraction_done = 0.0
        self._train, self._end = train.to(self.device), end
        self._valid = _rows(valid.to(self.device), recipe.check_rows)
        matrices = [p for p in model.parameters() if p.ndim > 1]
        others = [p for p in model.parameters() if p.ndim == 1]
        groups = [
            {"params": matrices, "weight_decay": recipe.weight_decay},
            {"params": others, "weight_decay": 0.0},
        ]
        self._optimiser = make_optimiser(groups, recipe.rate)
        self._named = dict(model.named_parameters())
        self._average = {k: v.detach().clone() for k, v in self._named.items()}
        self._step, self._epoch, self._at = 0, 0, 0
        self._order = self._arranged()
        self._state = model.initial_state(recipe.rows)

    # ---- one step --------------------------------------------------------------------------

    def step(self) -> tuple[dict[str, float], int]:
        """Read one window of every row, learn from it, carry the memory on."""
        rate = self._rate()
        for group in self._optimiser.param_groups:
            group["lr"] = rate
        self.model.train()
        inputs, targets = self._window()
        with torch.autocast(self.device.type, torch.bfloat16, enabled=self._halved()):
            y, (h, c) = self.model.read(inputs, self._state)
            loss = self.model.nll(y.flatten(0, 1), targets.flatten()).mean()
        self._optimiser.zero_grad()
        torch.autograd.backward(loss)
        norm = nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        self._optimiser.step()
        self._state = (h.detach().float(), c.detach().float())
        self._step += 1
        if self._step % self.recipe.average_every == 0:
            self._move_average()
        return {"loss": loss.item(), "norm": float(norm), "rate": rate}, inputs.numel()

    def _halved(self) -> bool:
        able = self.device.type == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
        return self.recipe.precision == "bf16" and able

    def _rate(self) -> float:
        """Rise over the first steps, fall as a cosine to nothing at the end of the time."""
        rise = min(1.0, (self._step + 1) / self.recipe.warmup)
        return self.recipe.rate * rise * (1 + math.cos(math.pi * self.fraction_done)) / 2

    def _window(self) -> tuple[Tensor, Tensor]:
        """Cut the next words (T, B) and what follows each."""
        draw = np.random.default_rng((self.recipe.seed, 7, self._step))
        base = self.recipe.length if draw.random() < 0.95 else self.recipe.length / 2
        length = max(5, round(float(draw.normal(base, 5))))
        if self._at + 2 > len(self._order):
            self._epoch, self._at = self._epoch + 1, 0
            self._order = self._arranged()
            self._state = self.model.initial_state(self.recipe.rows)
        begin, stop = self._at, min(self._at + length, len(self._order) - 1)
        self._at = stop
        return self._order[begin:stop], self._order[begin + 1 : stop + 1]

    def _arranged(self) -> Tensor:
        """Lay the split out in rows (words, rows), cut elsewhere in every epoch."""
        draw = np.random.default_rng((self.recipe.seed, 11, self._epoch))
        shift = int(draw.integers(len(self._train))) if self._epoch else 0
        return _rows(self._train.roll(-shift), self.recipe.rows)

    # ---- averages --------------------------------------------------------------------------

    @torch.no_grad()
    def _move_average(self) -> None:
        count = self._step // self.recipe.average_every
        decay = min(self.recipe.average, (1 + count) / (10 + count))
        torch._foreach_lerp_(list(self._average.values()), list(self._named.values()), 1 - decay)

    @torch.no_grad()
    def settle(self) -> None:
        """Make the averaged weights the model's own."""
        for name, parameter in self._named.items():
            parameter.copy_(self._average[name])

    # ---- looking ---------------------------------------------------------------------------

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Read the deciding split with the averaged weights, in rows; perplexity is the score."""
        kept = {k: v.detach().clone() for k, v in self._named.items()}
        self.settle()
        self.model.train(False)
        state, nats = self.model.initial_state(self._valid.shape[1]), 0.0
        for begin in range(0, len(self._valid) - 1, self.recipe.length):
            part = self._valid[begin : begin + self.recipe.length + 1]
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self._halved()):
                y, (h, c) = self.model.read(part[:-1], state)
                nats += float(self.model.nll(y.flatten(0, 1), part[1:].flatten()).double().sum())
            state = (h.float(), c.float())
        for name, parameter in self._named.items():
            parameter.copy_(kept[name])
        return {"score": math.exp(nats / self._valid[1:].numel())}

    def sample(self, directory: Path, step: int) -> None:
        """Write nothing: a figure is all that is asked."""

    # ---- resuming --------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Give weights, averages, optimiser moments, memories and the random state."""
        result: dict[str, Tensor] = {f"model.{k}": v for k, v in self._named.items()}
        result |= {f"average.{k}": v for k, v in self._average.items()}
        for number, moments in self._optimiser.state_dict()["state"].items():
            result |= {f"adam.{number}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        result |= {f"state.{n}": s for n, s in zip("hc", self._state, strict=True)}
        result["random"] = torch.get_rng_state()
        return result

    def facts(self) -> dict[str, Any]:
        """Give the place in the data."""
        return {"step": self._step, "epoch": self._epoch, "at": self._at}

    @torch.no_grad()
    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up where a checkpoint left off."""
        for name, parameter in self._named.items():
            parameter.copy_(tensors[f"model.{name}"])
            self._average[name].copy_(tensors[f"average.{name}"])
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in tensors.items():
            if key.startswith("adam."):
                _, number, name = key.split(".", 2)
                state.setdefault(int(number), {})[name] = value
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
        h, c = (tensors[f"state.{n}"].to(self.device) for n in "hc")
        self._state = (h, c)
        torch.set_rng_state(tensors["random"].cpu())
        self._step, self._epoch, self._at = facts["step"], facts["epoch"], facts["at"]
        self._order = self._arranged()


def _rows(ids: Tensor, rows: int) -> Tensor:
    part = len(ids) // rows
    return ids[: part * rows].view(rows, part).t().contiguous()
