"""Known MIDI played with a SoundFont: audio whose notes are known, to learn and to score by."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import imageio_ffmpeg
import numpy as np
import pretty_midi

from models.music.dsp import RATE, Audio, audio
from models.music.encoding import Tags, encode_at
from models.music.soundfont import SoundFont

_DRUM_BANK = 128
_RELEASE = 0.12  # seconds a pitched note takes to die after its end
_RING = 1.2  # seconds a drum may ring
_LONGEST = 6.0


class Band:
    """A SoundFont with its drum kit, ready to play MIDI."""

    def __init__(self, font: Path) -> None:
        self.name = font.name.split(".")[0]
        self._tones, self._kits = SoundFont(font), SoundFont(font, _DRUM_BANK)
        self._tone = lru_cache(maxsize=512)(self._fresh)

    def play(self, midi: pretty_midi.PrettyMIDI, seconds: float | None = None) -> Audio:
        """Mix a MIDI file down to mono at 44.1 kHz with a peak of half the full scale."""
        end = midi.get_end_time() if seconds is None else seconds
        mixed = np.zeros(int((end + 2 * _RING) * RATE), np.float32)
        for instrument in midi.instruments:
            level = _level(instrument)
            for note in instrument.notes:
                if note.start >= end:
                    continue
                sound = self._sound(instrument, note)
                first = int(note.start * RATE)
                part = sound[: len(mixed) - first]
                mixed[first : first + len(part)] += part * np.float32(
                    level * (note.velocity / 127) ** 2
                )
        return mixed * np.float32(0.5 / max(float(np.abs(mixed).max()), 1e-6))

    def _sound(self, instrument: pretty_midi.Instrument, note: pretty_midi.Note) -> Audio:
        loudness = min(
            20 * (note.velocity // 20) + 10, 127
        )  # few steps, so that tones are played once
        if instrument.is_drum:
            return self._tone(True, int(instrument.program), note.pitch, loudness, _RING)
        held = min(max(note.end - note.start, 0.03), _LONGEST)
        rounded = float(np.ceil(8 * (held + _RELEASE)) / 8)
        whole = self._tone(False, int(instrument.program), note.pitch, loudness, rounded)
        n, fading = int(held * RATE), int(_RELEASE * RATE)
        sound = whole[: n + fading].copy()
        tail = len(sound) - n
        sound[n:] *= np.exp(-np.linspace(0, 6, tail, dtype=np.float32))
        return sound

    def _fresh(self, drum: bool, programme: int, key: int, velocity: int, seconds: float) -> Audio:
        font = self._kits if drum else self._tones
        sound = font.tone(programme, key, velocity, seconds)
        return audio(sound.mean(axis=0) if sound.ndim == 2 else sound)


def _level(instrument: pretty_midi.Instrument) -> float:
    """Give the channel's volume as a factor; the usual 100 where the file is silent."""
    volumes = [change.value for change in instrument.control_changes if change.number == 7]
    return ((volumes[0] if volumes else 100) / 127) ** 2


def mp3(sound: Audio, kilobits: int = 128) -> bytes:
    """Encode mono audio as people's files are."""
    tags = Tags("round trip", 120, "C major", 0, imageio_ffmpeg.__version__)
    return encode_at(np.stack([sound, sound]), "mp3", kilobits, tags).data


def excerpt(midi: pretty_midi.PrettyMIDI, start: float, seconds: float) -> pretty_midi.PrettyMIDI:
    """Cut a stretch out of a file; notes that begin in it stay, their tempo map does not."""
    cut = pretty_midi.PrettyMIDI()
    for instrument in midi.instruments:
        kept = pretty_midi.Instrument(instrument.program, instrument.is_drum, instrument.name)
        kept.control_changes = [
            pretty_midi.ControlChange(c.number, c.value, 0.0)
            for c in instrument.control_changes
            if c.time <= start + seconds
        ]
        kept.notes = [
            pretty_midi.Note(n.velocity, n.pitch, n.start - start, min(n.end - start, seconds))
            for n in instrument.notes
            if start <= n.start < start + seconds - 0.05
        ]
        if kept.notes:
            cut.instruments.append(kept)
    return cut
