"""The 808 and the sub: one gliding voice with the phase running through the whole track."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from models.music.dsp import RATE, Audio, band, equalise
from models.music.song import Note

#: Notes that follow each other within this many seconds are bound, and the pitch glides.
_BOUND = 0.045
_GLIDE = 0.07  # seconds
_FLOOR = 28  # MIDI pitch below which small speakers and ears lose the tone


def render(notes: Sequence[Note], kind: str, length: int, glide: bool = True) -> Audio:
    """Play a bass line in mono as ``808`` (struck, long, driven) or ``sub`` (round, held)."""
    if not notes:
        return np.zeros(length, np.float32)
    line = _one_voice(notes)
    hertz = _pitch(line, length, glide, struck=kind == "808")
    turn = (2 * np.pi * np.cumsum(hertz, dtype=np.float64) / RATE).astype(np.float64)
    sine = np.sin(np.mod(turn, 2 * np.pi).astype(np.float32))
    shape = _shape(line, length, life=0.85 if kind == "808" else 4.0)
    if kind == "808":
        driven = np.tanh(2.4 * sine * shape) + 0.16 * np.tanh(6 * sine * shape)
        sound = equalise(driven.astype(np.float32), band("low", 1400), band("high", 28))
    else:
        warm = sine + 0.22 * np.sin(2 * np.mod(turn, 2 * np.pi)).astype(np.float32)
        driven = np.tanh(1.3 * warm * shape) + 0.06 * np.tanh(5 * warm * shape)
        sound = equalise(driven.astype(np.float32), band("low", 900), band("high", 28))
    return sound


def _one_voice(notes: Sequence[Note]) -> list[Note]:
    """Keep the lowest of notes that start together, and end each where the next begins."""
    line: list[Note] = []
    for note in sorted(notes):
        if line and note.start - line[-1].start < 0.03:
            if note.pitch < line[-1].pitch:
                line[-1] = note
            continue
        line.append(note)
    return [
        Note(n.start, min(n.end, after.start), n.pitch, n.velocity)
        for n, after in zip(line, [*line[1:], Note(1e9, 1e9, 0, 1)], strict=True)
    ]


def _hertz(pitch: int) -> float:
    while pitch < _FLOOR:
        pitch += 12
    return float(440 * 2 ** ((pitch - 69) / 12))


def _pitch(line: Sequence[Note], length: int, glide: bool, struck: bool) -> NDArray[np.float64]:
    hertz = np.full(length, _hertz(line[0].pitch))
    before: Note | None = None
    for note in line:
        at = round(note.start * RATE)
        if at >= length:
            break
        aim = _hertz(note.pitch)
        hertz[at:] = aim
        bound = before is not None and note.start - before.end < _BOUND
        if glide and bound and before is not None and before.pitch != note.pitch:
            n = min(int(_GLIDE * RATE), length - at)
            ease = 0.5 - 0.5 * np.cos(np.linspace(0, np.pi, n))
            hertz[at : at + n] = _hertz(before.pitch) * (aim / _hertz(before.pitch)) ** ease
        elif struck:
            n = min(int(0.05 * RATE), length - at)
            hertz[at : at + n] *= 1 + 0.9 * np.exp(-np.arange(n) / RATE / 0.009)
        before = note
    return hertz


def _shape(line: Sequence[Note], length: int, life: float) -> Audio:
    """Draw the level: quick rise, slow fall, soft end; the louder of two that meet counts."""
    shape = np.zeros(length, np.float32)
    rise, end = int(0.004 * RATE), int(0.05 * RATE)
    for note in line:
        at, stop = round(note.start * RATE), round(note.end * RATE) + end
        n = min(stop, length) - at
        if n <= rise + end:
            continue
        t = np.arange(n, dtype=np.float32) / RATE
        level = (note.velocity / 127) ** 0.8 * np.exp(-t / life)
        level[:rise] *= np.linspace(0, 1, rise, dtype=np.float32)
        level[-end:] *= np.cos(np.linspace(0, np.pi / 2, end, dtype=np.float32)) ** 2
        np.maximum(shape[at : at + n], level, out=shape[at : at + n])
    return shape
