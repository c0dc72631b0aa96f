"""A phrase is four bars of binary piano-roll, five tracks side by side in one array.

Pitched tracks are written as if the song stood in C major or A minor, folded into a register per
track; the asked key is a transposition of the finished notes, which leaves the drums alone.

A cell of ``onset`` is a note that starts, a cell of ``roll`` a note that sounds: a repeated note
is an onset inside a sounding row, so repeats stay visible.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Cells = NDArray[np.bool_]

TRACKS = ("drums", "bass", "keys", "lead", "pad")
TONES = TRACKS[1:]  # the tracks that have pitches
BARS = 4
STEPS = 16  # per bar: sixteenths
LENGTH = BARS * STEPS
DATA_LOW, DATA_SIZE = 24, 85  # the phrase files' pitch axis


@dataclass(frozen=True)
class DrumClass:
    """One drum row: its name, the General MIDI pitch that plays it, the pitches it gathers."""

    name: str
    pitch: int
    gathers: tuple[int, ...]


DRUMS = (
    DrumClass("kick", 36, (35, 36)),
    DrumClass("snare", 38, (38, 40)),
    DrumClass("clap", 39, (37, 39)),
    DrumClass("closed_hat", 42, (42, 44)),
    DrumClass("open_hat", 46, (46,)),
    DrumClass("low_tom", 45, (41, 43, 45)),
    DrumClass("mid_tom", 47, (47, 48)),
    DrumClass("high_tom", 50, (50,)),
    DrumClass("crash", 49, (49, 52, 55, 57)),
    DrumClass("ride", 51, (51, 53, 59)),
    DrumClass("shaker", 70, (54, 58, 69, 70, 82)),
    DrumClass("percussion", 63, (56, *range(60, 69), *range(71, 82))),
)
_DRUM_ROW = {pitch: row for row, drum in enumerate(DRUMS) for pitch in drum.gathers}


@dataclass(frozen=True)
class Register:
    """The rows of one track; ``low`` is the MIDI pitch of a pitched track's first row."""

    track: str
    low: int
    size: int
    first: int

    @property
    def columns(self) -> slice:
        """Columns of the track in ``Phrase.roll``."""
        return slice(self.first, self.first + self.size)

    def row(self, pitch: int) -> int | None:
        """Find the row of a MIDI pitch: drums by class, others folded by octaves."""
        if self.track == "drums":
            return _DRUM_ROW.get(pitch)
        if pitch < self.low:
            pitch += -(-(self.low - pitch) // 12) * 12
        top = self.low + self.size - 1
        if pitch > top:
            pitch -= -(-(pitch - top) // 12) * 12
        return pitch - self.low

    def pitch(self, row: int) -> int:
        """Give the MIDI pitch of a row (in C major or A minor for a pitched track)."""
        return DRUMS[row].pitch if self.track == "drums" else self.low + row


REGISTERS = (
    Register("drums", 0, len(DRUMS), 0),
    Register("bass", 28, 24, 12),  # E1 .. D#3
    Register("keys", 48, 36, 36),  # C3 .. B5
    Register("lead", 55, 36, 72),  # G3 .. F#6
    Register("pad", 48, 36, 108),  # C3 .. B5
)
CELLS = sum(register.size for register in REGISTERS)
REGISTER = {register.track: register for register in REGISTERS}


@dataclass(frozen=True, order=True)
class Note:
    """A note of a phrase: ``start`` and ``length`` in sixteenths, ``pitch`` in MIDI."""

    start: int
    pitch: int
    length: int


@dataclass(frozen=True, eq=False)
class Phrase:
    """Four bars of five tracks: two read-only bool arrays [64 steps, 144 cells]."""

    roll: Cells
    onset: Cells

    def __post_init__(self) -> None:
        for cells in (self.roll, self.onset):
            if cells.shape != (LENGTH, CELLS) or cells.dtype != np.bool_:
                raise ValueError(f"A phrase is two bool arrays of {LENGTH} x {CELLS}.")
            cells.flags.writeable = False

    @classmethod
    def of(cls, onset: Cells, sustain: Cells) -> Phrase:
        """Build a clean phrase: a cell sounds when it starts or goes on from a sounding cell."""
        onset = onset.copy()
        roll = onset.copy()
        pitched = slice(REGISTER["drums"].size, CELLS)  # a drum hit has no length
        for step in range(1, LENGTH):
            roll[step, pitched] |= sustain[step, pitched] & roll[step - 1, pitched]
        return cls(roll, onset)

    @classmethod
    def from_notes(cls, notes: Mapping[str, Iterable[Note]], shift: int = 0) -> Phrase:
        """Write notes of each track; ``shift`` semitones move pitched notes into C or A minor."""
        onset = np.zeros((LENGTH, CELLS), np.bool_)
        sustain = np.zeros_like(onset)
        for track, written in notes.items():
            register = REGISTER[track]
            moved = 0 if track == "drums" else shift
            for note in written:
                row = register.row(note.pitch + moved)
                if row is None or not 0 <= note.start < LENGTH:
                    continue
                column = register.first + row
                onset[note.start, column] = True
                sustain[note.start + 1 : note.start + note.length, column] = True
        return cls.of(onset, sustain)

    def notes(self, track: str, shift: int = 0) -> list[Note]:
        """List a track's notes by start; ``shift`` semitones transpose a pitched track."""
        register = REGISTER[track]
        roll, onset = self.roll[:, register.columns], self.onset[:, register.columns]
        moved = 0 if track == "drums" else shift
        found = []
        for start, row in np.argwhere(onset).tolist():
            goes_on = roll[start + 1 :, row] & ~onset[start + 1 :, row]
            length = 1 + (int(np.argmin(goes_on)) if not goes_on.all() else len(goes_on))
            found.append(Note(start, register.pitch(row) + moved, length))
        return sorted(found)

    def silent(self, track: str) -> bool:
        """Say whether a track has no note."""
        return not self.onset[:, REGISTER[track].columns].any()

    def only(self, *tracks: str) -> Phrase:
        """Keep the named tracks and silence the others."""
        keep = np.zeros(CELLS, np.bool_)
        for track in tracks:
            keep[REGISTER[track].columns] = True
        return Phrase(self.roll & keep, self.onset & keep)

    def beside(self, other: Phrase) -> Phrase:
        """Put another phrase's notes beside one's own."""
        return Phrase(self.roll | other.roll, self.onset | other.onset)

    def bars(self, *order: int) -> Phrase:
        """Rearrange the bars, for example ``bars(0, 1, 0, 3)``; a cut note ends at its bar line."""
        if len(order) != BARS:
            raise ValueError(f"Name {BARS} bars.")
        steps = np.concatenate([np.arange(STEPS) + STEPS * bar for bar in order])
        return Phrase.of(self.onset[steps], self.roll[steps] & ~self.onset[steps])

    def to_data(self, shift: int = 0) -> tuple[Cells, Cells]:
        """Give (roll, onset) of [4 bars, 16 steps, 85 pitches from MIDI 24, 5 tracks]."""
        planes = np.zeros((2, LENGTH, DATA_SIZE, len(TRACKS)), np.bool_)
        for index, register in enumerate(REGISTERS):
            moved = 0 if register.track == "drums" else shift
            for row in range(register.size):
                pitch = register.pitch(row) + moved - DATA_LOW
                column = register.first + row
                planes[0, :, pitch, index] = self.roll[:, column]
                planes[1, :, pitch, index] = self.onset[:, column]
        shaped = planes.reshape(2, BARS, STEPS, DATA_SIZE, len(TRACKS))
        return shaped[0], shaped[1]

    @classmethod
    def from_data(cls, roll: Cells, onset: Cells, shift: int = 0) -> Phrase:
        """Read the 85-pitch rolls of ``to_data``; ``shift`` moves pitched tracks into C or Am."""
        flat_roll = roll.reshape(LENGTH, DATA_SIZE, len(TRACKS))
        flat_onset = onset.reshape(LENGTH, DATA_SIZE, len(TRACKS))
        starts = np.zeros((LENGTH, CELLS), np.bool_)
        sustain = np.zeros_like(starts)
        for index, register in enumerate(REGISTERS):
            moved = 0 if register.track == "drums" else shift
            used = np.flatnonzero(flat_roll[:, :, index].any(0) | flat_onset[:, :, index].any(0))
            for pitch in used.tolist():
                row = register.row(pitch + DATA_LOW + moved)
                if row is not None:
                    starts[:, register.first + row] |= flat_onset[:, pitch, index]
                    sustain[:, register.first + row] |= flat_roll[:, pitch, index]
        return cls.of(starts, sustain & ~starts)


TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
_TONIC = {name: pitch for pitch, name in enumerate(TONICS)} | {
    "Db": 1, "D#": 3, "Gb": 6, "G#": 8, "A#": 10, "Cb": 11, "B#": 0, "E#": 5, "Fb": 4,
}  # fmt: skip
MODES = ("major", "minor")
SCALE = (0, 2, 4, 5, 7, 9, 11)  # C major and A minor share their notes


def read_key(key: str) -> tuple[int, str]:
    """Split a key such as ``F#:min``, ``F# minor`` or ``Am`` into (tonic 0..11, mode)."""
    text = key.strip().replace(":", " ")
    name = text[:2] if len(text) > 1 and text[1] in "#b" else text[:1]
    rest = text[len(name) :].strip()
    tonic = _TONIC.get(name[:1].upper() + name[1:])
    if tonic is None or rest.lower() not in ("", "m", "maj", "min", "major", "minor"):
        raise ValueError(f"{key!r} is not a key; write one like C, F# minor or Bb:maj.")
    return tonic, "minor" if rest == "m" or rest.lower().startswith("min") else "major"


def key_shift(key: str) -> int:
    """Give the semitones (-6..5) from C major, or A minor, up or down to a key.

    Add it to a phrase's pitches to hear them in ``key``; subtract it to normalise a song.
    """
    tonic, mode = read_key(key)
    return (tonic - (0 if mode == "major" else 9) + 6) % 12 - 6


def stack(phrases: Sequence[Phrase]) -> tuple[Cells, Cells]:
    """Give (roll, onset) of [phrases, 64 steps, 144 cells]."""
    return np.stack([p.roll for p in phrases]), np.stack([p.onset for p in phrases])
