"""The discriminator: eight or nine opinions about a phrase, each from its own stream.

One private stream per track sees that track alone; the onset stream sees how many notes start
where in every track, the chroma stream which pitch classes sound where; the shared stream sees
what all of them found, so it can tell whether the tracks fit each other. The ninth, of newer
versions, sees what a musician would count (``models.music.statistics``).
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

from models.music.codec import TOKEN_STEPS, TOKENS, patches
from models.music.gan import GanConfig, Stream
from models.music.pianoroll import LENGTH, REGISTERS, TRACKS
from models.music.statistics import SIZE, statistics

HEADS = (*TRACKS, "onset", "chroma", "shared")


def chroma(roll: Tensor) -> Tensor:
    """Fold the pitched tracks of [batch, 64, 144] to pitch classes: [batch, 64, 4, 12].

    Octaves of a class add up and saturate at one, so a doubled note is one note.
    """
    folded = []
    for register in REGISTERS[1:]:
        part = roll[:, :, register.columns].reshape(len(roll), LENGTH, register.size // 12, 12)
        folded.append(part.sum(2).clamp(max=1.0).roll(register.low % 12, -1))
    return torch.stack(folded, 2)


class Head(nn.Module):
    """Tokens -> one logit, plus its projection on the condition."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.pool = nn.Linear(TOKENS * width, width)
        self.logit = nn.Linear(width, 1)
        self.project = nn.Linear(condition, width, bias=False)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map [batch, 8, width] to [batch]."""
        pooled = nn.functional.leaky_relu(self.pool(x.flatten(1)), 0.2)
        matched = (pooled * self.project(condition)).sum(-1) / pooled.shape[-1] ** 0.5
        judged: Tensor = self.logit(pooled).squeeze(-1) + matched
        return judged


class Counts(nn.Module):
    """Figures of a phrase -> one logit, plus its projection on the condition."""

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.enter, self.pool = nn.Linear(SIZE, width), nn.Linear(width, width)
        self.logit = nn.Linear(width, 1)
        self.project = nn.Linear(condition, width, bias=False)

    def forward(self, figures: Tensor, condition: Tensor) -> Tensor:
        """Map [batch, SIZE] to [batch]."""
        x = nn.functional.leaky_relu(self.enter(figures), 0.2)
        pooled = nn.functional.leaky_relu(self.pool(x), 0.2)
        matched = (pooled * self.project(condition)).sum(-1) / pooled.shape[-1] ** 0.5
        judged: Tensor = self.logit(pooled).squeeze(-1) + matched
        return judged


class Discriminator(nn.Module):
    """Codes, rolls and conditions -> a logit per head, higher for music that seems real."""

    def __init__(
        self, config: GanConfig, *, width: int = 160, private: int = 64, spectral: bool = True,
        counts: bool = False,
    ) -> None:  # fmt: skip
        super().__init__()
        self.config = config
        self.sizes = {
            "width": width, "private": private, "spectral": spectral, "counts": counts
        }  # fmt: skip
        condition, embedded, side = config.condition_size, 96, 48
        self.embed = nn.Sequential(nn.Linear(condition, embedded), nn.SiLU())
        self.private = nn.ModuleList()
        for register, code in zip(REGISTERS, config.codec.codes, strict=True):
            into = TOKEN_STEPS * register.size + code
            self.private.append(Stream(into, private, 2, embedded))
        self.onset = Stream(TOKEN_STEPS * len(TRACKS), side, 1, embedded)
        self.chroma = Stream(TOKEN_STEPS * 12 * (len(TRACKS) - 1), side, 1, embedded)
        self.shared = Stream(len(TRACKS) * private + 2 * side, width, 2, embedded)
        widths = [private] * len(TRACKS) + [side, side, width]
        self.heads = nn.ModuleList(Head(size, embedded) for size in widths)
        if spectral:  # of the pooling layers, where an unbounded discriminator shows first
            for head in self.heads:
                spectral_norm(cast(Head, head).pool)
        self.counts = Counts(width, embedded) if counts else None

    def forward(self, codes: Tensor, roll: Tensor, onset: Tensor, condition: Tensor) -> Tensor:
        """Judge codes [batch, 8, size] and rolls [batch, 64, 144]: [batch, heads]."""
        film = self.embed(condition)
        parts = torch.split(codes, list(self.config.codec.codes), -1)
        seen = []
        for register, part, stream in zip(REGISTERS, parts, self.private, strict=True):
            starts = patches(onset, register.first, register.size)
            seen.append(stream(torch.cat([part, starts], -1), film))
        counts = torch.stack([onset[:, :, r.columns].sum(-1) for r in REGISTERS], -1)
        seen.append(self.onset(counts.reshape(len(codes), TOKENS, -1), film))
        seen.append(self.chroma(chroma(roll).reshape(len(codes), TOKENS, -1), film))
        seen.append(self.shared(torch.cat(seen, -1), film))
        judged = [head(x, film) for head, x in zip(self.heads, seen, strict=True)]
        if self.counts is not None:
            judged.append(self.counts(statistics(roll, onset), film))
        return torch.stack(judged, -1)
