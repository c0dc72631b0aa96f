"""A simple song with a beat, to be played and heard."""

from __future__ import annotations

import pretty_midi


def tune(bars: int, shift: int = 0, tempo: float = 120) -> pretty_midi.PrettyMIDI:
    """Write kick, snare, bass and chords, in a key of one's own."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=tempo)
    beat = 60 / tempo
    instruments = [pretty_midi.Instrument(p, d) for p, d in ((0, True), (33, False), (0, False))]
    for n in range(4 * bars):
        root = 36 + shift + (0, 5, 7, 0)[n // 4 % 4]
        at = [(0, 38 if n % 2 else 36), (1, root)] + [(2, root + 24 + i) for i in (0, 4, 7)]
        for part, pitch in at if n % 2 == 0 else at[:1]:
            end = (n + (0.2 if part == 0 else 1.9)) * beat
            instruments[part].notes.append(pretty_midi.Note(100, pitch, n * beat, end))
    midi.instruments += instruments
    return midi
