"""Models to train: new ones, or a published version's grown by the styles of a corpus."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from models.music.discriminator import Discriminator
from models.music.gan import CONFIG, GanConfig, Generator, load_generator
from training.music.corpus import Corpus
from training.music.presets import Judge, Preset

JUDGE = "discriminator.safetensors"


def describe(config: GanConfig, corpus: Corpus) -> GanConfig:
    """Note in a config the corpus's styles, their tempos and which tracks play how often."""
    tempos, masks = dict(config.tempos), dict(config.masks)
    for number in np.unique(corpus.style).tolist():
        rows = np.flatnonzero(corpus.style == number)
        name = corpus.styles[number]
        low, middle, high = np.percentile(corpus.tempo[rows], (10, 50, 90)).round(1).tolist()
        tempos[name] = (low, middle, high)
        mask = (corpus.active(rows) << np.arange(5)).sum(1)
        kinds, counts = np.unique(mask, return_counts=True)
        shares = zip(kinds.tolist(), (counts / len(rows)).round(4).tolist(), strict=True)
        masks[name] = {str(kind): share for kind, share in shares if share >= 0.01}
    return replace(config, styles=corpus.styles, tempos=tempos, masks=masks)


def new_models(preset: Preset, corpus: Corpus, seed: int) -> tuple[Generator, Discriminator]:
    """Make untrained models; the same seed gives the same weights."""
    torch.manual_seed(seed)
    config = describe(preset.generator, corpus)
    return Generator(config), Discriminator(config, **asdict(preset.judge))


def judge_sizes(folder: Path) -> Judge:
    """Read the sizes of a version's discriminator."""
    return Judge(**json.loads((folder / CONFIG).read_text(encoding="utf-8"))["judge"])


def models_of(
    folder: Path, corpus: Corpus, sizes: Judge | None = None
) -> tuple[Generator, Discriminator]:
    """Load a version's models and give them the corpus's new styles.

    With ``sizes`` that ask for it, the discriminator gets a head that counts, as yet untrained.
    """
    old, own = load_generator(folder), judge_sizes(folder)
    sizes = own if sizes is None else sizes
    if replace(sizes, counts=own.counts) != own or (own.counts and not sizes.counts):
        raise ValueError("The preset's discriminator has other sizes than the version's.")
    config = describe(old.config, corpus)
    generator, judge = Generator(config), Discriminator(config, **asdict(sizes))
    known, wanted = len(old.config.styles), len(config.styles)
    generator.load_state_dict(_grow(old.state_dict(), known, wanted))
    weights = {name: value.float() for name, value in load_file(folder / JUDGE).items()}
    fresh = {n: v for n, v in judge.state_dict().items() if n.startswith("counts.")}
    judge.load_state_dict({**fresh, **_grow(weights, known, wanted)})
    return generator, judge


def save_judge(discriminator: Discriminator, folder: Path) -> dict[str, object]:
    """Write the discriminator in half precision; give its sizes for the config file."""
    weights = {n: v.half().contiguous() for n, v in discriminator.state_dict().items()}
    save_file(weights, folder / JUDGE)
    return dict(discriminator.sizes)


def style_names(folder: Path) -> Sequence[str]:
    """List the styles of a version."""
    styles: list[str] = json.loads((folder / CONFIG).read_text(encoding="utf-8"))["styles"]
    return styles


def _grow(weights: Mapping[str, Tensor], known: int, wanted: int) -> dict[str, Tensor]:
    """Widen the condition's first layer: a new style begins as the mean of the known ones."""
    grown = dict(weights)
    first = grown["embed.0.weight"]
    fresh = first[:, :known].mean(1, keepdim=True).expand(-1, wanted - known)
    grown["embed.0.weight"] = torch.cat([first[:, :known], fresh, first[:, known:]], 1)
    return grown
