"""Notes become stems: each part of the band played, cleaned and placed, before the faders."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from models.music import drumkit
from models.music.dsp import RATE, Audio, audio, band, equalise, fade, pan, saturate, stereo
from models.music.groove import PITCH_OF
from models.music.song import Effect, Song
from models.music.voices import Players

Check = Callable[[], None]
TONES = ("bass", "keys", "lead", "pad")
#: Cuts and lifts by stem: rumble out, mud out, presence where it belongs.
_EQ = {
    "kick": (band("high", 28), band("peak", 320, -3.5, 0.9), band("peak", 3200, 2, 1.0)),
    "snare": (band("high", 105), band("peak", 480, -2.5, 1.0), band("high_shelf", 6500, 2)),
    "tops": (band("high", 60), band("peak", 420, -2, 0.9)),
    "bass": (band("high", 30), band("peak", 260, -2.5, 0.9)),
    "keys": (band("high", 130), band("peak", 340, -3, 0.9), band("high_shelf", 7000, 1.5)),
    "lead": (band("high", 190), band("peak", 2800, 2, 0.8)),
    "pad": (band("high", 210), band("peak", 450, -3, 0.8), band("low", 10000)),
}
_PLACE = {"keys": -0.12, "lead": 0.1, "pad": 0.0}
_WIDTH = {"keys": 0.4, "lead": 0.22, "pad": 0.6}


def length_of(song: Song) -> int:
    """Count the samples of a song with the tail of its last chord and its room."""
    tail = 10 / 16 * song.bar_seconds + 0.9 * song.style.mix.room + 0.7
    return int((song.seconds + tail) * RATE)


def record(song: Song, players: Players, check: Check = lambda: None) -> dict[str, Audio]:
    """Play each part: mono ``kick``, ``snare``, ``bass``, stereo ``tops``, tones, ``effects``."""
    length = length_of(song)
    with ThreadPoolExecutor(2, "stems") as pool:
        drums = pool.submit(_drums, song, length, check)
        tones = {t: pool.submit(_tone, song, t, players, length, check) for t in TONES}
        found = drums.result() | {track: future.result() for track, future in tones.items()}
    if song.effects:
        found["effects"] = _effects(song.effects, song.kit, length)
    return found


def _drums(song: Song, length: int, check: Check) -> dict[str, Audio]:
    check()
    played = drumkit.render(song.tracks["drums"], song.kit, length, song.seed)
    check()
    return {name: equalise(sound, *_EQ[name]) for name, sound in played.items()}


def _tone(song: Song, track: str, players: Players, length: int, check: Check) -> Audio:
    check()
    voice, notes = song.voices[track], song.tracks[track]
    if not notes:
        return np.zeros(length if track == "bass" else (2, length), np.float32)
    glide = song.style.glide
    sound = players.render(notes, voice, length, glide=glide, check=check)
    if track == "bass":
        sound = sound if sound.ndim == 1 else sound.mean(0)
        if not voice.patch:  # sampled basses lack the lowest octave
            sound = _deepened(sound)
        return equalise(sound, *_EQ["bass"])
    sound = equalise(stereo(sound), *_EQ[track])
    return widen(_balance(sound, _PLACE[track]), _WIDTH[track])


def _deepened(sound: Audio) -> Audio:
    """Add weight and warmth to a sampled bass: lifted lows, bent peaks."""
    top = float(np.abs(sound).max(initial=1e-6))
    warm = saturate(equalise(sound / np.float32(top), band("low_shelf", 95, 4.5)), 1.2)
    return equalise(warm, band("low", 5000))


def _balance(sound: Audio, place: float) -> Audio:
    sides = pan(np.ones(1, np.float32), place)
    return audio(sound * sides)


def widen(sound: Audio, amount: float) -> Audio:
    """Spread a part to the sides so that the sum of the sides stays what it was."""
    middle = sound.mean(0)
    late = int(0.014 * RATE)
    side = np.zeros_like(middle)
    side[late:] = equalise(middle[:-late], band("high", 350), band("low", 9000))
    return audio(sound + np.stack([side, -side]) * np.float32(amount))


def _effects(effects: tuple[Effect, ...], kit: str, length: int) -> Audio:
    out = np.zeros((2, length), np.float32)
    for effect in effects:
        at, stop = max(0, int(effect.start * RATE)), min(length, int(effect.end * RATE))
        if stop - at < RATE // 10:
            continue
        sound = _riser(stop - at) if effect.kind == "riser" else _reverse(kit, stop - at)
        out[:, at:stop] += sound
    return out


def _riser(n: int) -> Audio:
    """Noise that climbs in pitch and level and stops dead on the beat."""
    random = np.random.default_rng(n)
    place = np.linspace(0, 1, n, dtype=np.float32)
    out = np.zeros((2, n), np.float32)
    for centre, low, high in (
        (0.15, 300, 900),
        (0.45, 900, 2600),
        (0.75, 2600, 6500),
        (1.0, 6500, 14000),
    ):
        noise = equalise(
            random.standard_normal((2, n)).astype(np.float32), band("high", low), band("low", high)
        )
        out += noise * np.exp(-(((place - centre) / 0.24) ** 2))
    out *= 0.22 * place**1.7
    return fade(out, 0.05, 0.012)


def _reverse(kit: str, n: int) -> Audio:
    crash = drumkit.one_shot(kit, "crash", 1, 0)[:, :n][:, ::-1]
    out = np.zeros((2, n), np.float32)
    out[:, n - crash.shape[1] :] = 0.35 * crash
    return fade(out, 0.02, 0.006)


def kick_times(song: Song) -> list[float]:
    """List the seconds at which the kick strikes."""
    return [n.start for n in song.tracks["drums"] if n.pitch == PITCH_OF["kick"]]


def drum_bus(parts: Mapping[str, Audio]) -> Audio:
    """Add the drums up in stereo."""
    return stereo(parts["kick"] + parts["snare"]) + parts["tops"]
