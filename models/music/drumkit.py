"""Synthesised drums: every sound is made here, in four takes and three velocities, then kept.

A take is what a second stroke of the same hand differs by (round robin); a velocity changes
the colour, not the level alone. Sounds are mono [n] or stereo [2, n] at 44.1 kHz with peak 1.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from models.music.dsp import RATE, Audio, audio, band, decibels, equalise, pan
from models.music.groove import NAME_OF
from models.music.kits import KITS, Kit
from models.music.song import Note

TAKES, LAYERS = 4, 3
_RARE = ("crash", "ride", "low_tom", "mid_tom", "high_tom")  # two takes are enough
Random = np.random.Generator
#: Balance of the kit in decibels, and the place of each drum from -1 (left) to 1 (right).
_LEVEL = {
    "kick": 0.0, "snare": -2.5, "clap": -4.5, "closed_hat": -8.5, "open_hat": -9.5, "low_tom": -4.5,
    "mid_tom": -5.5, "high_tom": -6.0, "crash": -11.0, "ride": -11.0, "shaker": -11.5,
    "percussion": -8.0,
}  # fmt: skip
_PLACE = {
    "closed_hat": 0.22, "open_hat": 0.22, "low_tom": 0.4, "mid_tom": 0.1, "high_tom": -0.25,
    "shaker": -0.45, "percussion": -0.35, "ride": -0.3, "crash": 0.0,
}  # fmt: skip
GROUPS = {"kick": "kick", "snare": "snare", "clap": "snare"}  # all others are "tops"
_CHOKED_BY = {"open_hat": ("closed_hat", "open_hat")}


def render(notes: Sequence[Note], kit: str, length: int, seed: int) -> dict[str, Audio]:
    """Play a drum track: mono ``kick`` and ``snare`` [length] and stereo ``tops`` [2, length]."""
    out = {name: np.zeros(length, np.float32) for name in ("kick", "snare")}
    out["tops"] = np.zeros((2, length), np.float32)
    random = np.random.default_rng([seed, 7])
    levels = KITS[kit].levels
    take = dict.fromkeys(_LEVEL, 0)
    chokes = {drum: _starts(notes, by) for drum, by in _CHOKED_BY.items()}
    for note in notes:
        drum = NAME_OF.get(note.pitch, "percussion")
        take[drum] = (take[drum] + 1 + int(random.integers(TAKES - 1))) % TAKES  # never twice
        sound = one_shot(
            kit, drum, layer(note.velocity), take[drum] % (2 if drum in _RARE else TAKES)
        )
        at = round(note.start * RATE)
        stop = min(length, at + sound.shape[-1])
        if drum in chokes:
            stop = min(stop, _next(chokes[drum], at) or stop)
        if stop <= at:
            continue
        gain = decibels(_LEVEL[drum] + levels.get(drum, 0.0)) * (note.velocity / 127) ** 1.5
        part = sound[..., : stop - at] * np.float32(gain)
        if stop - at < sound.shape[-1]:
            tail = min(400, stop - at)
            part[..., -tail:] *= np.linspace(1, 0, tail, dtype=np.float32)
        out[GROUPS.get(drum, "tops")][..., at:stop] += part
    return out


def layer(velocity: int) -> int:
    """Choose the velocity layer: 0 soft, 1 medium, 2 hard."""
    return 0 if velocity < 60 else 1 if velocity < 100 else 2


@lru_cache(maxsize=len(KITS) * len(_LEVEL) * TAKES * LAYERS)
def one_shot(kit: str, drum: str, layer: int, take: int) -> Audio:
    """Make one take of one drum; the same arguments give the same sound."""
    random = np.random.default_rng([list(KITS).index(kit), list(_LEVEL).index(drum), take])
    hard = (0.35, 0.7, 1.0)[layer]
    made = _MAKERS[drum](KITS[kit], hard, random)
    made = _finish(made)
    if drum in _PLACE and made.ndim == 1:
        made = pan(made, _PLACE[drum])
    made.flags.writeable = False
    return made


def _starts(notes: Sequence[Note], drums: Sequence[str]) -> list[int]:
    return [round(n.start * RATE) for n in notes if NAME_OF.get(n.pitch) in drums]


def _next(starts: Sequence[int], after: int) -> int | None:
    """Find the next start at least 20 ms later: a flam is no choke."""
    return min((s for s in starts if s > after + RATE // 50), default=None)


def _finish(x: Audio) -> Audio:
    """Take the offset out, begin and end at nothing, bring the peak to 1."""
    x = equalise(x, band("high", 22))
    x[..., :24] *= np.linspace(0, 1, 24, dtype=np.float32)
    tail = min(1200, x.shape[-1] // 4)
    x[..., -tail:] *= np.cos(np.linspace(0, np.pi / 2, tail, dtype=np.float32)) ** 2
    return audio(x / np.abs(x).max())


def _time(seconds: float) -> NDArray[np.float32]:
    return audio(np.arange(int(seconds * RATE)) / RATE)


def _noise(n: int, random: Random) -> Audio:
    return random.standard_normal(n, dtype=np.float32)


def _fall(t: NDArray[np.float32], start: float, end: float, sweep: float) -> Audio:
    """Sine whose pitch falls from ``start`` to ``end`` Hz."""
    hertz = end + (start - end) * np.exp(-t / sweep)
    fallen: Audio = np.sin(2 * np.pi * np.cumsum(hertz, dtype=np.float64) / RATE).astype(np.float32)
    return fallen


def _drive(x: Audio, amount: float) -> Audio:
    driven: Audio = np.tanh(x * np.float32(1 + amount)).astype(np.float32)
    return driven if amount > 0 else x


def _stepped(x: Audio, levels: int = 8, hold: int = 4) -> Audio:
    """Round to a few levels and hold samples, as an old sound chip does."""
    held = np.repeat(x[..., ::hold], hold, axis=-1)[..., : x.shape[-1]]
    rounded: Audio = (np.round(held * levels) / levels).astype(np.float32)
    return rounded


def _kick(kit: Kit, hard: float, random: Random) -> Audio:
    k = kit.kick
    decay = k.decay * random.uniform(0.97, 1.03) * (0.85 + 0.15 * hard)
    t = _time(min(1.6, 7 * decay))
    peak = k.end + (k.start - k.end) * (0.6 + 0.4 * hard)
    body = _fall(t, peak, k.end * random.uniform(0.995, 1.005), k.sweep)
    body += 0.35 * _fall(t, peak * 2.6, k.end, k.sweep * 0.3) * np.exp(-t / (k.sweep * 1.5))
    body *= 0.8 * np.exp(-t / decay) + 0.3 * np.exp(-t / (decay * 0.25))
    if kit.chip:
        return _stepped(body)
    body = _drive(body, k.drive)
    beater = equalise(_noise(len(t), random), band("peak", k.click_hertz, 12, 1.2),
                      band("high", 900), band("low", 2.4 * k.click_hertz))  # fmt: skip
    beater *= np.exp(-t / 0.0035)
    knock = np.sin(2 * np.pi * k.click_hertz * 0.5 * t) * np.exp(-t / 0.004)
    return audio(body + k.click * hard * (0.16 * beater + 0.5 * knock))


def _snare(kit: Kit, hard: float, random: Random) -> Audio:
    s = kit.snare
    t = _time(0.12 + 5 * max(s.shell, s.wires * (0.7 + 0.3 * hard)))
    tone = s.tone * random.uniform(0.99, 1.01)
    shell = _fall(t, tone * 1.5, tone, 0.012) * np.exp(-t / s.shell)
    shell += 0.55 * _fall(t, tone * 2.2, tone * 1.72, 0.01) * np.exp(-t / (s.shell * 0.6))
    shell += 0.2 * np.sin(2 * np.pi * tone * 2.63 * t) * np.exp(-t / (s.shell * 0.4))
    noise = _noise(len(t), random)
    if kit.chip:
        return _stepped(np.clip(noise, -1, 1) * np.exp(-t / s.wires) * 0.8 + 0.4 * shell, 6, 5)
    wires = equalise(noise, band("high", 1100), band("peak", 4200, 5, 0.8),
                     band("low", s.bright * (0.65 + 0.35 * hard)))  # fmt: skip
    life = s.wires * (0.7 + 0.3 * hard)
    wires *= 0.75 * np.exp(-t / (life * 0.35)) + 0.45 * np.exp(-t / life)
    attack = equalise(_noise(len(t), random), band("high", 2500)) * np.exp(-t / 0.004)
    mixed = 0.62 * shell + s.snap * (0.46 + 0.2 * hard) * wires + 0.3 * hard * attack
    if s.room:
        gate = np.clip((0.2 - t) / 0.06, 0, 1) * np.minimum(1, t / 0.012)
        air = equalise(_noise(len(t), random), band("high", 350), band("low", 4500))
        mixed += s.room * 0.1 * air * gate * np.exp(-t / 0.16)
    return _drive(mixed, s.drive)


def _clap(kit: Kit, hard: float, random: Random) -> Audio:
    if kit.clap == "rim":
        return _rim(kit, hard, random)
    t = _time(0.42)
    shape = np.zeros_like(t)
    for at in (0.0, 0.0095, 0.0195, 0.029):
        late = t - at - random.uniform(0, 0.0015)
        shape += np.where(late >= 0, np.exp(-np.maximum(late, 0) / 0.0045), 0)
    shape += np.where(t > 0.03, 0.75 * np.exp(-np.maximum(t - 0.03, 0) / (0.05 + 0.04 * hard)), 0)
    noise = equalise(_noise(len(t), random), band("high", 700), band("peak", 1250, 9, 1.1),
                     band("low", 6000 + 3000 * hard))  # fmt: skip
    clapped = _drive(noise * shape * 0.5, 0.8)
    return _stepped(clapped, 6, 5) if kit.chip else clapped


def _rim(kit: Kit, hard: float, random: Random) -> Audio:
    del kit
    t = _time(0.16)
    tune = random.uniform(0.985, 1.015)
    ring = np.sin(2 * np.pi * 1680 * tune * t) * np.exp(-t / 0.012)
    ring += 0.8 * np.sin(2 * np.pi * 515 * tune * t) * np.exp(-t / 0.022)
    knock = equalise(_noise(len(t), random), band("high", 1800)) * np.exp(-t / 0.003)
    return audio(ring + 0.35 * hard * knock)


def _partials(
    t: NDArray[np.float32], hertz: NDArray[np.float64], lives: NDArray[np.float64], random: Random
) -> Audio:
    """Sum decaying sines of random phase and level, as struck metal does.

    Lives are rounded to fifteen per cent, so that partials share their envelopes.
    """
    out = np.zeros_like(t)
    groups: dict[int, list[float]] = {}
    for frequency, life in zip(hertz.tolist(), lives.tolist(), strict=True):
        groups.setdefault(round(np.log(life) / 0.15), []).append(frequency)
    for step, together in groups.items():
        ring = np.zeros_like(t)
        for frequency in together:
            phase, level = random.uniform(0, 2 * np.pi), random.uniform(0.4, 1.0)
            turn = np.float32(2 * np.pi * frequency)
            ring += np.float32(level) * np.sin(turn * t + np.float32(phase))
        out += ring * np.exp(-t / np.float32(np.exp(0.15 * step)))
    return out


def _hat(kit: Kit, hard: float, random: Random, life: float) -> Audio:
    h = kit.hat
    life *= random.uniform(0.92, 1.08) * (0.75 + 0.25 * hard)
    t = _time(min(1.4, 0.05 + 6 * life))
    envelope = 0.7 * np.exp(-t / life) + 0.3 * np.exp(-t / (0.3 * life))
    noise = _noise(len(t), random)
    if kit.chip:
        return _stepped(np.clip(noise, -1, 1) * envelope, 4, 2)
    # The ratios of six detuned square waves, with their odd harmonics.
    base = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0]) * h.tune
    hertz = np.concatenate([base * k for k in range(5, 45, 2)])
    hertz = hertz[(hertz > 3000) & (hertz < 17000)] * random.uniform(0.996, 1.004)
    metal = _partials(t, hertz, np.full(len(hertz), 10.0), random) / np.sqrt(len(hertz))
    mixed = (h.metal * metal * 1.6 + (1 - h.metal) * noise) * envelope
    return equalise(mixed, band("high", h.low), band("high", h.low * 0.6),
                    band("high_shelf", 9000, -4 * (1 - hard)), band("low", 15500))  # fmt: skip


def _closed(kit: Kit, hard: float, random: Random) -> Audio:
    return _hat(kit, hard, random, kit.hat.closed)


def _open(kit: Kit, hard: float, random: Random) -> Audio:
    return _hat(kit, hard, random, kit.hat.open)


def _tom(which: int) -> Callable[[Kit, float, Random], Audio]:
    def make(kit: Kit, hard: float, random: Random) -> Audio:
        hertz = kit.toms[which] * random.uniform(0.99, 1.01)
        decay = kit.tom_decay * (1.25, 1.0, 0.85)[which]
        t = _time(5.5 * decay)
        body = _fall(t, hertz * (1.25 + 0.35 * hard), hertz, 0.035) * np.exp(-t / decay)
        body += 0.3 * _fall(t, hertz * 2, hertz * 1.59, 0.03) * np.exp(-t / (decay * 0.4))
        if kit.chip:
            return _stepped(body)
        stick = equalise(_noise(len(t), random), band("high", 1500), band("low", 6000))
        return _drive(body + 0.14 * hard * stick * np.exp(-t / 0.009), 0.5)

    return make


def _crash(kit: Kit, hard: float, random: Random) -> Audio:
    t = _time(2.4 * kit.cymbals)
    if kit.chip:
        return _stepped(np.clip(_noise(len(t), random), -1, 1) * np.exp(-t / 0.2), 5, 3)
    hertz = np.exp(random.uniform(np.log(320), np.log(15000), 110))
    lives = 0.75 * kit.cymbals * (hertz / 1000) ** -0.35
    sides = []
    for _ in range(2):
        ring = _partials(t, hertz, lives, random) / 10
        wash = equalise(_noise(len(t), random), band("high", 3500), band("low", 13000))
        wash *= np.exp(-t / (0.35 * kit.cymbals)) * (1 - 0.6 * np.exp(-t / 0.02))
        sides.append(ring * (1 - 0.7 * np.exp(-t / 0.012)) + 0.45 * wash)
    wide = np.stack(sides)
    return equalise(wide, band("high", 420), band("high_shelf", 7000, -5 * (1 - hard)))


def _ride(kit: Kit, hard: float, random: Random) -> Audio:
    t = _time(1.3 * kit.cymbals)
    if kit.chip:
        return _stepped(np.clip(_noise(len(t), random), -1, 1) * np.exp(-t / 0.05), 4, 2)
    hertz = np.exp(random.uniform(np.log(420), np.log(12500), 60))
    ring = _partials(t, hertz, 0.5 * kit.cymbals * (hertz / 1000) ** -0.3, random) / 9
    ping = (
        np.sin(2 * np.pi * 3150 * t)
        + 0.7 * np.sin(2 * np.pi * 4720 * t)
        + 0.5 * np.sin(2 * np.pi * 5980 * t)
    )
    tick = equalise(_noise(len(t), random), band("high", 4500)) * np.exp(-t / 0.006)
    mixed = 0.5 * ring + 0.28 * hard * ping * np.exp(-t / 0.14) + 0.25 * hard * tick
    return equalise(mixed.astype(np.float32), band("high", 600))


def _shaker(kit: Kit, hard: float, random: Random) -> Audio:
    del kit
    t = _time(0.2)
    rise = 0.018 + 0.012 * (1 - hard) + random.uniform(0, 0.004)
    shape = np.minimum(1, t / rise) ** 2 * np.exp(-np.maximum(t - rise, 0) / 0.03)
    grains = equalise(
        _noise(len(t), random), band("high", 4800), band("peak", 7500, 5, 1.0), band("low", 12500)
    )
    return audio(grains * shape)


def _percussion(kit: Kit, hard: float, random: Random) -> Audio:
    tune = random.uniform(0.985, 1.015)
    if kit.percussion == "cowbell":
        t = _time(0.4)
        tones = sum(np.sign(np.sin(2 * np.pi * f * tune * t)) for f in (562.0, 845.0))
        belled = np.asarray(tones, np.float32) * (0.6 * np.exp(-t / 0.02) + 0.4 * np.exp(-t / 0.09))
        return equalise(belled, band("peak", 850, 6, 1.0), band("high", 450), band("low", 5000))
    if kit.percussion == "wood":
        t = _time(0.18)
        block = _fall(t, 1150 * tune, 980 * tune, 0.01) * np.exp(-t / 0.02)
        block += 0.4 * _fall(t, 2300 * tune, 2050 * tune, 0.01) * np.exp(-t / 0.012)
        return audio(block)
    if kit.percussion == "blip":
        t = _time(0.12)
        return _stepped(np.sign(_fall(t, 1400, 880, 0.01)) * np.exp(-t / 0.03), 6, 3)
    t = _time(0.5)
    body = _fall(t, 262 * tune * (1 + 0.12 * hard), 226 * tune, 0.02) * np.exp(-t / 0.085)
    body += 0.35 * _fall(t, 560 * tune, 480 * tune, 0.015) * np.exp(-t / 0.04)
    slap = equalise(_noise(len(t), random), band("high", 1400), band("low", 5200))
    slap *= np.exp(-t / 0.008)
    return audio(body + 0.3 * hard * slap)


_MAKERS: Mapping[str, Callable[[Kit, float, Random], Audio]] = {
    "kick": _kick, "snare": _snare, "clap": _clap, "closed_hat": _closed, "open_hat": _open,
    "low_tom": _tom(0), "mid_tom": _tom(1), "high_tom": _tom(2), "crash": _crash, "ride": _ride,
    "shaker": _shaker, "percussion": _percussion,
}  # fmt: skip
