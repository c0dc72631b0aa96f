"""The music family's part of the training loop: the codec first, then the GAN in its codes."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator
from torch import Tensor, nn

from models.music.discriminator import Discriminator
from models.music.gan import Generator
from models.music.habits import Calibration
from models.music.pianoroll import Cells, Phrase
from models.music.statistics import statistics
from training.music import metrics
from training.music.adversary import (
    Augmentation,
    Music,
    codec_loss,
    gradient_penalty,
    head_weights,
    pairing_loss,
)
from training.music.batches import Batch, Mixing, draw, whole
from training.music.corpus import Corpus, DrumTakes
from training.music.moments import Moments
from training.music.sheet import draw_sheet

CODEC_SCORE = 100.0  # a codec alone makes no music, so its score is worse than any GAN's


@dataclass(frozen=True)
class Recipe:
    """How the music models are trained."""

    mixing: Mixing = field(default_factory=Mixing)
    codec_share: float = 0.25  # part of the run that goes to the codec
    codec_rate: float = 2e-3
    rate: float = 5e-4  # generator
    judge_rate: float = 8e-4  # discriminator
    warm_up: int = 100  # steps
    decay_from: float = 0.6  # part of the GAN's run after which rates fall
    penalty: float = 0.05
    penalty_rolls: float = 1.0  # weight of rolls beside codes
    penalty_every: int = 8  # steps
    shared_head: float = 2.0
    counts_head: float = 1.0  # where the discriminator has one
    moments: float = 0.0  # weight of the gap in mean and spread of counted figures
    turn: float = 0.3
    drop: float = 0.15
    average: float = 0.998  # of the generator's weights
    held_out: int = 512  # phrases per evaluation


class MusicTask:
    """Train a generator on a corpus; see ``training.loop.Task``."""

    unit = "phrases"

    def __init__(
        self,
        corpus: Corpus,
        takes: DrumTakes,
        generator: Generator,
        discriminator: Discriminator,
        recipe: Recipe,
        *,
        seed: int,
        trained_codec: bool = False,
    ) -> None:
        held = corpus.held_out
        self.training, self.held_out = corpus.part(~held), corpus.part(held)
        self.takes, self.recipe, self.seed = takes, recipe, seed
        self.accelerator = Accelerator(cpu=not torch.cuda.is_available())
        self.device = self.accelerator.device
        generator.config = replace(generator.config, calibration=Calibration())  # anew at the end
        self.generator = generator.to(self.device).train()
        self.average = copy.deepcopy(generator).requires_grad_(False).eval()
        self.discriminator = discriminator.to(self.device).train()
        counts = None if discriminator.counts is None else recipe.counts_head
        self.weights = head_weights(recipe.shared_head, counts).to(self.device)
        self.moments = Moments(self.device)
        self.steps_done = 0
        self.phase_began = 0  # step at which the codec's or the GAN's part began
        self.gan_from: float | None = 0.0 if trained_codec else None  # fraction done at its start
        self.fraction_done = 0.0  # set by the loop before each step
        codec = self.generator.codec
        self.players = [p for n, p in generator.named_parameters() if not n.startswith("codec.")]
        betas = (0.0, 0.99)  # no momentum: the opponent moves
        self.optimisers: dict[str, torch.optim.Optimizer] = {
            "codec": torch.optim.AdamW(codec.parameters(), betas=(0.9, 0.98), weight_decay=1e-3),
            "generator": torch.optim.Adam(self.players, betas=betas),
            "discriminator": torch.optim.Adam(discriminator.parameters(), betas=betas),
        }
        if trained_codec:
            codec.requires_grad_(False)

    def step(self) -> tuple[dict[str, float], int]:
        """Train one step: of the codec until its share is used up, of the GAN from then on."""
        random = np.random.default_rng([self.seed, self.steps_done, self._rank])
        noise = torch.Generator().manual_seed(int(random.integers(2**62)))
        mixing = self.recipe.mixing
        config = self.generator.config
        batch = draw(self.training, self.takes, config, mixing, random).to(self.device)
        if self.gan_from is None and self.fraction_done >= self.recipe.codec_share:
            self._freeze_codec()
        if self.gan_from is None:
            figures = self._codec_step(batch, noise)
        else:
            figures = self._gan_step(batch, noise)
        self.steps_done += 1
        return figures, mixing.size * self.accelerator.num_processes

    def _codec_step(self, batch: Batch, noise: torch.Generator) -> dict[str, float]:
        codec, share = self.generator.codec, self.recipe.codec_share
        codes = codec.encode(batch.roll, batch.onset)
        codes = codes + codec.config.noise * self._noise(codes.shape, noise)
        loss = codec_loss(*codec.decode(codes), batch.roll, batch.onset)
        left = 1 - self.fraction_done / share
        self._update("codec", loss, self.recipe.codec_rate * self._warm * max(left, 0.02) ** 0.5)
        return {"loss": loss.item()}

    def _freeze_codec(self) -> None:
        self.generator.codec.requires_grad_(False)
        self.average.load_state_dict(self.generator.state_dict())
        self.gan_from, self.phase_began = self.fraction_done, self.steps_done

    def _gan_step(self, batch: Batch, noise: torch.Generator) -> dict[str, float]:
        recipe, count = self.recipe, len(batch.roll)
        falling = (1 - self._progress) / (1 - recipe.decay_from)
        pace = self._warm * min(1.0, max(falling, 0.05))
        with torch.no_grad():
            real = Music(
                self.generator.codec.encode(batch.roll, batch.onset), batch.roll, batch.onset
            )
        latent = self._noise((count, self.generator.config.latent_size), noise)
        made = self._make(self.generator, latent, batch, real.codes)
        gap, pull = self._gap(made, real)
        change = Augmentation.draw(count, recipe.turn, recipe.drop, noise).to(self.device)
        real, shown = (change.apply(music, self.generator) for music in (real, made))

        loss, for_real, figures = self._judge(real, shown, batch.condition)
        self._update("discriminator", loss, recipe.judge_rate * pace)

        self.discriminator.requires_grad_(False)
        judged = self.discriminator(*shown.planes, batch.condition)
        loss = pairing_loss(judged, for_real, self.weights)
        self._update("generator", loss + recipe.moments * pull, recipe.rate * pace)
        self.discriminator.requires_grad_(True)
        self._follow()
        return {**figures, "loss": loss.item(), "moments": gap.item()}

    def _gap(self, made: Music, real: Music) -> tuple[Tensor, Tensor]:
        """Give how far the made phrases' counted figures are from the real ones', and a loss."""
        if not self.recipe.moments:
            nothing = made.codes.new_zeros(())
            return nothing, nothing
        counted = (statistics(music.roll, music.onset) for music in (made, real))
        return self.moments.gap(*counted)

    def _judge(
        self, real: Music, made: Music, condition: Tensor
    ) -> tuple[Tensor, Tensor, dict[str, float]]:
        penalised = self.steps_done % self.recipe.penalty_every == 0
        pair = [music.detached(grad=penalised) for music in (real, made)]
        shown = Music(
            *(torch.cat(planes) for planes in zip(*(m.planes for m in pair), strict=True))
        )
        judged = self.discriminator(*shown.planes, torch.cat([condition, condition]))
        for_real, for_made = judged.chunk(2)
        loss = pairing_loss(for_real, for_made, self.weights)
        figures = {"discriminator": loss.item()}
        if penalised:
            # Both halves at once: the mean over twice the batch, so twice the penalty.
            penalty = 2 * gradient_penalty(judged, shown, self.weights, self.recipe.penalty_rolls)
            loss = loss + self.recipe.penalty / 2 * self.recipe.penalty_every * penalty
            figures["penalty"] = penalty.item()
        return loss, for_real.detach(), figures

    def _make(self, generator: Generator, z: Tensor, batch: Batch, real: Tensor | None) -> Music:
        codes = generator.codes(z, batch.condition, real, batch.given)
        return Music(codes, *generator.rolls(codes, batch.active))

    def _update(self, name: str, loss: Tensor, rate: float) -> None:
        optimiser = self.optimisers[name]
        optimiser.zero_grad(set_to_none=True)
        self.accelerator.backward(loss)
        parameters = [p for group in optimiser.param_groups for p in group["params"]]
        if self.accelerator.num_processes > 1:  # what DDP does; DDP wants one forward a model
            for parameter in parameters:
                parameter.grad = self.accelerator.reduce(parameter.grad, "mean")
        nn.utils.clip_grad_norm_(parameters, 50.0)
        for group in optimiser.param_groups:
            group["lr"] = rate
        optimiser.step()

    def _follow(self) -> None:
        """Move the averaged generator; faster at first, so that it forgets the random start."""
        steps = self.steps_done - self.phase_began
        keep = min(self.recipe.average, (1 + steps) / (10 + steps))
        with torch.no_grad():
            pairs = zip(self.average.parameters(), self.generator.parameters(), strict=True)
            for slow, fast in pairs:
                if fast.requires_grad:
                    slow.lerp_(fast, 1 - keep)

    @torch.no_grad()
    def evaluate(self) -> dict[str, float]:
        """Compare made with held-out phrases per track; of the codec, count wrong cells."""
        random = np.random.default_rng(self.seed)
        rows = random.permutation(len(self.held_out))[: self.recipe.held_out]
        batch = whole(self.held_out, self.generator.config, rows).to(self.device)
        model = self.generator if self.gan_from is None else self.average
        if self.gan_from is None:
            codes = model.codec.encode(batch.roll, batch.onset)
            roll, _ = model.rolls(codes, batch.active)
            wrong = (roll - batch.roll).abs().sum() / batch.roll.sum()
            loss = codec_loss(*model.codec.decode(codes), batch.roll, batch.onset)
            return {"score": CODEC_SCORE + loss.item(), "codec_wrong": wrong.item()}
        made = self._make(model, self._evaluation_latents(len(rows)), batch, None)
        figures = metrics.track_figures(*_planes(made.roll, made.onset))
        real = metrics.track_figures(*_planes(batch.roll, batch.onset))
        flat = {f"{t}/{name}": v for t, values in figures.items() for name, v in values.items()}
        return {"score": metrics.distance(figures, real), **flat}

    @torch.no_grad()
    def sample(self, directory: Path, step: int) -> None:
        """Draw a sheet of made phrases (left) beside held-out ones of the same conditions."""
        rows = np.random.default_rng(self.seed).permutation(len(self.held_out))[:6]
        batch = whole(self.held_out, self.generator.config, rows).to(self.device)
        model = self.generator if self.gan_from is None else self.average
        real = Music(model.codec.encode(batch.roll, batch.onset), batch.roll, batch.onset)
        made = (
            Music(real.codes, *model.rolls(real.codes, batch.active))
            if self.gan_from is None
            else self._make(model, self._evaluation_latents(len(rows)), batch, real.codes)
        )
        directory.mkdir(parents=True, exist_ok=True)
        columns = [_phrases(made), _phrases(real)]
        pairs = [phrase for pair in zip(*columns, strict=True) for phrase in pair]
        draw_sheet(pairs, directory / f"sheet-{step:06d}.png", columns=2)

    def tensors(self) -> dict[str, Tensor]:
        """Give weights, averages and optimiser moments by name."""
        kept = {f"{n}.{k}": v for n, m in self._modules() for k, v in m.state_dict().items()}
        for name, optimiser in self.optimisers.items():
            for number, moments in optimiser.state_dict()["state"].items():
                for moment, value in moments.items():
                    kept[f"optimiser.{name}.{number}.{moment}"] = value
        kept |= {f"moments.{name}": value for name, value in self.moments.tensors().items()}
        return {name: value.detach().cpu().contiguous() for name, value in kept.items()}

    def facts(self) -> dict[str, Any]:
        """Give the counters; the random streams follow from them."""
        return {
            "steps_done": self.steps_done,
            "phase_began": self.phase_began,
            "gan_from": self.gan_from,
            "seed": self.seed,
        }

    def restore(self, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> None:
        """Go on from ``tensors`` and ``facts``."""
        for name, module in self._modules():
            module.load_state_dict(dict(_below(tensors, f"{name}.")))
        for name, optimiser in self.optimisers.items():
            moments: dict[int, dict[str, Tensor]] = {}
            for key, value in _below(tensors, f"optimiser.{name}."):
                number, moment = key.split(".")
                moments.setdefault(int(number), {})[moment] = value.clone()
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": moments, "param_groups": groups})
        self.moments.restore(dict(_below(tensors, "moments.")))
        self.steps_done, self.phase_began = facts["steps_done"], facts["phase_began"]
        self.gan_from = facts["gan_from"]
        self.seed = facts["seed"]
        self.generator.codec.requires_grad_(self.gan_from is None)

    def _modules(self) -> Iterable[tuple[str, nn.Module]]:
        yield from (
            ("generator", self.generator),
            ("average", self.average),
            ("discriminator", self.discriminator),
        )

    def _noise(self, shape: Iterable[int], noise: torch.Generator) -> Tensor:
        return torch.randn(tuple(shape), generator=noise).to(self.device)

    def _evaluation_latents(self, count: int) -> Tensor:
        return self.average.latent(self.seed, count).to(self.device)

    @property
    def _rank(self) -> int:
        return int(self.accelerator.process_index)

    @property
    def _warm(self) -> float:
        return min(1.0, (self.steps_done - self.phase_began + 1) / self.recipe.warm_up)

    @property
    def _progress(self) -> float:
        begun = self.gan_from or 0.0
        return (self.fraction_done - begun) / max(1 - begun, 1e-9)


def _planes(roll: Tensor, onset: Tensor) -> tuple[Cells, Cells]:
    planes = tuple(plane.bool().cpu().numpy() for plane in (roll, onset))
    return planes[0], planes[1]


def _phrases(music: Music) -> list[Phrase]:
    planes = zip(*_planes(music.roll, music.onset), strict=True)
    return [Phrase(roll.copy(), onset.copy()) for roll, onset in planes]


def _below(tensors: Mapping[str, Tensor], prefix: str) -> Iterator[tuple[str, Tensor]]:
    return ((k.removeprefix(prefix), v) for k, v in tensors.items() if k.startswith(prefix))
