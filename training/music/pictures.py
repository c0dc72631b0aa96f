"""Pictures for a card: ten beats of fixed seeds, so that versions can be looked at side by side."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

from models.music import picture
from models.music.arranger import Wish, compose
from models.music.gan import Generator

BEATS, BARS = 10, 16
_WIDTH = 900  # pixels
_COLOURS = 128


def write_beats(generator: Generator, folder: Path) -> Mapping[str, str]:
    """Draw ten beats as ``beat-01.png`` to ``beat-10.png``; give what each shows.

    The styles take turns and the beat's number is its seed.
    """
    folder.mkdir(parents=True, exist_ok=True)
    styles = list(generator.config.masks) or list(generator.config.styles)
    shown = {}
    for seed in range(1, BEATS + 1):
        song = compose(generator, Wish(styles[(seed - 1) % len(styles)], seed, BARS))
        title = f"{song.style.name} beat {seed}"
        name = f"beat-{seed:02d}.png"
        (folder / name).write_bytes(_small(picture.draw(song, title)))
        shown[name] = f"{title}: {song.bpm} bpm, {song.key}, {', '.join(song.section_names())}"
    return shown


def _small(png: bytes) -> bytes:
    """Reduce a picture to the size of a card, in few colours."""
    image = Image.open(io.BytesIO(png)).convert("RGB")
    height = round(image.height * _WIDTH / image.width)
    image = image.resize((_WIDTH, height), Image.Resampling.LANCZOS)
    file = io.BytesIO()
    few = image.quantize(_COLOURS, Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)
    few.save(file, "PNG", optimize=True)
    return file.getvalue()
