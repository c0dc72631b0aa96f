"""Keys: phrases are written in C major or A minor and played in the key that was asked for."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Sequence
from dataclasses import replace

from models.music.pianoroll import REGISTER, SCALE, TONICS, Note, key_shift, read_key

#: Lowest and highest MIDI pitch a track may sound at after transposition.
BOUNDS = {"bass": (28, 55), "keys": (43, 88), "lead": (52, 96), "pad": (43, 88)}
#: Also at home in A minor: the raised sixth and seventh degrees (F#, G#).
_MINOR_EXTRA = (6, 8)


def scale(mode: str) -> frozenset[int]:
    """Give the pitch classes at home in C major or A minor."""
    return frozenset(SCALE) | (frozenset(_MINOR_EXTRA) if mode == "minor" else frozenset())


def snap(notes: Sequence[Note], mode: str) -> list[Note]:
    """Move wrong notes of one pitched track onto the scale (C major, A minor).

    A note outside the scale stays when it is a passing note: shorter than an eighth and a semitone
    from the next note. Any other one moves to the nearest scale note, down when both are as near.
    """
    home = scale(mode)
    starts = sorted({n.start for n in notes})
    following = dict(itertools.pairwise(starts))
    by_start: dict[int, set[int]] = {}
    for note in notes:
        by_start.setdefault(note.start, set()).add(note.pitch)
    settled: dict[tuple[int, int], Note] = {}
    for note in sorted(notes):
        if note.pitch % 12 not in home:
            after = by_start.get(following.get(note.start, -1), set())
            passing = note.length < 2 and {note.pitch - 1, note.pitch + 1} & after
            if not passing:
                down = (note.pitch - 1) % 12 in home
                note = replace(note, pitch=note.pitch + (-1 if down else 1))
        settled.setdefault((note.start, note.pitch), note)
    return list(settled.values())


def transpose(notes: Iterable[Note], track: str, key: str) -> list[Note]:
    """Move a track from C major or A minor to a key; drums stay, others stay in their bounds."""
    if track == "drums":
        return list(notes)
    shift = key_shift(key)
    moved: dict[tuple[int, int], Note] = {}
    for note in notes:
        pitch = fold(note.pitch + shift, track)
        moved.setdefault((note.start, pitch), replace(note, pitch=pitch))
    return sorted(moved.values())


def fold(pitch: int, track: str) -> int:
    """Bring a pitch into a track's bounds by octaves."""
    low, high = BOUNDS[track]
    while pitch < low:
        pitch += 12
    while pitch > high:
        pitch -= 12
    return pitch


def tonic_chord(mode: str) -> tuple[int, int, int]:
    """Give the pitch classes of the home triad: C E G, or A C E."""
    return (9, 0, 4) if mode == "minor" else (0, 4, 7)


def near(pitch_class: int, track: str, aim: int) -> int:
    """Find the pitch of a class nearest to ``aim`` within a track's register."""
    register = REGISTER[track]
    rows = range(register.low, register.low + register.size)
    return min((p for p in rows if p % 12 == pitch_class), key=lambda p: (abs(p - aim), p))


def signature(key: str) -> int:
    """Number a key as MIDI files read by pretty_midi do: 0..11 major, 12..23 minor."""
    tonic, mode = read_key(key)
    return tonic + (12 if mode == "minor" else 0)


def spell(tonic: int, mode: str) -> str:
    """Name a key as the contract does, for example ``Eb minor``."""
    return f"{TONICS[tonic % 12]} {mode}"
