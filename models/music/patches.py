"""Synthesised tones: each makes one note of a pitch and a length, without its release.

They take (hertz, seconds, random) and give mono [n] or stereo [2, n] audio of about peak 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from models.music.dsp import RATE, Audio, audio, band, equalise

Random = np.random.Generator
Times = NDArray[np.float32]


def _phase(hertz: float, n: int, start: float) -> NDArray[np.float32]:
    """Run a phase 0..1 in double precision: a long note must not drift."""
    turned: NDArray[np.float32] = np.mod(start + hertz / RATE * np.arange(n), 1).astype(np.float32)
    return turned


def _edge(phase: Times, step: float) -> Times:
    """Round the jump of a saw over one sample each side (polyBLEP), against aliasing."""
    correction = np.zeros_like(phase)
    head = phase < step
    t = phase[head] / step
    correction[head] = 2 * t - t * t - 1
    tail = phase > 1 - step
    t = (phase[tail] - 1) / step
    correction[tail] = t * t + 2 * t + 1
    return correction


def saw(hertz: float, n: int, start: float = 0.0) -> Audio:
    """Make a band-limited saw of ``n`` samples."""
    phase = _phase(hertz, n, start)
    made: Audio = 2 * phase - 1 - _edge(phase, hertz / RATE)
    return made


def pulse(hertz: float, n: int, width: float, start: float = 0.0) -> Audio:
    """Make a band-limited pulse: two saws, one moved by ``width``."""
    made: Audio = 0.5 * (saw(hertz, n, start) - saw(hertz, n, (start + width) % 1))
    return made


def _times(seconds: float) -> Times:
    return audio(np.arange(int(seconds * RATE)) / RATE)


def _supersaw(hertz: float, seconds: float, random: Random) -> Audio:
    """Seven saws side by side, spread over the sides."""
    n = int(seconds * RATE)
    out = np.zeros((2, n), np.float32)
    for place, cents in zip(
        (0, -0.9, 0.9, -0.6, 0.6, -0.3, 0.3), (0, -11, 11, -19, 19, -5, 5), strict=True
    ):
        voice = saw(hertz * 2 ** (cents / 1200), n, float(random.random()))
        level = 0.3 if place == 0 else 0.2
        out[0] += np.float32(level * np.sqrt(0.5 - place / 2.4)) * voice
        out[1] += np.float32(level * np.sqrt(0.5 + place / 2.4)) * voice
    return equalise(
        out, band("high", max(120.0, hertz * 0.8)), band("low", min(9500.0, hertz * 18))
    )


def _softpad(hertz: float, seconds: float, random: Random) -> Audio:
    """Three dark saws that swell and drift apart."""
    n = int(seconds * RATE)
    t = _times(seconds)
    out = np.zeros((2, n), np.float32)
    for place, cents in ((-0.8, -7), (0.0, 0), (0.8, 7)):
        voice = saw(hertz * 2 ** (cents / 1200), n, float(random.random()))
        sway = 1 + 0.15 * np.sin(2 * np.pi * random.uniform(0.15, 0.35) * t + random.uniform(0, 6))
        out[0] += np.float32(np.sqrt(0.5 - place / 2)) * voice * sway
        out[1] += np.float32(np.sqrt(0.5 + place / 2)) * voice * sway
    cut = float(np.clip(hertz * 3.2, 700, 2400))
    soft = equalise(out, band("low", cut), band("low", cut * 1.6), band("high", 140))
    return audio(soft * np.minimum(1, t / 0.12) * np.float32(0.5))


def _harmonics(
    t: Times,
    hertz: float,
    levels: Callable[[int], float],
    lives: Callable[[int], float],
    top: int = 28,
) -> Audio:
    """Add decaying harmonics below 14 kHz."""
    out = np.zeros_like(t)
    for k in range(1, top + 1):
        if hertz * k > 14000:
            break
        tone = np.sin(
            np.mod(np.float64(hertz * k) * t, 1.0).astype(np.float32) * np.float32(2 * np.pi)
        )
        out += np.float32(levels(k)) * tone * np.exp(-t / np.float32(lives(k)))
    return out


def _pluck(hertz: float, seconds: float, random: Random) -> Audio:
    """A saw whose upper harmonics die first, twice, a hair apart on the sides."""
    t = _times(seconds)
    sides = [
        _harmonics(
            t, hertz * 2 ** (cents / 1200), lambda k: 0.7 / k, lambda k: 0.42 / (1 + 0.32 * (k - 1))
        )
        for cents in (-4 - random.random(), 4 + random.random())
    ]
    return np.stack(sides)


def _bell(hertz: float, seconds: float, random: Random) -> Audio:
    """Two-operator frequency modulation at an odd ratio."""
    del random
    t = _times(seconds)
    turn = np.mod(np.float64(hertz) * t, 1.0).astype(np.float32) * np.float32(2 * np.pi)
    strike = np.sin(3.5 * turn) * np.exp(-t / 0.35) * 1.6
    made: Audio = 0.7 * np.sin(turn + strike) * np.exp(-t / 0.9) + 0.18 * np.sin(2 * turn) * np.exp(
        -t / 0.5
    )
    return made


def _epiano(hertz: float, seconds: float, random: Random) -> Audio:
    """A tine piano: soft fundamental, a bell-like strike, slow stereo tremolo."""
    t = _times(seconds)
    turn = np.mod(np.float64(hertz) * t, 1.0).astype(np.float32) * np.float32(2 * np.pi)
    life = float(np.clip(2.2 * (220 / hertz) ** 0.5, 0.7, 3.5))
    bark = np.sin(turn) * (0.35 + 0.9 * np.exp(-t / 0.12)) * min(1.0, 330 / hertz + 0.35)
    body = np.sin(turn + bark) * np.exp(-t / life)
    tine = 0.16 * np.sin(14 * turn) * np.exp(-t / 0.035) if hertz * 14 < 12000 else 0
    tone = 0.75 * body + tine + 0.12 * np.sin(2 * turn) * np.exp(-t / (0.6 * life))
    sway = 0.14 * np.sin(2 * np.pi * 4.3 * t + random.uniform(0, 6.28))
    return np.stack([tone * (1 + sway), tone * (1 - sway)]).astype(np.float32)


def _softsquare(hertz: float, seconds: float, random: Random) -> Audio:
    """A mellow square with a late vibrato, for tunes."""
    t = _times(seconds)
    depth = 0.0045 * np.clip((t - 0.25) / 0.4, 0, 1)
    hertz_now = hertz * (1 + depth * np.sin(2 * np.pi * 5.4 * t))
    turn = (2 * np.pi * np.cumsum(hertz_now, dtype=np.float64) / RATE + random.random()).astype(
        np.float32
    )
    out = np.zeros_like(t)
    for k, level in ((1, 1.0), (3, 0.3), (5, 0.14), (7, 0.07), (2, 0.12)):
        if k * hertz < 14000:
            out += np.float32(0.7 * level) * np.sin(k * turn)
    return out


def _sawbass(hertz: float, seconds: float, random: Random) -> Audio:
    """Two saws under a closing filter, over a sine."""
    t = _times(seconds)
    grit = _harmonics(t, hertz, lambda k: 0.6 / k, lambda k: 6.0 / (1 + 0.9 * (k - 1)), 24)
    grit += _harmonics(t, hertz * 1.003, lambda k: 0.4 / k, lambda k: 4.0 / (1 + 0.9 * (k - 1)), 16)
    del random
    sine = np.sin(np.mod(np.float64(hertz) * t, 1.0).astype(np.float32) * np.float32(2 * np.pi))
    made: Audio = np.tanh(0.9 * grit + 0.55 * sine).astype(np.float32)
    return made


def _triangle(hertz: float, seconds: float, random: Random) -> Audio:
    """The triangle of an old console: sixteen steps up, sixteen down."""
    del random
    phase = _phase(hertz, int(seconds * RATE), 0.25)
    made: Audio = (np.round((4 * np.abs(phase - 0.5) - 1) * 7.5) / 7.5).astype(np.float32)
    return equalise(made, band("low", 6000))


def _pulse(width: float) -> Callable[[float, float, Random], Audio]:
    def make(hertz: float, seconds: float, random: Random) -> Audio:
        del random
        t = _times(seconds)
        steps = np.round((0.55 + 0.45 * np.exp(-t / 0.09)) * 15) / 15  # a four-bit envelope
        return audio(0.7 * pulse(hertz, len(t), width) * steps)

    return make


PATCHES: Mapping[str, Callable[[float, float, Random], Audio]] = {
    "supersaw": _supersaw, "softpad": _softpad, "pluck": _pluck, "bell": _bell, "epiano": _epiano,
    "softsquare": _softsquare, "sawbass": _sawbass, "triangle": _triangle, "pulse50": _pulse(0.5),
    "pulse25": _pulse(0.25),
}  # fmt: skip
