"""The codec: each track's half bars as short codes, and back to notes.

The codec is trained first, on phrases alone; then it is frozen and the GAN works in its codes. So
a note's shape (where it starts, how long it sounds, which notes sound together) is the decoder's
business and the music is the GAN's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from models.music.pianoroll import CELLS, LENGTH, REGISTERS

TOKENS = 8  # half bars in a phrase
TOKEN_STEPS = LENGTH // TOKENS


@dataclass(frozen=True)
class CodecConfig:
    """Sizes of the codec: numbers in a code per track and half bar, layer width, noise on codes."""

    codes: tuple[int, ...] = (24, 16, 24, 20, 20)
    width: int = 112
    blocks: int = 2
    noise: float = 0.25

    @property
    def size(self) -> int:
        """Count the numbers in all tracks' codes of one half bar."""
        return sum(self.codes)


def normalise(codes: Tensor) -> Tensor:
    """Scale the last axis to a root mean square of one."""
    return codes * torch.rsqrt(codes.square().mean(-1, keepdim=True) + 1e-6)


class Mixer(nn.Module):
    """A residual block over [batch, tokens, width]: mix along tokens, then along the width."""

    def __init__(self, tokens: int, width: int, gain: float = 0.3) -> None:
        super().__init__()
        self.before_tokens = nn.LayerNorm(width)
        self.tokens_in = nn.Linear(tokens, 2 * tokens)
        self.tokens_out = nn.Linear(2 * tokens, tokens)
        self.before_width = nn.LayerNorm(width)
        self.width_in = nn.Linear(width, 2 * width)
        self.width_out = nn.Linear(2 * width, width)
        with torch.no_grad():
            for last in (self.tokens_out, self.width_out):
                last.weight.mul_(gain)  # near the identity at first, so that depth is harmless

    def forward(self, x: Tensor) -> Tensor:
        """Mix x [batch, tokens, width]."""
        along = self.before_tokens(x).transpose(1, 2)
        along = self.tokens_out(nn.functional.gelu(self.tokens_in(along)))
        x = x + along.transpose(1, 2)
        wide = nn.functional.gelu(self.width_in(self.before_width(x)))
        return x + cast(Tensor, self.width_out(wide))


def patches(cells: Tensor, first: int, size: int) -> Tensor:
    """Cut one track's columns of [batch, 64, cells] into [batch, 8, 8 * size]."""
    part = cells[:, :, first : first + size]
    return part.reshape(len(part), TOKENS, TOKEN_STEPS * size)


class Codec(nn.Module):
    """Per track an encoder notes -> codes and a decoder codes -> logits of onset and sustain."""

    def __init__(self, config: CodecConfig) -> None:
        super().__init__()
        self.config = config
        self.encoders, self.decoders = nn.ModuleList(), nn.ModuleList()
        for register, code in zip(REGISTERS, config.codes, strict=True):
            planes = 1 if register.track == "drums" else 2
            flat = planes * TOKEN_STEPS * register.size
            self.encoders.append(_stack(flat, code, config))
            decoder = _stack(code, flat, config)
            nn.init.constant_(cast(nn.Linear, decoder[-1]).bias, -3.0)  # most cells are empty
            self.decoders.append(decoder)

    def encode(self, roll: Tensor, onset: Tensor) -> Tensor:
        """Encode rolls [batch, 64, 144] as codes [batch, 8, size], a unit of power per track."""
        codes = []
        for register, encoder in zip(REGISTERS, self.encoders, strict=True):
            x = patches(onset, register.first, register.size)
            if register.track != "drums":
                x = torch.cat([x, patches(roll, register.first, register.size)], -1)
            codes.append(normalise(encoder(x)))
        return torch.cat(codes, -1)

    def silence(self) -> Tensor:
        """Encode a phrase without notes: [1, 8, size]."""
        weight = next(self.parameters())
        nothing = weight.new_zeros(1, LENGTH, CELLS)
        return self.encode(nothing, nothing)

    def decode(self, codes: Tensor) -> tuple[Tensor, Tensor]:
        """Decode codes into logits (onset, sustain), each [batch, 64, 144]."""
        onsets, sustains = [], []
        parts = self.track_codes(codes)
        for register, part, decoder in zip(REGISTERS, parts, self.decoders, strict=True):
            logits = decoder(part).reshape(len(codes), TOKENS, -1, TOKEN_STEPS, register.size)
            logits = logits.transpose(1, 2).reshape(len(codes), -1, LENGTH, register.size)
            onsets.append(logits[:, 0])
            silent = torch.full_like(logits[:, 0], -20.0)
            sustains.append(logits[:, 1] if logits.shape[1] == 2 else silent)
        return torch.cat(onsets, -1), torch.cat(sustains, -1)

    def track_codes(self, codes: Tensor) -> tuple[Tensor, ...]:
        """Split codes [..., size] by track."""
        return torch.split(codes, list(self.config.codes), -1)


def _stack(into: int, out: int, config: CodecConfig) -> nn.Sequential:
    blocks = [Mixer(TOKENS, config.width) for _ in range(config.blocks)]
    last = nn.LayerNorm(config.width)
    return nn.Sequential(nn.Linear(into, config.width), *blocks, last, nn.Linear(config.width, out))


def binarise(onset: Tensor, sustain: Tensor) -> tuple[Tensor, Tensor]:
    """Turn logits into binary (roll, onset) that pass gradients straight through to the logits.

    A cell sounds when its onset is on, or when its sustain is on and the step before sounds.
    """
    starts, goes_on = torch.sigmoid(onset), torch.sigmoid(sustain)
    with torch.no_grad():
        hard, held = (onset > 0).to(onset.dtype), (sustain > 0).to(onset.dtype)
        rolls = [hard[:, 0]]
        for step in range(1, LENGTH):
            rolls.append(torch.maximum(hard[:, step], held[:, step] * rolls[-1]))
        roll = torch.stack(rolls, 1)
        before = nn.functional.pad(roll, (0, 0, 1, 0))[:, :-1]  # what sounded a step earlier
    soft = starts + goes_on * before
    return roll + (soft - soft.detach()), hard + (starts - starts.detach())


def spread(per_track: Tensor) -> Tensor:
    """Repeat a value per track [batch, 5] over its cells: [batch, 1, 144]."""
    sizes = torch.tensor([register.size for register in REGISTERS], device=per_track.device)
    return per_track.repeat_interleave(sizes, 1, output_size=CELLS).unsqueeze(1)
