"""The game between generator and discriminator: losses, penalties and augmentations.

Relativistic pairing (a real phrase against a made one under the same conditions) with zero-centred
gradient penalties on real and made music, computed every few steps.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from models.music.codec import TOKENS, spread
from models.music.discriminator import HEADS
from models.music.gan import Generator
from models.music.pianoroll import BARS, LENGTH, STEPS, TRACKS


@dataclass(frozen=True, eq=False)
class Music:
    """What the discriminator is shown: codes [batch, 8, size], roll and onset [batch, 64, 144]."""

    codes: Tensor
    roll: Tensor
    onset: Tensor

    @property
    def planes(self) -> tuple[Tensor, Tensor, Tensor]:
        """Give the three tensors."""
        return self.codes, self.roll, self.onset

    def detached(self, grad: bool = False) -> Music:
        """Cut the graph; with ``grad`` the copies are leaves that collect gradients."""
        return Music(*(plane.detach().requires_grad_(grad) for plane in self.planes))


def head_weights(shared: float, counts: float | None = None) -> Tensor:
    """Weigh the heads: one per track, half for onsets and chroma, ``shared`` for the shared one.

    ``counts`` weighs the head that counts, where there is one.
    """
    weights = [1.0] * len(TRACKS) + [0.5, 0.5, shared]
    assert len(weights) == len(HEADS)
    weighed = torch.tensor(weights if counts is None else [*weights, counts])
    return weighed / weighed.sum()


def pairing_loss(winner: Tensor, loser: Tensor, weights: Tensor) -> Tensor:
    """Mean over pairs [batch, heads] of how far the winner fails to lie above the loser."""
    losses = nn.functional.softplus(loser - winner) * weights
    return losses.sum(-1).mean()


def gradient_penalty(judged: Tensor, shown: Music, weights: Tensor, rolls: float) -> Tensor:
    """Squared gradient of the judgement by what is shown; ``rolls`` weighs rolls against codes."""
    total = (judged * weights * judged.shape[-1]).sum()
    codes, roll, onset = torch.autograd.grad(total, shown.planes, create_graph=True)
    squares = [grad.square().sum((1, 2)).mean() for grad in (codes, roll, onset)]
    return squares[0] + rolls * (squares[1] + squares[2])


@dataclass(frozen=True, eq=False)
class Augmentation:
    """The same change for a real phrase and the made one beside it."""

    turn: Tensor  # [batch]: bars to rotate by
    drop: Tensor  # [batch, 5]: tracks to silence

    @classmethod
    def draw(cls, count: int, turn: float, drop: float, random: torch.Generator) -> Augmentation:
        """Draw changes for a batch; ``turn`` and ``drop`` are the shares of changed phrases."""
        turned = torch.rand(count, generator=random) < turn
        bars = torch.randint(BARS, (count,), generator=random) * turned
        dropped = torch.rand(count, 1, generator=random) < drop
        track = torch.randint(len(TRACKS), (count,), generator=random)
        tracks = nn.functional.one_hot(track, len(TRACKS)) * dropped
        return cls(bars, tracks.float())

    def to(self, device: torch.device) -> Augmentation:
        """Copy to a device."""
        return Augmentation(self.turn.to(device), self.drop.to(device))

    def apply(self, music: Music, generator: Generator) -> Music:
        """Rotate bars and silence tracks."""
        codes = _turn(music.codes, self.turn * (TOKENS // BARS))
        roll, onset = (_turn(x, self.turn * STEPS) for x in (music.roll, music.onset))
        keep = 1 - spread(self.drop)
        return Music(generator.hush(codes, 1 - self.drop), roll * keep, onset * keep)


def _turn(x: Tensor, by: Tensor) -> Tensor:
    """Rotate each sample of [batch, time, width] along time."""
    time = torch.arange(x.shape[1], device=x.device)
    index = (time[None] + by[:, None]) % x.shape[1]
    return torch.gather(x, 1, index.unsqueeze(-1).expand_as(x))


def codec_loss(onset: Tensor, sustain: Tensor, roll: Tensor, starts: Tensor) -> Tensor:
    """Nats per phrase of the logits (onset, sustain) for the true cells [batch, 64, 144].

    Sustain only counts where the step before sounds and nothing starts: elsewhere it is unused.
    """
    bce = nn.functional.binary_cross_entropy_with_logits
    before = nn.functional.pad(roll, (0, 0, 1, 0))[:, :LENGTH]
    asked = before * (1 - starts)
    lost = bce(onset, starts, reduction="sum") + bce(sustain, roll, weight=asked, reduction="sum")
    return lost / len(roll)
