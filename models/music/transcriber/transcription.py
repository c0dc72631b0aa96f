"""What was heard in a recording, and the MIDI that is made of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from models.music.keys import signature
from models.music.midi import PROGRAMS
from models.music.pianoroll import TRACKS
from models.music.transcriber.drums import KEYS, Hit
from models.music.transcriber.notes import Heard
from models.music.transcriber.pulse import Pulse

LEAST = 0.5  # confidence of a bar that is kept
_BEATS = 4
_EARLY = 0.13  # beats before a bar line that still belong to the bar
_STROKE = 0.25  # beats a drum note lasts in a file

Place = Callable[[float], float | None]


@dataclass(frozen=True, eq=False)
class Transcription:
    """Notes of the five parts in seconds, with pulse, key and how sure each bar is (0..1)."""

    parts: Mapping[str, tuple[Heard, ...]]
    drums: tuple[Hit, ...]
    pulse: Pulse
    key: str
    confidence: tuple[float, ...]
    seconds: float

    @property
    def bpm(self) -> float:
        """Give the tempo in beats a minute."""
        return self.pulse.bpm

    @property
    def bars(self) -> tuple[int, ...]:
        """Number the bars that are sure enough, counted from the first downbeat."""
        return tuple(bar for bar, sure in enumerate(self.confidence) if sure >= LEAST)

    def heard(self) -> pretty_midi.PrettyMIDI:
        """Give everything at the time it was heard."""
        return self._written(self.bpm, lambda seconds: max(seconds, 0.0))

    def midi(self) -> pretty_midi.PrettyMIDI:
        """Give the sure bars one after another on an even grid; others are cut out."""
        order = {bar: place for place, bar in enumerate(self.bars)}
        beat = 60 / self.bpm

        def place(seconds: float) -> float | None:
            at = float(self.pulse.places(np.array([seconds]))[0])
            bar = int(np.floor((at + _EARLY) / _BEATS))
            if bar not in order:
                return None
            return max(0.0, (at + _BEATS * (order[bar] - bar)) * beat)

        return self._written(self.bpm, place)

    def _written(self, bpm: float, place: Place) -> pretty_midi.PrettyMIDI:
        midi = pretty_midi.PrettyMIDI(resolution=480, initial_tempo=bpm)
        midi.time_signature_changes.append(pretty_midi.TimeSignature(_BEATS, 4, 0))
        midi.key_signature_changes.append(pretty_midi.KeySignature(signature(self.key), 0))
        stroke = _STROKE * 60 / bpm
        for track in TRACKS:
            drums = track == "drums"
            instrument = pretty_midi.Instrument(0 if drums else PROGRAMS[track], drums, track)
            rows = (
                [(h.start, h.start + stroke, KEYS[h.drum], h.loud) for h in self.drums]
                if drums
                else [(n.start, n.end, n.pitch, n.loud) for n in self.parts[track]]
            )
            for start, end, pitch, loud in rows:
                at = place(start)
                if at is not None:
                    velocity = int(np.clip(127 * loud, 20, 120))
                    until = at + max(end - start, 0.02)
                    instrument.notes.append(pretty_midi.Note(velocity, pitch, at, until))
            if instrument.notes:
                midi.instruments.append(instrument)
        return midi


def confidence_of(
    pulse: Pulse, kept: Sequence[tuple[float, float]], doubted: Sequence[tuple[float, float]]
) -> tuple[float, ...]:
    """Give the F1 that each bar can be expected to have.

    Rows are (seconds, probability) of the notes that were taken and of those that were not: what
    was taken is right with its probability, what was not is missed with its own. The bar of the
    last note that was taken is the last.
    """
    last = max((row[0] for row in kept), default=0.0)
    count = int((float(pulse.places(np.array([last]))[0]) + _EARLY) // _BEATS) + 1
    count = max(count, 1)

    def by_bar(rows: Sequence[tuple[float, float]], weighted: bool) -> NDArray[np.float64]:
        times = np.array([row[0] for row in rows], np.float64)
        bars = np.floor((pulse.places(times) + _EARLY) / _BEATS).astype(int)
        inside = (bars >= 0) & (bars < count)
        weights = np.array([row[1] if weighted else 1.0 for row in rows], np.float64)
        return np.bincount(bars[inside], weights[inside], count).astype(np.float64)

    right, taken, missed = by_bar(kept, True), by_bar(kept, False), by_bar(doubted, True)
    sure = (2 * right + 1) / (taken + right + missed + 1)
    return tuple(round(float(value), 3) for value in sure)
