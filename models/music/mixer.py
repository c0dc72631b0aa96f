"""From stems to a master: faders, ducking, rooms, the bus, loudness.

Faders are set by measuring: each part is brought to its style's level against the drums, so a
quiet SoundFont patch and a loud one sit equally well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.music import loudness, stems
from models.music.dsp import (
    RATE,
    Audio,
    band,
    compress,
    decibels,
    duck,
    echo,
    equalise,
    fade,
    reverb,
    saturate,
    stereo,
)
from models.music.song import Song
from models.music.voices import Players

LOUDNESS = -14.0  # LUFS, what streaming services play at
CEILING = -1.8  # dBTP in the master, so that lossy copies stay under -1
_DRUMS = -18.0  # LUFS of the drums before the bus
_MOST = 30.0  # dB a fader may move
#: What each part sends to the room, and how much it gives way to the kick beside bass and pad.
_SEND = {"snare": 0.45, "tops": 0.1, "keys": 0.5, "lead": 0.75, "pad": 0.55, "effects": 0.5}
_GIVES_WAY = {"bass": 1.0, "pad": 1.0, "keys": 0.5, "lead": 0.2}
Check = Callable[[], None]


@dataclass(frozen=True)
class Mixed:
    """A finished master with its figures."""

    audio: Audio  # [2, n] at 44.1 kHz
    loudness: float  # LUFS
    true_peak: float  # dBTP

    @property
    def seconds(self) -> float:
        """How long it sounds."""
        return self.audio.shape[1] / RATE


def produce(song: Song, players: Players, check: Check = lambda: None,
            mixing: Callable[[], None] = lambda: None) -> Mixed:  # fmt: skip
    """Play and mix a song; ``mixing`` is called when the last note is played."""
    parts = stems.record(song, players, check)
    mixing()
    return finish(balance(song, parts, check), song, check)


def balance(song: Song, parts: dict[str, Audio], check: Check = lambda: None) -> dict[str, Audio]:
    """Set the faders and let the others give way to the kick; returns the parts as they are summed."""
    check()
    mix = song.style.mix
    drums = stems.drum_bus(parts)
    gain = decibels(np.clip(_DRUMS - loudness.rough(drums), -_MOST, _MOST))
    set_parts = {
        n: parts[n] * np.float32(gain) for n in ("kick", "snare", "tops", "effects") if n in parts
    }
    curve = duck(drums.shape[1], stems.kick_times(song), mix.duck, 0.11 + 0.22 * mix.duck)
    for track in stems.TONES:
        check()
        level = loudness.rough(parts[track])
        if level <= loudness.SILENCE:
            continue
        fader = np.clip(_DRUMS + getattr(mix, track) - level, -_MOST, _MOST)
        dip = 1 - (1 - curve) * np.float32(_GIVES_WAY[track])
        set_parts[track] = parts[track] * (np.float32(decibels(float(fader))) * dip)
    return set_parts


def finish(parts: dict[str, Audio], song: Song, check: Check = lambda: None) -> Mixed:
    """Add rooms, sum, treat the bus and bring it to loudness."""
    mix = song.style.mix
    n = next(iter(parts.values())).shape[-1]
    bus = np.zeros((2, n), np.float32)
    sent = np.zeros((2, n), np.float32)
    for name, part in parts.items():
        bus += part  # a mono part lands on both sides
        if name in _SEND:
            sent += part * np.float32(_SEND[name])
    check()
    if "lead" in parts and mix.echo > -40:
        bounced = echo(parts["lead"], 0.75 * 60 / song.bpm) * np.float32(decibels(mix.echo))
        bus += bounced
        sent += bounced * np.float32(0.5)
    check()
    bus += reverb(sent, mix.room) * np.float32(decibels(mix.wet) * 2.2)
    check()
    bus = _bus(bus, song)
    check()
    bus = _trim(bus, song)
    mastered = loudness.master(bus, LOUDNESS, CEILING)
    check()
    fade(mastered, 0.002, 0.35)
    return Mixed(mastered, loudness.integrated(mastered), loudness.true_peak(mastered))


def _bus(bus: Audio, song: Song) -> Audio:
    """Low end in the middle, tone, tape, glue."""
    mix = song.style.mix
    middle, side = bus.mean(0), (bus[0] - bus[1]) / 2
    side = equalise(side, band("high", 130), band("high", 130))
    tone = [band("high", 26), band("low_shelf", 85, mix.weight), band("high_shelf", 9000, mix.air)]
    middle = equalise(middle, *tone)
    side = equalise(side, *tone[2:])
    bus = np.stack([middle + side, middle - side])
    level = loudness.rough(bus)
    bus = compress(bus, threshold=level - 1, ratio=mix.glue)
    return _tape(bus, mix.tape, song) if mix.tape else bus


def _tape(bus: Audio, amount: float, song: Song) -> Audio:
    """Wear the sound: bent peaks, darker top, a little wow, and dust on the worst tapes."""
    top = np.float32(np.abs(bus).max(initial=1e-6))
    worn = saturate(bus / top, 1.6 * amount) * top
    worn = equalise(worn, band("low", 17000 - 9500 * amount), band("peak", 110, 1.2 * amount, 0.7))
    if amount < 0.4:
        return worn
    n = worn.shape[1]
    at = np.arange(n, dtype=np.float64)
    t = at / RATE
    sway = amount * (9 * np.sin(2 * np.pi * 0.55 * t) + 2 * np.sin(2 * np.pi * 4.1 * t))  # samples
    worn = np.stack([np.interp(at + sway, at, side) for side in worn]).astype(np.float32)
    random = np.random.default_rng([song.seed, 3])
    dust = np.zeros(n, np.float32)
    clicks = random.integers(0, n, int(9 * n / RATE))
    dust[clicks] = random.exponential(0.5, len(clicks)).astype(np.float32) * random.choice(
        [-1, 1], len(clicks)
    )
    hiss = random.standard_normal((2, n)).astype(np.float32)
    level = np.float32(decibels(loudness.rough(bus) - 42))
    hiss = equalise(hiss, band("high", 600), band("low", 7000)) * level
    return worn + hiss + stereo(equalise(dust, band("high", 900), band("low", 5200)) * level * 26)


def _trim(bus: Audio, song: Song) -> Audio:
    """End where the tail has fallen out of hearing, never before the last bar is over."""
    least = int((song.seconds + 1.0) * RATE)
    loud = np.flatnonzero(np.abs(bus[:, least:]).max(0) > 1.5e-3 * np.abs(bus).max())
    end = least + (int(loud[-1]) if len(loud) else 0) + int(0.25 * RATE)
    return bus[:, : min(end, bus.shape[1])]
