"""From stems to a master: faders, ducking, rooms, the bus, loudness.

Faders are set by measuring: each part is brought to its style's level against the drums, so a
quiet SoundFont patch and a loud one sit equally well.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from models.music import loudness, stems, tone
from models.music.dsp import (
    RATE,
    Audio,
    audio,
    band,
    compress,
    decibels,
    doubled,
    duck,
    echo,
    equalise,
    fade,
    halved,
    reverb,
    saturate,
)
from models.music.song import Song
from models.music.voices import Players

LOUDNESS = -14.0  # LUFS, what streaming services play at
CEILING = -1.8  # dBTP in the master, so that lossy copies stay under -1
_DRUMS = -18.0  # LUFS of the drums before the bus
_KIT = {"kick": -3.0, "snare": -4.0, "tops": -10.0}  # LU against the whole kit
_MOST = 30.0  # dB a fader may move
#: What each part sends to the room, and how much it gives way to the kick beside bass and pad.
_SEND = {"snare": 0.45, "tops": 0.1, "keys": 0.5, "lead": 0.75, "pad": 0.55, "effects": 0.5}
_NO_ECHO = -40.0  # dB
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
        return float(self.audio.shape[1] / RATE)


def produce(song: Song, players: Players, check: Check = lambda: None,
            mixing: Callable[[], None] = lambda: None) -> Mixed:  # fmt: skip
    """Play and mix a song; ``mixing`` is called when the last note is played."""
    parts = stems.record(song, players, check)
    mixing()
    return finish(balance(song, parts, check), song, check)


def balance(song: Song, parts: dict[str, Audio], check: Check = lambda: None) -> dict[str, Audio]:
    """Set the faders and let others give way to the kick, in the parts' own memory."""
    check()
    mix = song.style.mix
    _set_kit(parts)
    drums = stems.drum_bus(parts)
    gain = _fader(_DRUMS - loudness.rough(drums))
    curve = duck(drums.shape[1], stems.kick_times(song), mix.duck, 0.11 + 0.22 * mix.duck)
    for name, part in parts.items():
        check()
        if name not in stems.TONES:
            part *= gain
            continue
        level = loudness.rough(part)
        if level > loudness.SILENCE:
            dip = 1 - (1 - curve) * np.float32(_GIVES_WAY[name])
            part *= dip * _fader(_DRUMS + getattr(mix, name) - level)
    return parts


def _fader(change: float) -> np.float32:
    """Turn decibels into a factor, as far as a fader goes."""
    return np.float32(decibels(max(-_MOST, min(_MOST, change))))


def _set_kit(parts: dict[str, Audio]) -> None:
    """Bring kick, snare and cymbals part of the way to their places: patterns differ in density."""
    whole = loudness.rough(stems.drum_bus(parts))
    for name, place in _KIT.items():
        level = loudness.rough(parts[name])
        if level > loudness.SILENCE:
            change = max(-4.0, min(5.0, 0.6 * (whole + place - level)))
            parts[name] *= np.float32(decibels(change))


def finish(parts: dict[str, Audio], song: Song, check: Check = lambda: None) -> Mixed:
    """Add rooms, sum, treat the bus and bring it to loudness; empties ``parts`` on the way."""
    n = next(iter(parts.values())).shape[-1]
    bus = np.zeros((2, n), np.float32)
    sent = np.zeros((2, n), np.float32)
    lead = halved(parts["lead"]) if song.style.mix.echo > _NO_ECHO else None
    for name in list(parts):
        part = parts.pop(name)  # long songs are large: let go of what is summed
        bus += part  # a mono part lands on both sides
        if name in _SEND:
            sent += part * np.float32(_SEND[name])
    check()
    bus += doubled(_space(halved(sent), lead, song), n)
    check()
    bus = _bus(bus, song)
    check()
    bus = _trim(bus, song)
    mastered, heard = loudness.master(bus, LOUDNESS, CEILING)
    check()
    mastered -= mastered.mean(1, keepdims=True)
    fade(mastered, 0.002, 0.35)
    return Mixed(mastered, heard, loudness.true_peak(mastered))


def _space(sent: Audio, lead: Audio | None, song: Song) -> Audio:
    """Give the room and the lead's echoes, all at half rate."""
    mix = song.style.mix
    heard = np.zeros_like(sent)
    if lead is not None:
        heard = echo(lead, 0.75 * 60 / song.bpm) * np.float32(decibels(mix.echo))
        sent = sent + heard * np.float32(0.5)
    return audio(heard + reverb(sent, mix.room) * np.float32(decibels(mix.wet) * 2.2))


def _bus(bus: Audio, song: Song) -> Audio:
    """Low end in the middle, tone, tape, glue."""
    mix = song.style.mix
    middle, side = bus.mean(0), (bus[0] - bus[1]) / 2
    side = equalise(side, band("high", 130), band("high", 130))
    bus = tone.lean(np.stack([middle + side, middle - side]), mix.tone, _darkness(mix.tape))
    level = loudness.rough(bus)
    bus = compress(bus, threshold=level - 1, ratio=mix.glue)
    return _tape(bus, mix.tape, song) if mix.tape else bus


def _darkness(tape: float) -> float:
    """Give the Hz above which a tape loses its treble."""
    return 17000 - 9500 * tape if tape else 20000


def _tape(bus: Audio, amount: float, song: Song) -> Audio:
    """Wear the sound: bent peaks, and on old tapes a little wow and dust."""
    top = np.float32(np.abs(bus).max(initial=1e-6))
    worn = saturate(bus / top, 1.6 * amount) * top
    if amount < 0.4:
        return worn
    return _dusty(_wow(worn, amount), loudness.rough(bus) - 42, song.seed)


def _wow(x: Audio, amount: float) -> Audio:
    """Let the speed waver by about a thousandth."""
    n = x.shape[1]
    t = np.arange(n, dtype=np.float32) / np.float32(RATE)
    sway = amount * (12 + 9 * np.sin(np.float32(3.46) * t) + 2 * np.sin(np.float32(25.8) * t))
    whole = sway.astype(np.int32)
    part = sway - whole
    place = np.arange(n, dtype=np.int32) + whole
    here, after = (x.take(place + k, axis=1, mode="clip") for k in (0, 1))
    wavered: Audio = here + part * (after - here)
    return wavered


def _dusty(x: Audio, level: float, seed: int) -> Audio:
    """Lay the hiss of a tape and the clicks of a worn record under the music."""
    random = np.random.default_rng([seed, 3])
    n, loop = x.shape[1], 3 * RATE
    clicks = random.integers(0, loop, 26)
    dust = np.zeros(loop, np.float32)
    dust[clicks] = random.exponential(0.5, 26) * random.choice([-1, 1], 26)
    hiss = equalise(
        random.standard_normal((2, loop), np.float32), band("high", 600), band("low", 7000)
    )
    noise = hiss + 26 * equalise(dust, band("high", 900), band("low", 5200))
    noise *= np.float32(decibels(level))
    return x + np.tile(noise, -(-n // loop))[:, :n]


def _trim(bus: Audio, song: Song) -> Audio:
    """End where the tail has fallen out of hearing, never before the last bar is over."""
    least = int((song.seconds + 1.0) * RATE)
    loud = np.flatnonzero(np.abs(bus[:, least:]).max(0) > 1.5e-3 * np.abs(bus).max())
    end = least + (int(loud[-1]) if len(loud) else 0) + int(0.25 * RATE)
    return bus[:, : min(end, bus.shape[1])]
