"""Weak onsets on the pulse of a repeated pitch: where a sound goes on, its repeats hardly show."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.music.transcriber.net import Matrix
from models.music.transcriber.notes import Candidates, Ints

_LEAST = 0.1  # how sure a repeat must be
_CLEAR, _FEWEST = 0.6, 3  # how sure, on average, a pitch's notes are that say its pulse, how many
_LONGEST = 40  # frames of a pulse: half a second
_BEATS, _OFF = 4, 2  # pulses from a sure note at most, frames off them
_TOGETHER = 4  # frames
_OVERTONES = (12, 19, 24, 28)
_BELOW = 0.3  # how sure a tone is that makes what stands above it an overtone


def with_repeats(candidates: Candidates, threshold: float) -> Candidates:
    """Raise to the threshold what is weak, but repeats a pitch in its own time."""
    strong = candidates.sure >= threshold
    below = _tones_below(candidates)
    raised = candidates.sure.copy()
    weak = ~strong & (candidates.sure >= _LEAST) & (below < _BELOW)
    for column in np.unique(candidates.pitch[strong]):
        here = candidates.pitch == column
        notes = np.sort(candidates.frame[here & strong])
        gaps = np.diff(notes)
        short = gaps[gaps <= _LONGEST]
        if len(short) < _FEWEST or candidates.sure[here & strong].mean() < _CLEAR:
            continue
        rows = np.flatnonzero(here & weak)
        rows = rows[_on_pulse(candidates.frame[rows], notes, float(np.median(short)))]
        raised[rows] = threshold
    return replace(candidates, sure=raised)


def _on_pulse(frames: Ints, notes: Ints, pulse: float) -> NDArray[np.bool_]:
    """Say which frames lie a few whole pulses from a sure note, and near to one."""
    away = frames[:, None] - notes
    beats = np.rint(away / pulse)
    fits = (np.abs(away - beats * pulse) <= _OFF) & (np.abs(beats) >= 1) & (np.abs(beats) <= _BEATS)
    return np.asarray(fits.any(axis=1) & (np.abs(away).min(axis=1) <= _LONGEST), np.bool_)


def _tones_below(candidates: Candidates) -> Matrix:
    """Give how sure the surest tone is, of those at once, whose overtone each could be."""
    frame, column = candidates.frame, candidates.pitch + _OVERTONES[-1]
    sure = np.zeros((int(frame.max(initial=0)) + 1, int(column.max(initial=0)) + 1), np.float32)
    sure[frame, column] = candidates.sure
    near = ndimage.maximum_filter1d(sure, 2 * _TOGETHER + 1, axis=0, mode="constant")
    below = [near[frame, column - interval] for interval in _OVERTONES]
    return np.asarray(np.max(below, axis=0), np.float32)
