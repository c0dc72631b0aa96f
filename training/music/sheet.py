"""Phrases as a picture: a column of piano-rolls, notes coloured by track, onsets darker."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from models.music.gan import Generator
from models.music.pianoroll import CELLS, LENGTH, REGISTERS, STEPS, Phrase

SCALE_X, SCALE_Y, MARGIN = 8, 2, 10
COLOURS = {
    "drums": (40, 40, 40), "bass": (196, 60, 50), "keys": (44, 98, 190), "lead": (30, 140, 80),
    "pad": (140, 80, 170),
}  # fmt: skip


def draw_sheet(phrases: Sequence[Phrase], path: Path, columns: int = 1) -> None:
    """Write a PNG with the phrases row by row, drums lowest, pad on top."""
    height, width = CELLS * SCALE_Y + MARGIN, LENGTH * SCALE_X + MARGIN
    rows = -(-len(phrases) // columns)
    sheet = np.full((rows * height + MARGIN, columns * width + MARGIN, 3), 255, np.uint8)
    for index, phrase in enumerate(phrases):
        top = index // columns * height + MARGIN
        left = index % columns * width + MARGIN
        picture = _picture(phrase)
        sheet[top : top + picture.shape[0], left : left + picture.shape[1]] = picture
    Image.fromarray(sheet).save(path, optimize=True)


def write_sheets(generator: Generator, folder: Path, count: int = 8, seed: int = 1) -> None:
    """Draw fixed-seed phrases: a sheet per style, four phrases each, for up to ``count`` styles."""
    folder.mkdir(parents=True, exist_ok=True)
    for style in list(generator.config.masks)[:count]:
        bpm = generator.config.tempos[style][1]
        z = generator.latent(seed, 4)
        sections = ["intro", "verse", "hook", "outro"]
        phrases = generator.phrases(z, style=style, energy=[0, 1, 3, 2], section=sections, bpm=bpm)
        draw_sheet(phrases, folder / f"{style}.png", columns=2)


def _picture(phrase: Phrase) -> np.ndarray[tuple[int, ...], np.dtype[np.uint8]]:
    cells = np.full((LENGTH, CELLS, 3), 250, np.uint8)
    cells[::STEPS] = 225  # bar lines
    cells[:, [register.first for register in REGISTERS]] = 225
    for register in REGISTERS:
        colour = np.array(COLOURS[register.track])
        part = cells[:, register.columns]
        part[phrase.roll[:, register.columns]] = (colour + 2 * 255) // 3
        part[phrase.onset[:, register.columns]] = colour
    upright = cells.transpose(1, 0, 2)[::-1]
    return upright.repeat(SCALE_Y, 0).repeat(SCALE_X, 1)
