"""A finished song as timed notes: what the arranger writes, the mixer plays and MIDI keeps."""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass

import pretty_midi

from models.music.keys import signature
from models.music.styles import Style, Voice

#: Ticks a quarter note: fine enough to keep swing and human timing.
RESOLUTION = 480
BEATS = 4  # quarter notes a bar


@dataclass(frozen=True, order=True)
class Note:
    """A note as it is played: seconds, MIDI pitch, MIDI velocity 1..127."""

    start: float
    end: float
    pitch: int
    velocity: int


@dataclass(frozen=True)
class Section:
    """A stretch of bars that belong together."""

    name: str
    first: int
    bars: int

    @property
    def last(self) -> int:
        """Number of the last bar, counted from 0."""
        return self.first + self.bars - 1


@dataclass(frozen=True)
class Effect:
    """A sound that is no note: a riser or a reversed cymbal that ends at ``end`` seconds."""

    kind: str
    start: float
    end: float


@dataclass(frozen=True)
class Song:
    """Everything needed to play a song; the same seed gives an equal one."""

    style: Style
    bpm: int
    bars: int
    key: str
    seed: int
    sections: tuple[Section, ...]
    voices: Mapping[str, Voice]
    kit: str
    tracks: Mapping[str, tuple[Note, ...]]
    effects: tuple[Effect, ...] = ()

    @property
    def bar_seconds(self) -> float:
        """Seconds a bar lasts."""
        return BEATS * 60 / self.bpm

    @property
    def seconds(self) -> float:
        """Seconds of the written bars, without the tail."""
        return self.bars * self.bar_seconds

    def section_names(self) -> tuple[str, ...]:
        """Name the section that every fourth bar belongs to, from the first bar on."""
        starts = range(0, self.bars, 4)
        return tuple(
            next(s.name for s in self.sections if s.first <= bar <= s.last) for bar in starts
        )


def to_midi(song: Song, title: str) -> bytes:
    """Write a Standard MIDI File: tempo, key, section marks, one named track an instrument."""
    score = pretty_midi.PrettyMIDI(resolution=RESOLUTION, initial_tempo=float(song.bpm))
    score.time_signature_changes.append(pretty_midi.TimeSignature(4, 4, 0))
    score.key_signature_changes.append(pretty_midi.KeySignature(signature(song.key), 0))
    score.text_events.append(pretty_midi.Text(title, 0))
    for section in song.sections:
        at = section.first * song.bar_seconds
        score.text_events.append(pretty_midi.Text(section.name, at))
    for name, notes in song.tracks.items():
        voice = song.voices[name]
        instrument = pretty_midi.Instrument(voice.program, is_drum=name == "drums", name=name)
        instrument.notes.extend(
            pretty_midi.Note(n.velocity, n.pitch, n.start, n.end) for n in notes
        )
        score.instruments.append(instrument)
    file = io.BytesIO()
    score.write(file)
    return file.getvalue()
