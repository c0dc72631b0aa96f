"""MIDI files and phrases: the beat grid of a file, its tracks' roles, its key; and back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from models.music.pianoroll import (
    LENGTH,
    MODES,
    STEPS,
    TONICS,
    TRACKS,
    Note,
    Phrase,
    key_shift,
)

MAX_BARS = 2000  # longer than any song; a hostile file must not fill the memory
PROGRAMS: Mapping[str, int] = {"bass": 33, "keys": 4, "lead": 80, "pad": 89}
# Krumhansl and Kessler's profiles of the pitch classes of a key, tonic first.
_PROFILES = {
    "major": (6.35, 2.23, 3.48, 2.33, 4.38, 4.09, 2.52, 5.19, 2.39, 3.66, 2.29, 2.88),
    "minor": (6.33, 2.68, 3.52, 5.38, 2.60, 3.53, 2.54, 4.75, 3.98, 2.69, 3.34, 3.17),
}


class MidiError(Exception):
    """A MIDI file cannot be used; the message is one plain sentence."""


@dataclass(frozen=True, eq=False)
class Song:
    """A file on its grid: phrases in C or A minor, with the key and tempo they came from."""

    phrases: tuple[Phrase, ...]
    key: str
    bpm: float

    @property
    def mode(self) -> str:
        """Say major or minor."""
        return MODES[self.key.endswith("minor")]


def read_song(path: Path) -> Song:
    """Read a file as four-bar phrases on a sixteenth grid that follows its tempo changes."""
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except Exception as error:  # the parser raises whatever a broken byte leads it to
        raise MidiError(f"{path.name} is not a readable MIDI file.") from error
    if not any(instrument.notes for instrument in midi.instruments):
        raise MidiError(f"{path.name} has no notes.")
    return song_of(midi)


def song_of(midi: pretty_midi.PrettyMIDI) -> Song:
    """Cut a parsed file into phrases; a last phrase of fewer than two bars is left out."""
    grid = grid_of(midi)
    roles = roles_of(midi.instruments)
    key = find_key(midi)
    shift = -key_shift(key)
    count = (len(grid) - 1 + LENGTH // 2) // LENGTH
    written: list[dict[str, list[Note]]] = [{track: [] for track in TRACKS} for _ in range(count)]
    for role, instrument in zip(roles, midi.instruments, strict=True):
        for start, length, pitch in steps_of(instrument, grid):
            phrase, step = divmod(start, LENGTH)
            while phrase < count and length > 0:  # a note over a phrase's end starts anew there
                written[phrase][role].append(Note(step, pitch, min(length, LENGTH - step)))
                length -= LENGTH - step
                phrase, step = phrase + 1, 0
    phrases = tuple(Phrase.from_notes(notes, shift) for notes in written)
    beats = np.diff(grid[::4])
    return Song(phrases, key, float(60 / np.median(beats)) if len(beats) else 120.0)


def grid_of(midi: pretty_midi.PrettyMIDI, pace: float = 1.0) -> NDArray[np.float64]:
    """Give the time of every sixteenth from the first downbeat to the end, in seconds.

    ``pace`` beats are heard where the file has one: 2 hears a slow file twice as fast.
    """
    beats = np.asarray(midi.get_beats(), np.float64)[: MAX_BARS * 4]
    if len(beats) < 2:
        beats = np.array([0.0, 0.5])
    last = beats[-1] - beats[-2]
    bars = np.concatenate([beats, beats[-1] + last * np.arange(1, 5)])
    places = np.arange(int(len(beats) * 4 * pace) + 1) / (4 * pace)
    return np.asarray(np.interp(places, np.arange(len(bars)), bars), np.float64)


def steps_of(
    instrument: pretty_midi.Instrument, grid: NDArray[np.float64]
) -> Iterator[tuple[int, int, int]]:
    """Give (start, length, pitch) in sixteenths of an instrument's notes."""
    places = np.arange(len(grid))
    for note in instrument.notes:
        start, end = np.interp([note.start, note.end], grid, places)
        first = int(np.floor(start + 0.5))
        yield first, max(1, int(np.floor(end + 0.5)) - first), int(note.pitch)


def roles_of(instruments: Sequence[pretty_midi.Instrument]) -> list[str]:
    """Give each instrument a role by its programme and register."""
    roles = [_role(instrument) for instrument in instruments]
    if "lead" not in roles:  # the highest single-voiced keys sing, if other keys remain
        keys = [i for i, role in enumerate(roles) if role == "keys" and instruments[i].notes]
        single = [i for i in keys if voices_of(instruments[i]) < 1.2]
        if single and len(keys) > 1:
            highest = max(single, key=lambda i: np.mean([n.pitch for n in instruments[i].notes]))
            roles[highest] = "lead"
    return roles


def _role(instrument: pretty_midi.Instrument) -> str:
    if instrument.is_drum:
        return "drums"
    pitches = [note.pitch for note in instrument.notes] or [60]
    family = instrument.program // 8
    if family == 4 or (np.mean(pitches) < 45 and voices_of(instrument) < 1.3):
        return "bass"
    if family in (5, 6, 11, 12):  # strings, ensembles, synthesiser pads and effects
        return "pad"
    return "lead" if family in (7, 8, 9, 10) else "keys"  # brass, reeds, pipes, synthesiser leads


def voices_of(instrument: pretty_midi.Instrument) -> float:
    """Mean number of notes that start together."""
    starts = {round(note.start, 2) for note in instrument.notes}
    return len(instrument.notes) / max(len(starts), 1)


def find_key(midi: pretty_midi.PrettyMIDI) -> str:
    """Estimate the key from how long each pitch class sounds."""
    weight = np.zeros(12)
    for instrument in midi.instruments:
        if not instrument.is_drum:
            for note in instrument.notes:
                weight[note.pitch % 12] += min(note.end - note.start, 4.0)
    if not weight.any():
        return "C major"
    fits = {
        f"{TONICS[tonic]} {mode}": float(np.corrcoef(np.roll(profile, tonic), weight)[0, 1])
        for mode, profile in _PROFILES.items()
        for tonic in range(12)
    }
    return max(fits, key=lambda key: fits[key])


def to_midi(
    phrases: Sequence[Phrase], bpm: float, key: str = "C", programs: Mapping[str, int] = PROGRAMS
) -> pretty_midi.PrettyMIDI:
    """Write phrases one after another, in ``key``, at an even tempo and velocity."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=bpm)
    step, shift = 60 / bpm / (STEPS // 4), key_shift(key)
    for track in TRACKS:
        drums = track == "drums"
        instrument = pretty_midi.Instrument(0 if drums else programs[track], drums, track)
        for index, phrase in enumerate(phrases):
            for note in phrase.notes(track, shift):
                start = (index * LENGTH + note.start) * step
                end = start + note.length * step
                instrument.notes.append(pretty_midi.Note(96, note.pitch, start, end))
        midi.instruments.append(instrument)
    return midi
