"""The hand of the players: swing, accents, ghost notes, human timing; all from the song's seed."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from models.music.pianoroll import DRUMS, STEPS
from models.music.song import Note
from models.music.styles import Feel

NAME_OF = {drum.pitch: drum.name for drum in DRUMS}
PITCH_OF = {drum.name: drum.pitch for drum in DRUMS}
#: Loudness of each drum at full accent, as a share of velocity 127.
_BASE = {
    "kick": 0.92, "snare": 0.9, "clap": 0.84, "closed_hat": 0.66, "open_hat": 0.68,
    "low_tom": 0.84, "mid_tom": 0.82, "high_tom": 0.8, "crash": 0.86, "ride": 0.64,
    "shaker": 0.55, "percussion": 0.66,
}  # fmt: skip
#: Share of full accent by place in the beat: on it, then the three sixteenths after it.
_PLACE = {
    "closed_hat": (1.0, 0.62, 0.84, 0.58),
    "shaker": (0.9, 0.62, 1.0, 0.66),
    "ride": (1.0, 0.6, 0.82, 0.6),
    "kick": (1.0, 0.84, 0.92, 0.84),
    "percussion": (0.95, 0.74, 0.9, 0.78),
}
_PITCHED_PLACE = (1.0, 0.82, 0.9, 0.84)
_PITCHED_BASE = {"bass": 0.8, "keys": 0.7, "lead": 0.78, "pad": 0.62}


@dataclass(frozen=True, order=True)
class Stroke:
    """A note on the grid: ``step`` in sixteenths of the song, ``force`` as a factor of velocity.

    An ``accented`` one has its accent in its force, wherever in the bar it is.
    """

    step: float
    pitch: int
    length: float
    force: float = 1.0
    accented: bool = False


def play(
    strokes: Sequence[Stroke], track: str, feel: Feel, bpm: float, random: np.random.Generator
) -> tuple[Note, ...]:
    """Turn strokes into timed notes the way a player of this feel would."""
    sixteenth = 60 / bpm / 4
    weights = (
        _drum_forces(strokes, feel) if track == "drums" else _tone_forces(strokes, track, feel)
    )
    noise = random.standard_normal((len(strokes), 2)).tolist()
    lags = _strums(strokes, feel) if track == "keys" else [0.0] * len(strokes)
    notes = []
    for stroke, weight, lag, (late, loud) in zip(strokes, weights, lags, noise, strict=True):
        shift = _lay(stroke, track, feel) + lag + feel.loose * max(-2.0, min(2.0, late))
        start = max(0.0, _swung(stroke.step, feel.swing) * sixteenth + shift / 1000)
        end = _swung(stroke.step + stroke.length, feel.swing) * sixteenth
        force = weight * stroke.force * (1 + 0.05 * feel.accent * max(-2.0, min(2.0, loud)))
        velocity = max(12, min(127, round(127 * force)))
        notes.append(Note(start, max(end, start + 0.03), stroke.pitch, velocity))
    return tuple(sorted(_without_overlaps(notes)))


def _swung(step: float, swing: float) -> float:
    """Delay the second and fourth sixteenth of each beat; times between bend with them."""
    pair = step % 2
    late = pair * (1 + swing) if pair <= 1 else 1 + swing + (pair - 1) * (1 - swing)
    return step - pair + late


def _lay(stroke: Stroke, track: str, feel: Feel) -> float:
    """Milliseconds behind the beat; a snare and its clap may lean on their own."""
    if track == "drums":
        backbeat = NAME_OF.get(stroke.pitch) in ("snare", "clap")
        return feel.lay.get("snare", 0.0) if backbeat else feel.lay.get("drums", 0.0)
    return feel.lay.get(track, 0.0)


def _drum_forces(strokes: Sequence[Stroke], feel: Feel) -> list[float]:
    forces = []
    for stroke in strokes:
        name = NAME_OF.get(stroke.pitch, "percussion")
        in_bar, place = stroke.step % STEPS, int(stroke.step) % 4
        accent = _PLACE.get(name, (1.0, 0.8, 0.9, 0.8))[place]
        if name == "snare":
            accent = _snare(in_bar)
        if name == "kick" and in_bar == 0:
            accent = 1.05
        if stroke.accented:
            accent = 1.0
        forces.append(_BASE[name] * (1 - (1 - accent) * (0.35 + 0.65 * feel.accent)))
    return forces


def _snare(in_bar: float) -> float:
    """Full on the backbeat, a ghost note on the sixteenths off the beat, between elsewhere."""
    if in_bar % 8 == 4 or in_bar == 8:
        return 1.0
    return 0.42 if in_bar % 2 else 0.72


def _tone_forces(strokes: Sequence[Stroke], track: str, feel: Feel) -> list[float]:
    """Accent the beat and, as singers do, the higher notes of the line."""
    if not strokes:
        return []
    pitches = np.array([s.pitch for s in strokes], float)
    lift = np.clip((pitches - pitches.mean()) / 24, -0.5, 0.5) * (0.2 if track == "lead" else 0.06)
    forces = []
    for stroke, high in zip(strokes, lift.tolist(), strict=True):
        accent = _PITCHED_PLACE[int(stroke.step) % 4]
        if stroke.step % STEPS == 0:
            accent = 1.06
        forces.append(_PITCHED_BASE[track] * (1 - (1 - accent) * feel.accent) * (1 + high))
    return forces


def _strums(strokes: Sequence[Stroke], feel: Feel) -> list[float]:
    """Spread the notes of a chord upwards by ``feel.strum`` milliseconds in all."""
    chords: dict[float, list[int]] = {}
    for stroke in strokes:
        chords.setdefault(stroke.step, []).append(stroke.pitch)
    lags = []
    for stroke in strokes:
        chord = sorted(chords[stroke.step])
        rank = chord.index(stroke.pitch) / max(1, len(chord) - 1)
        lags.append(feel.strum * rank if len(chord) > 2 else 0.0)
    return lags


def _without_overlaps(notes: Iterable[Note]) -> list[Note]:
    """End a note where the same pitch starts again: MIDI cannot sound one pitch twice."""
    by_pitch: dict[int, list[Note]] = {}
    for note in sorted(notes):
        same = by_pitch.setdefault(note.pitch, [])
        if same and same[-1].end > note.start:
            before = same.pop()
            if note.start - before.start > 0.02:
                same.append(replace(before, end=note.start))
        same.append(note)
    return [note for same in by_pitch.values() for note in same]
