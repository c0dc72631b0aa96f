"""One harmony for all tracks: hear the chords of a phrase, then move what grates against them.

Phrases are in C major or A minor. The chord of each half bar is the one that explains most of what
sounds; chords rather change at bar lines. Then, by track:

- a bass note on the first beat of a half bar, or held for three sixteenths, moves to the nearest
  chord tone, to the root where two are as near;
- a note of the others that is held (keys and pad three sixteenths, lead four) moves when it is an
  avoid note: a semitone away from a chord tone and not the major seventh; it goes to that tone;
- a held note that becomes an avoid note in a later half bar ends there;
- a note of keys or pad that is held for a beat with nothing beside it gets chord tones near it;
- the bass keeps one voice, the lowest.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from models.music.pianoroll import LENGTH, REGISTER, Note, Phrase
from models.music.taste import chroma

HALF = 8  # sixteenths
_HALVES = LENGTH // HALF
_WEIGHT = {"bass": 1.5, "keys": 1.0, "pad": 0.8, "lead": 0.5}
_LONE = 4  # sixteenths from which a note of keys or pad is not left alone
_HELD = {"keys": 3, "pad": 3, "lead": 4}
#: Costs of a change of chord inside a bar and at a bar line, in shares of what sounds.
_INSIDE, _AT_BAR = 0.3, 0.04


@dataclass(frozen=True)
class Chord:
    """A triad by its pitch classes, root first."""

    root: int
    third: int
    fifth: int

    @property
    def tones(self) -> tuple[int, int, int]:
        """Give the three pitch classes."""
        return self.root, self.third, self.fifth

    def avoids(self, pitch_class: int) -> int | None:
        """Give the chord tone a note grates against, None for a note that may sound."""
        if pitch_class in self.tones or (pitch_class + 1) % 12 == self.root:
            return None
        for tone in self.tones:
            if (pitch_class - tone) % 12 in (1, 11):
                return tone
        return None


_MAJOR = (Chord(0, 4, 7), Chord(2, 5, 9), Chord(4, 7, 11), Chord(5, 9, 0), Chord(7, 11, 2),
          Chord(9, 0, 4))  # fmt: skip
CHORDS = {"major": _MAJOR, "minor": (*_MAJOR, Chord(4, 8, 11))}


def chords(phrase: Phrase, mode: str) -> list[Chord]:
    """Hear a chord for each of the eight half bars."""
    weights = np.zeros((_HALVES, 12))
    for track, weight in _WEIGHT.items():
        heard = chroma(phrase, track).reshape(_HALVES, HALF, 12).sum(1)
        weights += weight * heard
    bass = chroma(phrase, "bass").reshape(_HALVES, HALF, 12).sum(1).astype(float)
    known = CHORDS[mode]
    fit = np.array([_fit(weights, bass, chord) for chord in known]).T
    home = known.index(Chord(9, 0, 4) if mode == "minor" else Chord(0, 4, 7))
    fit[:, home] += 0.03
    return [known[index] for index in _path(fit)]


def _fit(
    weights: NDArray[np.float64], bass: NDArray[np.float64], chord: Chord
) -> NDArray[np.float64]:
    """Rate a chord for every half bar: what it explains less what it does not, of what sounds."""
    total = np.maximum(weights.sum(1), 1e-9)
    inside = weights[:, chord.tones].sum(1)
    rooted = bass[:, chord.root] / np.maximum(bass.sum(1), 1e-9)
    rated: NDArray[np.float64] = (1.5 * inside - 0.5 * total) / total + 0.5 * rooted
    rated[weights.sum(1) == 0] = 0
    return rated


def _path(fit: NDArray[np.float64]) -> list[int]:
    """Find the best row of chords when changes cost (Viterbi)."""
    best, came = fit[0], []
    for half in range(1, len(fit)):
        cost = _AT_BAR if half % 2 == 0 else _INSIDE
        moved = best[:, None] - cost * (1 - np.eye(len(best)))
        came.append(moved.argmax(0))
        best = moved.max(0) + fit[half]
    path = [int(best.argmax())]
    for back in reversed(came):
        path.append(int(back[path[-1]]))
    return path[::-1]


def settle(notes: Collection[Note], track: str, heard: Sequence[Chord]) -> list[Note]:
    """Move the notes of a pitched track that grate against the chords (see above)."""
    settled: dict[tuple[int, int], Note] = {}
    for note in sorted(notes):
        chord = heard[note.start // HALF]
        moved = _bass(note, chord) if track == "bass" else _tone(note, chord, _HELD[track])
        moved = _ended(moved, heard, track)
        settled.setdefault((moved.start, moved.pitch), moved)
    moved_notes = sorted(settled.values())
    if track == "bass":
        return _one_voice(moved_notes)
    return sorted(_held_on(moved_notes)) if track == "pad" else moved_notes


def ground(notes: Sequence[Note], heard: Sequence[Chord]) -> list[Note]:
    """Let a bass line say the chord of each bar: a root where a bar would begin without one.

    The note added lasts until the next of the line, six sixteenths at most; a line that says
    nothing at all stays silent.
    """
    if not notes:
        return []
    grounded = sorted(notes)
    low = min(n.pitch for n in notes)
    for bar in range(LENGTH // (2 * HALF)):
        start = bar * 2 * HALF
        if any(n.start < start + 3 and n.start + n.length > start for n in grounded):
            continue
        following = min((n.start for n in grounded if n.start > start), default=LENGTH)
        root = low + (heard[2 * bar].root - low) % 12
        grounded.append(Note(start, root, min(6, following - start)))
    return sorted(grounded)


def fill_out(notes: Sequence[Note], track: str, heard: Sequence[Chord]) -> list[Note]:
    """Make chords of the lone held notes of keys or a pad: the two nearest tones join them."""
    added = []
    for note in notes:
        end = note.start + note.length
        beside = any(
            n is not note and n.start < end and n.start + n.length > note.start for n in notes
        )
        if note.length >= _LONE and not beside:
            for pitch in _nearest(note.pitch, track, heard[note.start // HALF]):
                added.append(_ended(replace(note, pitch=pitch), heard, track))
    return sorted([*notes, *added])


def _nearest(pitch: int, track: str, chord: Chord) -> list[int]:
    """Find the two chord tones nearest to a pitch in a track's register that do not grate on it."""
    register = REGISTER[track]
    tones = [
        p
        for p in range(register.low, register.low + register.size)
        if p % 12 in chord.tones and (p - pitch) % 12 not in (0, 1, 11)
    ]
    found = sorted(tones, key=lambda p: (abs(p - pitch), p))
    other = [p for p in found if p % 12 != found[0] % 12]
    return [found[0], *other[:1]]


def _bass(note: Note, chord: Chord) -> Note:
    if note.pitch % 12 in chord.tones or (note.length < 3 and note.start % HALF):
        return note
    steps = [((tone - note.pitch + 6) % 12 - 6, tone != chord.root) for tone in chord.tones]
    step, _ = min(steps, key=lambda found: (abs(found[0]), found[1]))
    return replace(note, pitch=note.pitch + step)


def _tone(note: Note, chord: Chord, held: int) -> Note:
    against = chord.avoids(note.pitch % 12) if note.length >= held else None
    if against is None:
        return note
    return replace(note, pitch=note.pitch + (1 if (against - note.pitch) % 12 == 1 else -1))


def _ended(note: Note, heard: Sequence[Chord], track: str) -> Note:
    """Cut a note where a later chord would make it grate."""
    end = min(LENGTH, note.start + note.length)
    for half in range(note.start // HALF + 1, -(-end // HALF)):
        later, pitch_class = heard[half], note.pitch % 12
        wrong = pitch_class not in later.tones if track == "bass" else later.avoids(pitch_class)
        if wrong is not False and wrong is not None:
            return replace(note, length=half * HALF - note.start)
    return note


def _one_voice(notes: Sequence[Note]) -> list[Note]:
    """Keep the lowest of notes that start together, each until the next: a bass has one voice."""
    line: list[Note] = []
    for note in notes:
        if line and line[-1].start == note.start:
            continue
        if line and line[-1].start + line[-1].length > note.start:
            line[-1] = replace(line[-1], length=note.start - line[-1].start)
        line.append(note)
    return line


def _held_on(notes: Sequence[Note]) -> list[Note]:
    """Bind a pad's repeated strokes of a pitch: a pad does not stutter."""
    bound: list[Note] = []
    last: dict[int, int] = {}
    for note in sorted(notes):
        at = last.get(note.pitch)
        if at is not None and 0 <= note.start - bound[at].start - bound[at].length <= 2:
            bound[at] = replace(bound[at], length=note.start + note.length - bound[at].start)
            continue
        last[note.pitch] = len(bound)
        bound.append(note)
    return bound
