"""Loudness after ITU-R BS.1770-4, true peak, and the limiter that keeps to both."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

from models.music.dsp import RATE, Audio, Sections, audio, decibels, stereo

SILENCE = -70.0
_BLOCK = 16  # samples a step of the limiter's gain
_AHEAD = 6  # steps of look-ahead: 2.2 ms


@lru_cache(maxsize=8)
def _weighting(rate: int) -> Sections:
    """Design the K-weighting for a rate: a high shelf, then a high-pass (BS.1770 annex 1)."""
    k = np.tan(np.pi * 1681.974450955533 / rate)
    q, vh = 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    vb = vh**0.4996667741545416
    a0 = 1 + k / q + k * k
    shelf = [(vh + vb * k / q + k * k) / a0, 2 * (k * k - vh) / a0, (vh - vb * k / q + k * k) / a0,
             1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]  # fmt: skip
    k, q = np.tan(np.pi * 38.13547087602444 / rate), 0.5003270373238773
    a0 = 1 + k / q + k * k
    high = [1, -2, 1, 1, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0]
    return np.array([shelf, high])


def integrated(x: Audio, rate: int = RATE) -> float:
    """Measure integrated loudness in LUFS, gated at -70 LUFS and 10 LU below the mean."""
    weighted = signal.sosfilt(_weighting(rate), stereo(x))
    quarter = int(0.1 * rate)
    count = weighted.shape[1] // quarter
    if count < 4:
        return SILENCE
    power = (weighted[:, : count * quarter] ** 2).reshape(2, count, quarter).mean(2).sum(0)
    blocks = np.convolve(power, np.ones(4) / 4, "valid")
    loud = blocks[blocks > 10 ** ((SILENCE + 0.691) / 10)]
    if not len(loud):
        return SILENCE
    kept = loud[loud > loud.mean() / 10]
    return float(-0.691 + 10 * np.log10(kept.mean()))


def rough(x: Audio) -> float:
    """Estimate loudness from every fourth sample: folding keeps the power, at a quarter's cost."""
    return integrated(x[..., ::4], RATE // 4)


@lru_cache(maxsize=1)
def _phases() -> NDArray[np.float32]:
    """Weigh 16 samples for the three places after the eighth of them [3, 16]: windowed sinc."""
    places = np.arange(-7, 9) - np.array([[0.25], [0.5], [0.75]])
    weights: NDArray[np.float32] = (np.sinc(places) * np.cos(np.pi * places / 18) ** 2).astype(
        np.float32
    )
    return weights


def _peaks(x: Audio, floor: float) -> Audio:
    """Give per sample the highest level at it and up to the next one, of both channels.

    Only samples above ``floor`` are looked at between: an overshoot has high neighbours.
    """
    top = audio(np.abs(x).max(0))
    place = np.flatnonzero(top > floor)
    place = place[(place >= 8) & (place < len(top) - 9)]
    reach = np.arange(-7, 9)
    for some in np.array_split(place, 1 + len(place) // 65536):
        windows = some[:, None] + reach
        for channel in x:
            between = np.abs(channel[windows] @ _phases().T).max(1, initial=0.0)
            top[some] = np.maximum(top[some], between)
    return top


def true_peak(x: Audio) -> float:
    """Measure the true peak in dBTP with fourfold oversampling."""
    wide = stereo(x)
    floor = decibels(-4.0) * float(np.abs(wide).max(initial=0.0))
    return float(20 * np.log10(max(float(_peaks(wide, floor).max(initial=0.0)), 1e-6)))


def limit(x: Audio, ceiling: float, release: float = 0.08) -> Audio:
    """Hold true peaks under ``ceiling`` dBTP, looking ahead, both channels together."""
    peaks = _peaks(x, decibels(ceiling - 4.0))
    n = len(peaks)
    steps = -(-n // _BLOCK)
    padded = np.zeros(steps * _BLOCK, np.float32)
    padded[:n] = peaks
    tops = padded.reshape(steps, _BLOCK).max(1)
    wanted = np.minimum(1, decibels(ceiling) / np.maximum(tops, 1e-6))
    if wanted.min() >= 1:
        return x
    held = ndimage.minimum_filter1d(wanted, 2 * _AHEAD + 1)
    slow = 1 - np.exp(-_BLOCK / RATE / release)
    state, gains = 1.0, []
    for value in held.tolist():
        state = value if value < state else state + (value - state) * slow
        gains.append(state)
    smooth = ndimage.uniform_filter1d(np.array(gains), _AHEAD, mode="nearest")
    ramp = np.interp(np.arange(n), (np.arange(steps) + 0.5) * _BLOCK, smooth)
    limited: Audio = (x * ramp).astype(np.float32)
    return limited


def soft_clip(x: Audio, knee: float) -> Audio:
    """Round what rises above ``knee`` (0..1) towards 1; below it nothing changes."""
    size = np.abs(x)
    over = size > knee
    if not over.any():
        return x
    room = 1 - knee
    bent = knee + room * np.tanh((size[over] - knee) / room)
    out = x.copy()
    out[over] = np.sign(x[over]) * bent
    return out


def master(x: Audio, loudness: float, ceiling: float, rounds: int = 5) -> tuple[Audio, float]:
    """Bring a mix to a loudness under a true-peak ceiling; gives it with its measured LUFS.

    Gain, rounded peaks, limiter, again until it fits. The quick estimate steers, the true
    measure decides.
    """
    top = np.float32(1.25 * decibels(ceiling))
    heard = integrated(x)
    bias = heard - rough(x)
    gain = decibels(loudness - heard)
    out = x
    for _ in range(rounds):
        pushed = x * np.float32(gain)
        out = limit(soft_clip(pushed / top, 0.7) * top, ceiling)
        miss = loudness - rough(out) - bias
        if abs(miss) < 0.15:
            heard = integrated(out)
            miss = loudness - heard
            bias = heard - rough(out)
            if abs(miss) < 0.3:
                return out, heard
        gain *= decibels(miss * 1.15)
    return out, integrated(out)
