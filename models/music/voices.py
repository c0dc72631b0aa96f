"""Players of the pitched tracks: the SoundFont or our own tones, note by note.

Either delivers plain held tones; attack, release, loudness and colour are made here.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pretty_midi

from models.music import bass
from models.music.dsp import RATE, Audio, band, equalise
from models.music.patches import PATCHES
from models.music.song import Note
from models.music.soundfont import SoundFont
from models.music.styles import Voice

DEFAULT_SOUNDFONT = Path(pretty_midi.__file__).parent / "TimGM6mb.sf2"
_LONGEST = 10.0  # seconds a tone is sampled for; longer notes end there


@dataclass(frozen=True)
class Touch:
    """How a kind of instrument starts and ends a note, in seconds, and how velocity colours it."""

    attack: float
    release: float
    colour: float = 0.6  # share of the brightness that a soft note loses


def _touch(voice: Voice) -> Touch:
    if voice.patch:
        return _PATCH_TOUCH.get(voice.patch, Touch(0.003, 0.12, 0.5))
    return next(touch for last, touch in _TOUCH if voice.program <= last)


#: By the last General MIDI programme of a family.
_TOUCH = (
    (7, Touch(0.001, 0.28, 0.75)),  # pianos
    (15, Touch(0.001, 0.5, 0.4)),  # bells
    (23, Touch(0.004, 0.06, 0.1)),  # organs
    (31, Touch(0.001, 0.16, 0.55)),  # guitars
    (39, Touch(0.002, 0.06, 0.5)),  # basses
    (46, Touch(0.02, 0.22, 0.5)),  # strings
    (47, Touch(0.001, 0.4, 0.4)),
    (55, Touch(0.05, 0.45, 0.4)),  # ensembles
    (79, Touch(0.015, 0.12, 0.5)),  # winds
    (87, Touch(0.003, 0.1, 0.4)),
    (103, Touch(0.06, 0.6, 0.3)),  # pads
    (127, Touch(0.001, 0.35, 0.4)),
)
_PATCH_TOUCH = {
    "supersaw": Touch(0.006, 0.22, 0.55),
    "softpad": Touch(0.09, 0.7, 0.3),
    "pluck": Touch(0.001, 0.3, 0.6),
    "bell": Touch(0.001, 0.9, 0.4),
    "epiano": Touch(0.002, 0.25, 0.8),
    "softsquare": Touch(0.006, 0.09, 0.4),
    "sawbass": Touch(0.002, 0.04, 0.5),
    "triangle": Touch(0.001, 0.008, 0.0),
    "pulse50": Touch(0.0, 0.008, 0.0),
    "pulse25": Touch(0.0, 0.008, 0.0),
}


class Players:
    """Plays tracks; holds the SoundFont and the tones made lately. Safe to share by threads."""

    def __init__(self, soundfont: Path | None = None, *, cache_bytes: int = 96 * 2**20) -> None:
        self._limit = cache_bytes
        self.soundfont = soundfont or DEFAULT_SOUNDFONT
        self._font = SoundFont(self.soundfont)
        self._lock = threading.Lock()
        self._tones: OrderedDict[tuple[Voice, int, int], Audio] = OrderedDict()
        self._bytes = 0

    def render(
        self, notes: Sequence[Note], voice: Voice, length: int, glide: bool = False,
        check: Callable[[], None] = lambda: None,
    ) -> Audio:  # fmt: skip
        """Play a track as [length] or [2, length]; ``check`` may raise to stop between pitches."""
        if voice.patch in ("808", "sub"):
            return bass.render(notes, voice.patch, length, glide)
        touch = _touch(voice)
        groups: dict[tuple[int, int], list[Note]] = {}
        for note in notes:
            groups.setdefault((note.pitch, _layer(voice, note.velocity)), []).append(note)
        out = np.zeros((2, length), np.float32)
        for (pitch, layer), same in sorted(groups.items()):
            check()
            longest = max(n.end - n.start for n in same) + touch.release + 0.02
            tone = self.tone(voice, pitch, min(longest, _LONGEST), layer)
            dark = equalise(tone, band("low", 900)) if touch.colour else tone
            for note in same:
                _place(out, tone, dark, note, touch)
        return out

    def tone(self, voice: Voice, pitch: int, seconds: float, velocity: int = 100) -> Audio:
        """Give a plain tone of at least some length, from the cache where it is long enough."""
        wanted, key = int(seconds * RATE), (voice, pitch, velocity)
        with self._lock:
            kept = self._tones.get(key)
            if kept is not None and kept.shape[-1] >= wanted:
                self._tones.move_to_end(key)
                return kept
        made = self._make(voice, pitch, velocity, float(np.ceil(2 * seconds) / 2))
        made.flags.writeable = False
        with self._lock:
            old = self._tones.pop(key, None)
            self._bytes += made.nbytes - (old.nbytes if old is not None else 0)
            self._tones[key] = made
            while self._bytes > self._limit and len(self._tones) > 1:
                self._bytes -= self._tones.popitem(last=False)[1].nbytes
        return made

    def _make(self, voice: Voice, pitch: int, velocity: int, seconds: float) -> Audio:
        if voice.patch:
            hertz = 440 * 2 ** ((pitch - 69) / 12)
            random = np.random.default_rng([list(PATCHES).index(voice.patch), pitch])
            return PATCHES[voice.patch](hertz, seconds, random).astype(np.float32)
        return self._font.tone(voice.program, pitch, velocity, seconds)


def _layer(voice: Voice, velocity: int) -> int:
    """Choose the velocity a SoundFont is asked for; our own tones have one layer."""
    return 100 if voice.patch else (48, 84, 112)[(velocity > 64) + (velocity > 98)]


def _place(out: Audio, tone: Audio, dark: Audio, note: Note, touch: Touch) -> None:
    """Add one note: velocity sets level and colour, attack and release its edges."""
    at = round(note.start * RATE)
    held = int((note.end - note.start) * RATE)
    release = int(touch.release * RATE)
    n = min(held + release, tone.shape[-1], out.shape[1] - at)
    if n <= 0:
        return
    loud = note.velocity / 127
    duller = np.float32(touch.colour * min(1.0, max(0.0, 1.15 - loud)))
    gain = np.float32(loud**1.4)
    part = tone[..., :n] * (gain * (1 - duller))
    if duller:
        part += dark[..., :n] * (gain * duller)
    attack = min(int(touch.attack * RATE) + 16, n)
    part[..., :attack] *= np.linspace(0, 1, attack, dtype=np.float32)
    tail = n - min(held, n)
    if tail:
        fall = np.exp(-np.arange(tail, dtype=np.float32) * np.float32(4 / max(1, release)))
        part[..., n - tail :] *= fall
    end = min(200, n)
    part[..., -end:] *= np.linspace(1, 0, end, dtype=np.float32)
    out[:, at : at + n] += part
