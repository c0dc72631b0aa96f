"""The essay task: truncated back-propagation through documents in streams, AdamW, EMA."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, cast

import numpy as np
import numpy.typing as npt
import torch
from accelerate import Accelerator
from torch import Tensor, nn
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayLSTM, State
from models.essay.prompt import Wish
from training import crowd
from training.essays.optimisers import make_optimiser, parameter_groups
from training.essays.pack import Packed
from training.essays.samples import TOPICS, plain_sample
from training.essays.scoring import conditions, likelihood


@dataclass(frozen=True)
class Recipe:
    """How one phase of training goes."""

    seed: int = 0
    streams: int = 32
    length: int = 70  # tokens of one truncated back-propagation, drawn anew around this
    rate: float = 2.5e-3
    optimiser: Literal["adamw", "muon"] = "adamw"  # muon: of matrices, the rest has AdamW
    schedule: Literal["wsd", "slanted"] = "wsd"
    warmup: int = 200  # steps (wsd)
    decay_from: float = 0.65  # fraction of the run after which the rate falls (wsd)
    rise: float = 0.1  # fraction of the run in which the rate rises (slanted)
    floor: float = 0.03  # lowest rate, as a share
    weight_decay: float = 0.01
    clip: float = 1.0
    ema: float = 0.999
    layer_factor: float = 1.0  # each layer nearer to the input learns this much slower
    unfreeze: float = 0.0  # fraction of the run after which one more layer thaws
    samples: int = 3
    sample_words: int = 250
    sample_style: str = "argument"


class EssayTask:
    """One phase: a model, packed training data and held-out sets, for ``training.loop.run``."""

    unit = "tokens"

    def __init__(
        self,
        model: EssayLSTM,
        tokenizer: PreTrainedTokenizerFast,
        train: Packed,
        held_out: Mapping[str, tuple[Packed, Sequence[int]]],
        recipe: Recipe,
        accelerator: Accelerator | None = None,
    ) -> None:
        self.recipe, self.tokenizer = recipe, tokenizer
        self.fraction_done = 0.0
        self._accelerator = accelerator or Accelerator(cpu=not torch.cuda.is_available())
        self._train, self._held_out = train, held_out
        groups = parameter_groups(model, recipe.optimiser, recipe.weight_decay, recipe.layer_factor)
        self._shares = [float(g.pop("share")) for g in groups]
        self._depths = [int(g.pop("depth")) for g in groups]
        optimiser = make_optimiser(groups, recipe.rate)
        prepared = self._accelerator.prepare(_Learner(model), optimiser)
        self._learner, self._optimiser = prepared
        self.model = model
        self._ema = {k: v.detach().clone() for k, v in model.named_parameters()}
        self._step, self._epoch, self._at = 0, -1, 0
        if recipe.streams % crowd.size():
            raise ValueError(
                f"{recipe.streams} streams cannot be shared among {crowd.size()} processes."
            )
        self._own = recipe.streams // crowd.size()  # streams of this process
        self._state: State = model.initial_state(self._own)
        self._order: tuple[npt.NDArray[Any], ...] = ()

    # ---- one step --------------------------------------------------------------------------

    def step(self) -> tuple[dict[str, float], int]:
        """Read one window of every stream, learn from it, carry the memory on."""
        self._set_rates()
        self.model.train()
        ids, index, learn = self._window()
        unique, inverse = np.unique(index[:, :-1], return_inverse=True)
        device = self._accelerator.device
        inputs = torch.from_numpy(ids[:, :-1].astype(np.int64)).to(device)
        targets = torch.from_numpy(ids[:, 1:].T.astype(np.int64)).to(device)
        keep = torch.from_numpy(learn[:, 1:].T.astype(bool)).to(device)
        where = torch.from_numpy(inverse.reshape(inputs.shape)).to(device)
        loss, state = self._learner(self._train, unique, inputs, where, targets, keep, self._state)
        share = self._share(keep.sum())
        self._accelerator.backward(loss * share)
        norm = self._accelerator.clip_grad_norm_(self._learner.parameters(), self.recipe.clip)
        self._optimiser.step()
        self._optimiser.zero_grad()
        self._state = (state[0].detach().float(), state[1].detach().float())
        self._step += 1
        self._average()
        mean = float(crowd.total(loss.detach() * share)) / crowd.size()
        scalars = {"loss": mean, "norm": float(norm), "rate": self._rate()}
        return scalars, inputs.numel() * crowd.size()

    def _share(self, targets: Tensor) -> Tensor:
        """Weigh this process's loss so that the average is the mean over everybody's targets."""
        mean = crowd.total(targets.float()) / crowd.size()
        return targets / mean.clamp(min=1)

    def _window(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any], npt.NDArray[Any]]:
        """Cut the next window (streams, length + 1) of tokens, condition rows and targets."""
        draw = np.random.default_rng((self.recipe.seed, 7, self._step))
        base = self.recipe.length if draw.random() < 0.95 else self.recipe.length / 2
        length = max(5, round(float(draw.normal(base, 5))))
        streams = self.recipe.streams
        if not self._order:
            self._arrange(max(self._epoch, 0))
        part = len(self._order[0]) // streams
        if self._at + 2 > part:
            self._arrange(self._epoch + 1)
            self._at = 0
            self._state = self.model.initial_state(self._own)
        length = min(length, part - self._at - 1)
        mine = np.arange(streams)[crowd.rank() * self._own :][: self._own]
        places = (mine * part)[:, None] + self._at + np.arange(length + 1)
        self._at += length
        tokens, rows, learn = (array[places] for array in self._order)
        return tokens, rows, learn

    def _arrange(self, epoch: int) -> None:
        """Put the documents into the order of an epoch."""
        packed = self._train
        draw = np.random.default_rng((self.recipe.seed, 11, epoch))
        order = draw.permutation(packed.documents)
        lengths = np.diff(packed.starts)[order]
        ends = np.cumsum(lengths)
        places = np.arange(ends[-1]) + np.repeat(
            packed.starts[:-1][order] - (ends - lengths), lengths
        )
        missing = self.recipe.streams * 2 - len(places)
        if missing > 0:
            places = np.concatenate([places, np.resize(places, missing)])
        self._order = (packed.tokens[places], packed.condition[places], packed.learn[places])
        self._epoch = epoch

    # ---- rates and averages ----------------------------------------------------------------

    def _rate(self) -> float:
        """Give the present share of the peak rate, times the peak."""
        recipe, done = self.recipe, self.fraction_done
        if recipe.schedule == "wsd":
            share = min(1.0, (self._step + 1) / max(recipe.warmup, 1))
            if done > recipe.decay_from:
                left = (1 - done) / max(1 - recipe.decay_from, 1e-9)
                share *= recipe.floor + (1 - recipe.floor) * (1 - math.sqrt(1 - left))
        elif done < recipe.rise:
            share = max(recipe.floor, done / recipe.rise)
        else:
            share = max(recipe.floor, (1 - done) / (1 - recipe.rise))
        return recipe.rate * share

    def _set_rates(self) -> None:
        rate, deepest = self._rate(), max(self._depths)
        for group, share, depth in zip(
            self._optimiser.param_groups, self._shares, self._depths, strict=True
        ):
            thawed = self.fraction_done >= self.recipe.unfreeze * (deepest - depth)
            group["lr"] = rate * share if thawed else 0.0

    @torch.no_grad()
    def _average(self) -> None:
        decay = min(self.recipe.ema, (1 + self._step) / (10 + self._step))
        names, values = zip(*self.model.named_parameters(), strict=True)
        torch._foreach_lerp_([self._ema[n] for n in names], list(values), 1 - decay)

    def averaged(self) -> dict[str, Tensor]:
        """Give the averaged weights by parameter name."""
        return self._ema

    # ---- looking ---------------------------------------------------------------------------

    def evaluate(self) -> dict[str, float]:
        """Score the averaged weights on the held-out sets; "score" is the first set's figure."""
        figures: dict[str, float] = {}
        with _Swapped(self.model, self._ema):
            for name, (packed, documents) in self._held_out.items():
                figures[name] = likelihood(self.model, packed, documents).bits_per_byte
        if figures:
            figures["score"] = next(iter(figures.values()))
        return figures

    def sample(self, directory: Path, step: int) -> None:
        """Write a few plain essays of the averaged weights."""
        directory.mkdir(parents=True, exist_ok=True)
        with _Swapped(self.model, self._ema):
            texts = [
                plain_sample(
                    self.model,
                    self.tokenizer,
                    Wish(topic, self.recipe.sample_words, self.recipe.sample_style, 5),
                    seed=step,
                )
                for topic in TOPICS[: self.recipe.samples]
            ]
        (directory / f"{step:07d}.txt").write_text("\n".join(texts), encoding="utf-8")

    # ---- resuming --------------------------------------------------------------------------

    def tensors(self) -> dict[str, Tensor]:
        """Give weights, averages, optimiser moments, memories and the random state."""
        result = {f"model.{k}": v for k, v in self.model.state_dict().items()}
        result |= {f"ema.{k}": v for k, v in self._ema.items()}
        for number, moments in self._optimiser.state_dict()["state"].items():
            result |= {f"adam.{number}.{k}": torch.as_tensor(v) for k, v in moments.items()}
        result |= {f"state.{n}": crowd.joined(s, 1) for n, s in zip("hc", self._state, strict=True)}
        result["random"] = torch.get_rng_state()
        return result

    def facts(self) -> dict[str, Any]:
        """Give the place in the data."""
        return {"step": self._step, "epoch": self._epoch, "at": self._at}

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Take up where a checkpoint left off."""
        device = self._accelerator.device

        def part(prefix: str) -> dict[str, Tensor]:
            return {k[len(prefix) :]: v for k, v in tensors.items() if k.startswith(prefix)}

        self.model.load_state_dict(part("model."))
        self._ema = {k: v.to(device) for k, v in part("ema.").items()}
        state: dict[int, dict[str, Tensor]] = {}
        for key, value in part("adam.").items():
            number, name = key.split(".", 1)
            state.setdefault(int(number), {})[name] = value
        self._optimiser.load_state_dict({**self._optimiser.state_dict(), "state": state})
        h, c = (crowd.own_part(tensors[f"state.{n}"], 1).to(device) for n in "hc")
        self._state = (h, c)
        torch.set_rng_state(tensors["random"].cpu())
        self._step, self._epoch, self._at = facts["step"], facts["epoch"], facts["at"]
        self._order = ()


class _Learner(nn.Module):
    """Wraps the loss in one ``forward``, so that Accelerate can wrap it in turn."""

    def __init__(self, model: EssayLSTM) -> None:
        super().__init__()
        self.model = model

    def forward(
        self,
        packed: Packed,
        rows: npt.NDArray[np.int64],
        inputs: Tensor,
        where: Tensor,
        targets: Tensor,
        keep: Tensor,
        state: State,
    ) -> tuple[Tensor, State]:
        """Give the mean loss over learned targets and the new memory."""
        felt = conditions(self.model, packed, rows)
        y, new_state = self.model.hidden(inputs, felt, where, state)
        total = self.model.nll(y[keep], targets[keep]).sum()
        return total / keep.sum().clamp(min=1), new_state


class _Swapped:
    """Puts other weights into a model for a while."""

    def __init__(self, model: nn.Module, weights: Mapping[str, Tensor]) -> None:
        self._model, self._weights = model, weights

    def __enter__(self) -> None:
        self._kept = {k: v.detach().clone() for k, v in self._model.named_parameters()}
        self._load(self._weights)

    def __exit__(self, *_: object) -> None:
        self._load(self._kept)

    @torch.no_grad()
    def _load(self, weights: Mapping[str, Tensor]) -> None:
        for name, parameter in self._model.named_parameters():
            parameter.copy_(weights[name])


def prime(model: EssayLSTM, packed: Packed) -> None:
    """Start from token frequencies: output biases, and rare words heavier in bags."""
    counts = np.bincount(packed.tokens[packed.learn == 1], minlength=model.config.vocab_size) + 0.5
    share = torch.from_numpy(counts / counts.sum()).float()
    head = model.config.head_size
    with torch.no_grad():
        model.output_bias.copy_(share.log())
        model.cluster.bias.fill_(float(share[head:].sum().log()))
        cast(Tensor, model.token_weight).copy_(1e-3 / (1e-3 + share))
