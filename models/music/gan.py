"""The phrase GAN: a generator of codes that the frozen codec decodes, and its discriminator.

Generator: latents shared by all tracks and private ones per track, each with a part that holds
for the phrase and a part per bar; a shared stream of half-bar tokens, then a private stream per
track. Conditions enter every block by FiLM. Tracks may be given: the rest is played around them.
"""

from __future__ import annotations

import json
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from models.music.codec import TOKENS, Codec, CodecConfig, Mixer, binarise, normalise, spread
from models.music.habits import Calibration
from models.music.pianoroll import BARS, MODES, TRACKS, Phrase, stack

WEIGHTS, CONFIG = "model.safetensors", "config.json"
SECTIONS = ("intro", "verse", "hook", "outro")
ENERGIES = 4  # quarters of note density within a style, 0 sparse .. 3 dense
TEMPO_EDGES = (80.0, 100.0, 125.0)  # beats a minute; four bands


def tempo_band(bpm: float) -> int:
    """Give the band 0..3 of a tempo."""
    return sum(bpm >= edge for edge in TEMPO_EDGES)


@dataclass(frozen=True)
class GanConfig:
    """Everything a checkpoint says about itself apart from its weights."""

    styles: tuple[str, ...] = ("any",)
    codec: CodecConfig = field(default_factory=CodecConfig)
    width: int = 192
    private_width: int = 96
    blocks: int = 3
    private_blocks: int = 2
    shared_static: int = 40
    shared_bar: int = 16
    private_static: int = 12
    private_bar: int = 8
    # Per style: slowest, middle and fastest tempo of the corpus, and the masks of playing tracks
    # (bit 0 drums .. bit 4 pad) with how often each occurs.
    tempos: Mapping[str, tuple[float, float, float]] = field(default_factory=dict)
    masks: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    calibration: Calibration = field(default_factory=Calibration)

    @property
    def latent_size(self) -> int:
        """Count the numbers in one latent."""
        private = self.private_static + BARS * self.private_bar
        return self.shared_static + BARS * self.shared_bar + len(TRACKS) * private

    @property
    def condition_size(self) -> int:
        """Count the numbers in one condition vector (see ``conditions``)."""
        groups = (len(self.styles), ENERGIES, len(SECTIONS), len(TEMPO_EDGES) + 1, len(MODES))
        return sum(groups) + len(TRACKS)

    @classmethod
    def read(cls, data: Mapping[str, Any]) -> GanConfig:
        """Build from parsed JSON; ignore keys of other readers."""
        known = {k: v for k, v in data.items() if k in cls.__dataclass_fields__}
        codec = dict(known.pop("codec"))
        codec["codes"] = tuple(codec["codes"])
        known["styles"] = tuple(known["styles"])
        known["tempos"] = {k: tuple(v) for k, v in known["tempos"].items()}
        calibration = Calibration.read(known.pop("calibration", {}))
        return cls(codec=CodecConfig(**codec), calibration=calibration, **known)


def conditions(
    config: GanConfig, style: Tensor, energy: Tensor, section: Tensor, tempo: Tensor,
    mode: Tensor, active: Tensor,
) -> Tensor:  # fmt: skip
    """Join one-hot conditions [batch] and the mask of playing tracks [batch, 5]."""
    sizes = (len(config.styles), ENERGIES, len(SECTIONS), len(TEMPO_EDGES) + 1, len(MODES))
    parts = zip((style, energy, section, tempo, mode), sizes, strict=True)
    hot = [nn.functional.one_hot(value, size).float() for value, size in parts]
    return torch.cat([*hot, active.float()], -1)


class Film(nn.Module):
    """Scale and shift tokens [batch, tokens, width] by a condition [batch, size]."""

    def __init__(self, size: int, width: int) -> None:
        super().__init__()
        self.affine = nn.Linear(size, 2 * width)
        nn.init.normal_(self.affine.weight, std=0.02)
        nn.init.zeros_(self.affine.bias)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Apply the condition."""
        scale, shift = self.affine(condition).unsqueeze(1).chunk(2, -1)
        moved: Tensor = x * (1 + scale) + shift
        return moved


class Stream(nn.Module):
    """Tokens in, conditioned mixer blocks, tokens out."""

    def __init__(self, into: int, width: int, blocks: int, condition: int) -> None:
        super().__init__()
        self.enter = nn.Linear(into, width)
        self.position = nn.Parameter(torch.randn(TOKENS, width) * 0.1)
        self.films = nn.ModuleList(Film(condition, width) for _ in range(blocks))
        self.blocks = nn.ModuleList(Mixer(TOKENS, width) for _ in range(blocks))
        self.leave = nn.LayerNorm(width)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Map [batch, 8, into] to [batch, 8, width]."""
        x = self.enter(x) + self.position
        for film, block in zip(self.films, self.blocks, strict=True):
            x = block(film(x, condition))
        left: Tensor = self.leave(x)
        return left


class Generator(nn.Module):
    """Latents and conditions -> codes -> binary rolls."""

    def __init__(self, config: GanConfig) -> None:
        super().__init__()
        self.config = config
        self.codec = Codec(config.codec)
        condition, width = config.condition_size, 96
        self.embed = nn.Sequential(nn.Linear(condition, width), nn.SiLU(), nn.Linear(width, width))
        given = config.codec.size + len(TRACKS)
        into = config.shared_static + config.shared_bar + given
        self.shared = Stream(into, config.width, config.blocks, width)
        private = config.private_static + config.private_bar + config.width
        self.private = nn.ModuleList(
            Stream(private, config.private_width, config.private_blocks, width) for _ in TRACKS
        )
        self.heads = nn.ModuleList(
            nn.Linear(config.private_width, code) for code in config.codec.codes
        )

    def codes(
        self, z: Tensor, condition: Tensor, given: Tensor | None = None, mask: Tensor | None = None
    ) -> Tensor:
        """Generate codes [batch, 8, size]; tracks with ``mask`` [batch, 5] keep the given codes."""
        config = self.config
        if given is None or mask is None:
            given = z.new_zeros(len(z), TOKENS, config.codec.size)
            mask = z.new_zeros(len(z), len(TRACKS))
        sizes = torch.tensor(config.codec.codes, device=z.device)
        kept = mask.repeat_interleave(sizes, 1, output_size=config.codec.size).unsqueeze(1)
        told = torch.cat([given * kept, mask.unsqueeze(1).expand(-1, TOKENS, -1)], -1)
        shared, private = self._latents(z)
        film = self.embed(condition)
        common = self.shared(torch.cat([shared, told], -1), film)
        made = [
            normalise(head(stream(torch.cat([own, common], -1), film)))
            for own, stream, head in zip(private, self.private, self.heads, strict=True)
        ]
        mixed = torch.where(kept > 0, given, torch.cat(made, -1))
        return self.hush(mixed, condition[:, -len(TRACKS) :])

    def rolls(self, codes: Tensor, active: Tensor) -> tuple[Tensor, Tensor]:
        """Decode codes into binary (roll, onset) [batch, 64, 144], silent where not active."""
        roll, onset = binarise(*self.codec.decode(codes))
        playing = spread(active.float())
        return roll * playing, onset * playing

    def played(self, codes: Tensor, condition: Tensor) -> tuple[Tensor, Tensor]:
        """Decode codes as ``rolls`` does, the way this version is calibrated to be played."""
        styles = condition[:, : len(self.config.styles)].argmax(1).tolist()
        names = [self.config.styles[number] for number in styles]
        roll, onset = self.config.calibration.play(*self.codec.decode(codes), names)
        playing = spread(condition[:, -len(TRACKS) :])
        return roll * playing, onset * playing

    def hush(self, codes: Tensor, active: Tensor) -> Tensor:
        """Replace the codes of tracks that do not play [batch, 5] by the code of silence."""
        silence = self.codec.silence()
        sizes = torch.tensor(self.config.codec.codes, device=codes.device)
        playing = active.repeat_interleave(sizes, 1, output_size=codes.shape[-1]).unsqueeze(1)
        return torch.where(playing > 0, codes, silence)

    def _latents(self, z: Tensor) -> tuple[Tensor, list[Tensor]]:
        at = 0
        parts = []
        for static, bar in self._layout():
            held = z[:, at : at + static].unsqueeze(1).expand(-1, TOKENS, -1)
            moving = z[:, at + static : at + static + BARS * bar].reshape(len(z), BARS, bar)
            parts.append(torch.cat([held, moving.repeat_interleave(TOKENS // BARS, 1)], -1))
            at += static + BARS * bar
        return parts[0], parts[1:]

    def _layout(self) -> list[tuple[int, int]]:
        """Give the sizes (static, per bar) of the shared latent and of each track's."""
        config = self.config
        shared = (config.shared_static, config.shared_bar)
        return [shared, *[(config.private_static, config.private_bar)] * len(TRACKS)]

    # What callers use

    def latent(self, seed: int, count: int = 1) -> Tensor:
        """Draw latents [count, latent_size] from a seed."""
        random = torch.Generator().manual_seed(seed)
        z, at = torch.randn(count, self.config.latent_size, generator=random), 0
        for static, bar in self._layout():
            z[:, at + static : at + static + BARS * bar] *= self.config.calibration.bars
            at += static + BARS * bar
        return z

    def nudge(self, z: Tensor, amount: float, seed: int) -> Tensor:
        """Move latents towards fresh ones: 0 stays, 1 is new; their distribution stays normal."""
        fresh = self.latent(seed, len(z))
        return z * math.sqrt(1 - amount**2) + fresh * amount

    def renew(
        self, z: Tensor, seed: int, *, tracks: Collection[str] = (), bars: Collection[int] = ()
    ) -> Tensor:
        """Redraw only the private per-bar part of some tracks in some bars, as for a drum fill."""
        config, fresh, renewed = self.config, self.latent(seed, len(z)), z.clone()
        private = config.private_static + BARS * config.private_bar
        for index, track in enumerate(TRACKS):
            if track in tracks:
                at = config.shared_static + BARS * config.shared_bar + index * private
                for bar in bars:
                    start = at + config.private_static + bar * config.private_bar
                    part = slice(start, start + config.private_bar)
                    renewed[:, part] = fresh[:, part]
        return renewed

    @torch.inference_mode()
    def phrases(
        self,
        z: Tensor,
        *,
        style: str,
        energy: int | Sequence[int] = 2,
        section: str | Sequence[str] = "verse",
        bpm: float = 90.0,
        mode: str = "major",
        tracks: Collection[str] | Sequence[Collection[str]] | None = None,
        given: Phrase | None = None,
        given_tracks: Collection[str] = (),
    ) -> list[Phrase]:
        """Make a phrase per latent; ``energy``, ``section`` and ``tracks`` may differ by phrase.

        Without ``tracks`` those of the style's most common line-up play. ``given_tracks`` of the
        phrase ``given`` are kept as they are and the other tracks are played around them.
        """
        count = len(z)
        energies = [energy] * count if isinstance(energy, int) else list(energy)
        sections = [section] * count if isinstance(section, str) else list(section)
        active = self._line_up(tracks, style, count)
        told = torch.tensor([[float(t in given_tracks and given is not None) for t in TRACKS]])
        active = torch.maximum(active, told)
        whole = torch.ones(count, dtype=torch.long)
        condition = conditions(
            self.config,
            whole * self.config.styles.index(style),
            torch.tensor(energies),
            torch.tensor([SECTIONS.index(name) for name in sections]),
            whole * tempo_band(bpm),
            whole * MODES.index(mode),
            active,
        )
        codes, mask = None, None
        if given is not None:
            mask = told.expand(count, -1)
            roll, onset = (torch.from_numpy(cells).float() for cells in stack([given]))
            codes = self.codec.encode(roll, onset).expand(count, -1, -1)
        made = self.played(self.codes(z, condition, codes, mask), condition)
        rolls, onsets = (plane.bool().numpy() for plane in made)
        if given is not None:  # as they were, not as the codec repeats them
            exact = (spread(told) > 0).numpy()[0]
            rolls = np.where(exact, given.roll, rolls)
            onsets = np.where(exact, given.onset, onsets)
        return [Phrase(r.copy(), o.copy()) for r, o in zip(rolls, onsets, strict=True)]

    def _line_up(
        self, tracks: Collection[str] | Sequence[Collection[str]] | None, style: str, count: int
    ) -> Tensor:
        if tracks is None:
            shares = self.config.masks.get(style) or {"31": 1.0}
            best = int(max(shares, key=lambda mask: shares[mask]))
            tracks = [track for bit, track in enumerate(TRACKS) if best >> bit & 1]
        if all(isinstance(track, str) for track in tracks):
            line_ups: list[Collection[Any]] = [tracks] * count
        else:
            line_ups = list(tracks)
        return torch.tensor([[float(t in up) for t in TRACKS] for up in line_ups])


def save_generator(
    generator: Generator, folder: Path, extra: Mapping[str, Any] | None = None
) -> None:
    """Write weights and config into a folder; ``extra`` keys go into the config file too."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors = {name: value.contiguous() for name, value in generator.state_dict().items()}
    save_file(tensors, folder / WEIGHTS)
    written = json.dumps({**asdict(generator.config), **(extra or {})}, indent=1, sort_keys=True)
    (folder / CONFIG).write_text(written + "\n", encoding="utf-8")


def load_generator(path: Path) -> Generator:
    """Load a version's folder, ready to play."""
    config = GanConfig.read(json.loads((path / CONFIG).read_text(encoding="utf-8")))
    generator = Generator(config)
    generator.load_state_dict(load_file(path / WEIGHTS))
    generator.requires_grad_(False)
    return generator.eval()
