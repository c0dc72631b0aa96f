"""Lessons for the transcriber: excerpts of MIDI files, played in ever other sounds and levels."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pretty_midi

from models.music.midi import roles_of
from models.music.transcriber.decoding import decode
from models.music.transcriber.parts import PARTS
from models.music.transcriber.pitches import hear_pitches
from training.songs.hearing import Clip
from training.songs.rendering import Band, excerpt, mp3

SECONDS = 12.0
_FEWEST = 6  # notes of an excerpt
_KINDS = ("mixed", "mixed", "mixed", "pitched", "drums", "solo")
_ANEW = 0.75  # share of the excerpts that get other sounds and levels
_PROGRAMMES = {
    "bass": range(32, 40),
    "keys": (0, 1, 2, 4, 5, 6, 7, 11, 16, 17, 18, *range(24, 32)),
    "lead": (80, 81, 82, 84, 87, 22, 25, 56, 60, 65, 66, 71, 73, 75, 40, 68, 79),
    "pad": (*range(48, 55), *range(88, 96), 61, 19),
}
_KITS = (0, 0, 8, 16, 24, 25, 32, 40)
_STROKES = {36: (35,), 38: (40, 38, 37, 39), 42: (42, 42, 44)}


def lessons(
    files: Sequence[Path], bands: Sequence[Band], count: int, seed: int = 1
) -> Iterator[Clip]:
    """Play ``count`` excerpts of files that can be read, each by the next of the bands."""
    random = np.random.default_rng(seed)
    order = [files[i] for i in random.permutation(len(files))]
    made = 0
    for path in order * (1 + count // max(len(order), 1)):
        if made == count:
            return
        clip = _clip(path, bands[made % len(bands)], _KINDS[made % len(_KINDS)], random)
        if clip is not None:
            made += 1
            yield clip


def _clip(path: Path, band: Band, kind: str, random: np.random.Generator) -> Clip | None:
    try:
        midi = pretty_midi.PrettyMIDI(str(path))
    except Exception:  # the parser raises whatever a broken byte leads it to
        return None
    end = midi.get_end_time()
    start = float(random.uniform(0.1, 0.6)) * end if end > 2 * SECONDS else 0.0
    cut = excerpt(midi, start, SECONDS)
    cut.instruments = _chosen(cut.instruments, kind, random)
    if sum(len(i.notes) for i in cut.instruments) < _FEWEST:
        return None
    roles = roles_of(cut.instruments)
    if random.random() < _ANEW:
        _orchestrate(cut, roles, random)
    sound = band.play(cut, SECONDS)
    if sound.std() < 1e-4:
        return None
    heard = decode(mp3(sound))
    truth = [
        (n.start, n.end, n.pitch, -1 if i.is_drum else PARTS.index(role))
        for i, role in zip(cut.instruments, roles, strict=True)
        for n in i.notes
    ]
    return Clip(heard, hear_pitches(heard), np.array(truth, np.float64))


def _chosen(
    instruments: Sequence[pretty_midi.Instrument], kind: str, random: np.random.Generator
) -> list[pretty_midi.Instrument]:
    pitched = [i for i in instruments if not i.is_drum]
    if kind == "drums":
        return [i for i in instruments if i.is_drum]
    if kind == "solo" and pitched:
        return [pitched[int(random.integers(len(pitched)))]]
    return pitched if kind == "pitched" else list(instruments)


def _orchestrate(
    midi: pretty_midi.PrettyMIDI, roles: Sequence[str], random: np.random.Generator
) -> None:
    """Change sounds and levels, so that no sound is learnt by heart."""
    for instrument, role in zip(midi.instruments, roles, strict=True):
        level = int(random.integers(55, 127))
        instrument.control_changes = [pretty_midi.ControlChange(7, level, 0.0)]
        if instrument.is_drum:
            instrument.program = int(random.choice(_KITS))
            other = {key: int(random.choice(keys)) for key, keys in _STROKES.items()}
            if random.random() < 0.5:
                for note in instrument.notes:
                    note.pitch = other.get(note.pitch, note.pitch)
        elif random.random() < 0.7:
            instrument.program = int(random.choice(list(_PROGRAMMES[role])))
