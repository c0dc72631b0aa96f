"""Whole songs on the grid, to look at what comes back after four and after eight bars."""

from __future__ import annotations

import numpy as np

from models.music.arranger import PhraseMaker, Score, Wish, write
from models.music.pianoroll import BARS, CELLS, LENGTH, REGISTERS, STEPS, Cells

SONG_BARS = 32


def arranged(maker: PhraseMaker, styles: list[str], seed: int, bars: int = SONG_BARS) -> Cells:
    """Write a song in each style: onsets of [songs, phrases, 64 steps, 144 cells]."""
    written = [
        onsets(write(maker, Wish(style, seed + number, bars)))
        for number, style in enumerate(styles)
    ]
    return np.stack(written)


def onsets(score: Score) -> Cells:
    """Lay a written song out as four-bar phrases; the chord after its last bar is left out."""
    phrases = -(-score.bars // BARS)
    cells = np.zeros((phrases * LENGTH, CELLS), np.bool_)
    for register in REGISTERS:
        for stroke in score.strokes[register.track]:
            step, row = int(stroke.step + 0.5), register.row(stroke.pitch)
            if row is not None and step < score.bars * STEPS:
                cells[step, register.first + row] = True
    return cells.reshape(phrases, LENGTH, CELLS)


def phrase_pairs(songs: Cells, bars: int) -> tuple[Cells, Cells]:
    """Pair the phrases of each song that begin ``bars`` apart: two arrays of phrases."""
    step = bars // BARS
    before, after = songs[:, :-step], songs[:, step:]
    return before.reshape(-1, LENGTH, CELLS), after.reshape(-1, LENGTH, CELLS)
