"""Two pictures of a recording on basic-pitch's time grid: broad bands and semitones."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from models.music.dsp import Audio
from models.music.transcriber.decoding import RATE
from models.music.transcriber.pitches import HOP, LOWEST, PITCHES

BANDS = 36  # from the fundamental of a kick to the sizzle of a hat
SEMITONES = PITCHES + 24  # two octaves above the highest pitch, for its harmonics
_SHORT, _LONG = 1024, 4096  # samples of a window
_EDGES = (35.0, 10500.0)  # hertz of the lowest and the highest band
_CHUNK = 1024  # frames transformed at once
Matrix = NDArray[np.float32]


def broad_bands(sound: Audio) -> Matrix:
    """Give log energy in bands, sharp in time: [frames, BANDS], the loudest frames about 0.

    A hat may be a millionth of the kick beside it, so the floor lies low.
    """
    energy = np.concatenate([p @ _band_filters() for p in _powers(sound, _SHORT)])
    level = np.log10(energy + 1e-9)
    loud = np.percentile(level.max(axis=1), 95)
    return np.maximum(level - np.float32(loud), -7).astype(np.float32)


def semitones(sound: Audio) -> Matrix:
    """Give log energy of each semitone, sharp in pitch: [frames, SEMITONES]."""
    energy = np.concatenate([p @ _semitone_filters() for p in _powers(sound, _LONG)])
    level = np.log10(energy + 1e-9)
    loud = np.percentile(level.max(axis=1), 95)
    return np.maximum(level - np.float32(loud), -5).astype(np.float32)


def _powers(sound: Audio, size: int) -> Iterator[Matrix]:
    """Give the power spectra of windows centred on the frames, some frames at a time."""
    frames = len(sound) // HOP + 1
    padded = np.pad(sound, (size // 2, size))
    windows = np.lib.stride_tricks.sliding_window_view(padded, size)[::HOP][:frames]
    shape = np.hanning(size + 1)[:-1].astype(np.float32)
    for first in range(0, frames, _CHUNK):
        spectra = fft.rfft(windows[first : first + _CHUNK] * shape, axis=1)
        yield (spectra.real**2 + spectra.imag**2).astype(np.float32)


@lru_cache(maxsize=1)
def _band_filters() -> Matrix:
    """Overlapping triangles, evenly spaced in pitch but never narrower than a bin."""
    places = np.geomspace(*_EDGES, BANDS + 2)
    step = RATE / _SHORT
    for i in range(1, len(places)):
        places[i] = max(places[i], places[i - 1] + step)
    return _triangles(places * min(1.0, 10900 / places[-1]), _SHORT)


@lru_cache(maxsize=1)
def _semitone_filters() -> Matrix:
    pitches = np.arange(LOWEST - 1, LOWEST + SEMITONES + 1)
    places = 440 * 2 ** ((pitches - 69) / 12)
    filters = _triangles(np.minimum(places, RATE), _LONG)
    near = np.rint(places[1:-1] / (RATE / _LONG)).astype(int)
    for i, bin_ in enumerate(near):  # low semitones lie closer than bins: take the nearest one
        if bin_ < len(filters):
            filters[bin_, i] = max(filters[bin_, i], 0.5)
    return filters


def _triangles(places: NDArray[np.float64], size: int) -> Matrix:
    hertz = np.arange(size // 2 + 1)[:, None] * (RATE / size)
    low, mid, high = places[:-2], places[1:-1], places[2:]
    rising = (hertz - low) / np.maximum(mid - low, 1e-6)
    falling = (high - hertz) / np.maximum(high - mid, 1e-6)
    return np.clip(np.minimum(rising, falling), 0, None).astype(np.float32)
