"""Building blocks of sound: filters, saturation, rooms, dynamics.

Audio is float32 at 44.1 kHz, mono [n] or stereo [2, n].
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage, signal

RATE = 44100
Audio = NDArray[np.float32]
Sections = NDArray[np.float64]
_HOP = 64  # samples a control step of the dynamics


def audio(x: Any) -> Audio:
    """Give samples as float32; those that are so already are not copied."""
    return np.asarray(x, np.float32)


def stereo(x: Audio) -> Audio:
    """Give two channels whatever comes in."""
    return x if x.ndim == 2 else np.stack([x, x])


def decibels(db: float) -> float:
    """Turn decibels into a factor."""
    return float(10 ** (db / 20))


def pan(x: Audio, place: float) -> Audio:
    """Place mono audio at -1 (left) .. 1 (right) with constant power."""
    angle = (place + 1) * np.pi / 4
    left, right = np.sqrt(2) * np.cos(angle), np.sqrt(2) * np.sin(angle)
    return np.stack([x * np.float32(left), x * np.float32(right)])


# Filters


@lru_cache(maxsize=256)
def band(
    kind: Literal["high", "low", "peak", "low_shelf", "high_shelf"],
    hertz: float,
    db: float = 0.0,
    q: float = 0.707,
    rate: int = RATE,
) -> tuple[float, ...]:
    """Design one biquad (Audio EQ Cookbook) as a second-order section; high and low are passes."""
    w = 2 * np.pi * min(hertz, 0.45 * rate) / rate
    cos, alpha, a = np.cos(w), np.sin(w) / (2 * q), 10 ** (db / 40)
    if kind in ("high", "low"):
        s = 1 if kind == "low" else -1
        edge = (1 - s * cos) / 2
        b = (edge, s * (1 - s * cos), edge)
        den = (1 + alpha, -2 * cos, 1 - alpha)
    elif kind == "peak":
        b = (1 + alpha * a, -2 * cos, 1 - alpha * a)
        den = (1 + alpha / a, -2 * cos, 1 - alpha / a)
    else:
        s, root = (1 if kind == "low_shelf" else -1), 2 * np.sqrt(a) * alpha
        b = (a * ((a + 1) - s * (a - 1) * cos + root), s * 2 * a * ((a - 1) - s * (a + 1) * cos),
             a * ((a + 1) - s * (a - 1) * cos - root))  # fmt: skip
        den = ((a + 1) + s * (a - 1) * cos + root, -s * 2 * ((a - 1) + s * (a + 1) * cos),
               (a + 1) + s * (a - 1) * cos - root)  # fmt: skip
    return tuple(float(v / den[0]) for v in (*b, *den))


def equalise(x: Audio, *bands: tuple[float, ...]) -> Audio:
    """Run audio through biquads from ``band``."""
    if not bands:
        return x
    filtered: Audio = signal.sosfilt(np.array(bands), x).astype(np.float32)
    return filtered


def saturate(x: Audio, drive: float) -> Audio:
    """Bend the peaks; small signals keep their level. ``drive`` 0 leaves all as it is."""
    if drive <= 0:
        return x
    bent: Audio = (np.tanh(x * np.float32(1 + drive)) / np.float32(1 + drive)).astype(np.float32)
    return bent


# Rooms


@lru_cache(maxsize=32)
def impulse(seconds: float, seed: int = 1) -> Audio:
    """Make a room's impulse response [2, n] at half rate: early echoes, then a darkening tail."""
    rate = RATE // 2
    random = np.random.default_rng(seed)
    n = int(rate * seconds * 1.1)
    t = np.arange(n, dtype=np.float32) / rate
    tail = np.zeros((2, n), np.float32)
    for low, high, life in ((150, 700, 1.0), (700, 2500, 0.8), (2500, 8500, 0.5)):
        noise = random.standard_normal((2, n)).astype(np.float32)
        bands = (band("high", low, rate=rate), band("low", high, rate=rate))
        decay = np.exp(-6.9 * t / (seconds * life))
        tail += equalise(noise, *bands) * decay.astype(np.float32)
    rise = np.minimum(1, t / (0.012 + 0.02 * seconds)).astype(np.float32)
    tail *= rise
    for _ in range(10):  # walls
        at = int(rate * random.uniform(0.006, 0.045))
        tail[int(random.integers(2)), at] += (
            float(random.choice([-1, 1])) * 4 * np.exp(-at / rate * 30)
        )
    made: Audio = tail / np.sqrt((tail**2).sum(1, keepdims=True).mean())
    return made


def halved(x: Audio) -> Audio:
    """Bring stereo to half the rate, for sounds that are dark anyway."""
    even = x[:, : x.shape[1] // 2 * 2]
    return audio((even[:, ::2] + even[:, 1::2]) * np.float32(0.5))


def doubled(x: Audio, length: int) -> Audio:
    """Bring stereo back to the full rate and to a length."""
    out = np.zeros((2, length), np.float32)
    n = min(x.shape[1], length // 2)
    out[:, : 2 * n : 2] = x[:, :n]
    out[:, 1 : 2 * n - 1 : 2] = (x[:, : n - 1] + x[:, 1:n]) * np.float32(0.5)
    return out


def reverb(x: Audio, seconds: float, predelay: float = 0.012) -> Audio:
    """Give the wet sound of a room for stereo at half rate, as long as the input."""
    late = int(predelay * RATE / 2)
    room = np.zeros_like(x)
    wet = signal.oaconvolve(x, impulse(seconds), axes=1)
    room[:, late:] = wet[:, : x.shape[1] - late]
    return room


def echo(x: Audio, delay: float, feedback: float = 0.4, repeats: int = 4) -> Audio:
    """Give dark echoes that bounce between the sides, for stereo at half rate."""
    rate = RATE // 2
    dark = equalise(x, band("low", 3200, rate=rate), band("high", 300, rate=rate))
    out = np.zeros_like(x)
    step = int(delay * rate)
    for count in range(1, repeats + 1):
        if count * step >= x.shape[1]:
            break
        sides = audio([[1.0], [0.35]] if count % 2 else [[0.35], [1.0]])
        out[:, count * step :] += dark[:, : -count * step] * (sides * feedback ** (count - 1))
    return out


# Dynamics


def duck(n: int, times: Sequence[float], depth: float, release: float) -> Audio:
    """Draw a gain curve that dips by ``depth`` at each time, back within ``release`` seconds."""
    steps = -(-n // _HOP) + 1
    curve = np.ones(steps, np.float32)
    length = int(2 * release * RATE / _HOP)
    shape = (
        1
        - depth * np.cos(np.minimum(1, np.arange(length) * _HOP / RATE / release) * np.pi / 2) ** 2
    )
    for time in times:
        at = int(time * RATE / _HOP)
        part = curve[at : at + length]
        np.minimum(part, shape[: len(part)], out=part)
    curve = ndimage.uniform_filter1d(curve, 3)
    drawn: Audio = _stretch(curve, n)
    return drawn


def compress(
    x: Audio, threshold: float, ratio: float, attack: float = 0.012, release: float = 0.16
) -> Audio:
    """Even out a bus: above ``threshold`` dB levels grow 1/ratio as fast, both sides alike."""
    n = x.shape[1]
    steps = -(-n // _HOP)
    power = np.zeros(steps * _HOP, np.float32)
    power[:n] = (x**2).mean(0)
    level = 10 * np.log10(power.reshape(steps, _HOP).mean(1) + 1e-9)
    over = np.maximum(0, level - threshold) * (1 - 1 / ratio)
    gain = 10 ** (-_follow(over, attack, release) / 20)
    return x * _stretch(gain.astype(np.float32), n)


def _follow(over: NDArray[np.float32], attack: float, release: float) -> NDArray[np.float64]:
    """Smooth a gain reduction: quick up, slow down."""
    up, down = (1 - np.exp(-_HOP / RATE / seconds) for seconds in (attack, release))
    state, out = 0.0, []
    for value in over.tolist():
        state += (value - state) * (up if value > state else down)
        out.append(state)
    return np.array(out)


def _stretch(curve: NDArray[np.float32], n: int) -> Audio:
    """Interpolate a control curve (one value each _HOP samples) to ``n`` samples."""
    after = np.append(curve[1:], curve[-1])
    ramp = np.arange(_HOP, dtype=np.float32) / _HOP
    full = curve[:, None] + (after - curve)[:, None] * ramp
    return full.astype(np.float32).reshape(-1)[:n]


def fade(x: Audio, start: float, end: float) -> Audio:
    """Fade in over ``start`` and out over ``end`` seconds, in place."""
    head, tail = int(start * RATE), int(end * RATE)
    if head:
        x[..., :head] *= np.linspace(0, 1, head, dtype=np.float32)
    if tail:
        x[..., -tail:] *= np.cos(np.linspace(0, np.pi / 2, tail, dtype=np.float32)) ** 2
    return x
