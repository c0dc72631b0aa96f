"""Spectral balance: measure a mix by octaves and lean it towards the balance its style wants.

The default follows the average of commercial records: about 2 dB less an octave from 100 Hz to
4 kHz, steeper above. A correction is partial and never more than a few decibels; it repairs a
balance, it does not replace a mix.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import NDArray
from scipy import signal

from models.music.dsp import RATE, Audio, audio

#: Edges of the measured octaves in Hz.
EDGES = (20, 60, 120, 250, 500, 1000, 2000, 4000, 8000, 16000)
Curve = tuple[float, ...]
#: Decibels of each octave against the whole.
MODERN: Curve = (-8.0, -5.5, -8.0, -9.5, -11.0, -12.5, -14.5, -17.0, -21.0)
DEEP: Curve = (-5.5, -4.5, -8.5, -11.0, -12.0, -13.0, -15.5, -18.0, -23.0)
CLUB: Curve = (-6.0, -5.0, -8.5, -11.0, -12.0, -13.0, -14.5, -16.0, -19.5)
OPEN: Curve = (-12.0, -7.5, -7.0, -7.5, -9.5, -12.0, -16.0, -19.5, -24.0)
_SHARE, _MOST = 0.65, 4.5  # of the difference; dB
_TAPS = 2048
_WINDOW = 8192


def octaves(x: Audio) -> NDArray[np.float64]:
    """Measure the level of each octave against the whole in dB."""
    middle = x.mean(0) if x.ndim == 2 else x
    count = len(middle) // _WINDOW
    if count == 0:
        return np.array(MODERN)
    frames = middle[: count * _WINDOW].reshape(count, _WINDOW)[:: max(1, count // 120)]
    power = (np.abs(np.fft.rfft(frames * np.hanning(_WINDOW).astype(np.float32))) ** 2).mean(0)
    hertz = np.fft.rfftfreq(_WINDOW, 1 / RATE)
    bands = [power[(hertz >= a) & (hertz < b)].sum() for a, b in itertools.pairwise(EDGES)]
    levels: NDArray[np.float64] = np.array(bands) / max(sum(bands), 1e-12)
    return 10 * np.log10(levels + 1e-9)


def lean(x: Audio, aim: Curve, treble: float = 20000) -> Audio:
    """Correct a mix [2, n] part of the way towards a curve; above ``treble`` Hz it rolls off."""
    miss = np.array(aim) - octaves(x)
    gain = np.clip(_SHARE * miss, -_MOST, _MOST)
    gain -= np.average(gain, weights=10 ** (np.array(aim) / 10))  # colour, not loudness
    centres = np.sqrt(np.array(EDGES[:-1], float) * np.array(EDGES[1:], float))
    hertz = np.fft.rfftfreq(_TAPS, 1 / RATE)
    curve = np.interp(np.log(np.maximum(hertz, 10)), np.log(centres), gain)
    curve[hertz < 22] = -18  # rumble
    curve -= 10 * np.log10(1 + (hertz / treble) ** 4)
    leaned = signal.oaconvolve(x, _minimum_phase(curve)[None, :], axes=1)
    return audio(leaned[:, : x.shape[1]])


def _minimum_phase(db: NDArray[np.float64]) -> NDArray[np.float32]:
    """Make a filter of a gain curve that rings after a hit, not before it (folded cepstrum)."""
    cepstrum = np.fft.irfft(db * np.log(10) / 20)
    n = len(cepstrum)
    cepstrum[1 : n // 2] *= 2
    cepstrum[n // 2 + 1 :] = 0
    taps = np.fft.irfft(np.exp(np.fft.rfft(cepstrum)))[: n // 2]
    taps[n // 4 :] *= np.cos(np.linspace(0, np.pi / 2, n // 4)) ** 2
    shaped: NDArray[np.float32] = taps.astype(np.float32)
    return shaped
