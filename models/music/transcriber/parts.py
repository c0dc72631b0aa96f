"""Who plays a note: bass, keys, lead or pad, judged by register, company, length and tone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.music.transcriber.net import Ears, Matrix
from models.music.transcriber.notes import Heard, Scene
from models.music.transcriber.pitches import FRAME, LOWEST

PARTS = ("bass", "keys", "lead", "pad")
_TOGETHER = 0.04  # seconds apart that still are one chord
_OVERTONES = (12, 19, 24, 28)
_HABIT = 3.0  # how strongly a note follows what its neighbours in pitch and time play
_NEIGHBOURS = 8
_BLOCK = 256  # notes compared with their surroundings at once
_PAST, _AROUND = 8.0, 2.0  # seconds a note may have sounded already; seconds that are near
Floats = NDArray[np.float64]


def part_features(notes: Sequence[Heard], scene: Scene) -> Matrix:
    """Lay out what the network sees of each note; notes come in order of their starts."""
    start, end, pitch = (
        np.array([getattr(n, name) for n in notes], np.float64)
        for name in ("start", "end", "pitch")
    )
    blocks = [_company(start, end, pitch, first) for first in range(0, len(notes), _BLOCK)]
    company = np.concatenate(blocks, axis=1) if blocks else np.zeros((9, 0))
    seen = [
        pitch / 12, np.minimum(end - start, 4), np.log(np.maximum(end - start, 0.02)), *company,
        np.array([n.loud for n in notes]), np.array([n.sure for n in notes]),
        *_tone(start, end, pitch.astype(int), scene),
    ]  # fmt: skip
    return np.stack(seen, axis=1).astype(np.float32)


def _company(start: Floats, end: Floats, pitch: Floats, first: int) -> Floats:
    """Compare a block of notes with the notes around them, so that long songs stay cheap."""
    own = slice(first, min(first + _BLOCK, len(start)))
    low, high = np.searchsorted(start, [start[own][0] - _PAST, start[own][-1] + _AROUND])
    began, over, tone = start[low:high], end[low:high], pitch[low:high]
    here, mine = start[own, None], pitch[own, None]
    away = np.abs(here - began)
    together = away <= _TOGETHER
    sounding = (began <= here + _TOGETHER) & (over > here + 0.02)
    ranks = [
        np.minimum((mask & side).sum(axis=1), 4)
        for mask in (together, sounding)
        for side in (tone > mine, tone < mine)
    ]
    lowest = np.where(sounding, tone, 127).min(axis=1)
    highest = np.where(sounding, tone, 0).max(axis=1)
    near = away < _AROUND
    centre = (near * tone).sum(axis=1) / near.sum(axis=1)
    step = np.where((away > _TOGETHER) & (away < 0.7), np.abs(mine - tone), 24.0).min(axis=1)
    told = [
        *ranks, (pitch[own] - lowest) / 12, (highest - pitch[own]) / 12, (pitch[own] - centre) / 12,
        np.minimum(step, 24) / 12, near.sum(axis=1) / 20,
    ]  # fmt: skip
    return np.stack(told).astype(np.float64)


def _tone(
    start: NDArray[np.float64], end: NDArray[np.float64], pitch: NDArray[np.int64], scene: Scene
) -> list[NDArray[np.float32]]:
    """Give overtones, attack and decay of each note."""
    spectrum, last = scene.spectrum, len(scene.spectrum) - 1
    frame = np.minimum((start / FRAME).astype(int), last)
    column = np.clip(pitch - LOWEST, 0, spectrum.shape[1] - 1)
    later = [np.minimum(frame + step, last) for step in (3, 8, 20)]
    before = np.maximum(frame - 5, 0)
    end_frame = np.clip((end / FRAME).astype(int) - 2, frame, last)
    here = spectrum[later[0], column]
    tone = [
        spectrum[later[0], np.minimum(column + step, spectrum.shape[1] - 1)] - here
        for step in _OVERTONES
    ]
    tone += [spectrum[rows, column] - here for rows in (before, *later[1:], end_frame)]
    sounding = scene.pitches.sounding
    cell = np.clip(column, 0, sounding.shape[1] - 1)
    tone += [sounding[rows, cell] for rows in later]
    return [*tone, here - spectrum[later[0]].max(axis=1)]


def split(notes: Sequence[Heard], scene: Scene, ears: Ears) -> Mapping[str, list[Heard]]:
    """Deal the notes out to the parts; a note leans towards what its neighbours are."""
    dealt: dict[str, list[Heard]] = {part: [] for part in PARTS}
    if not notes:
        return dealt
    logits = ears.parts.logits(part_features(notes, scene))
    start, pitch = (
        np.array([getattr(n, f) for n in notes], np.float64) for f in ("start", "pitch")
    )
    loose = np.exp(logits - logits.max(axis=1, keepdims=True))
    loose /= loose.sum(axis=1, keepdims=True)
    for note, part in zip(notes, _leaning(logits, loose, start, pitch), strict=True):
        dealt[PARTS[int(part)]].append(note)
    dealt["bass"], others = one_voice(dealt["bass"])
    dealt["keys"] = sorted(dealt["keys"] + others)
    return dealt


def _leaning(
    logits: Matrix, loose: Matrix, start: NDArray[np.float64], pitch: NDArray[np.float64]
) -> NDArray[np.int64]:
    """Add the mean opinion on the nearest notes to each note's own."""
    chosen = np.zeros(len(logits), np.int64)
    for index in range(len(logits)):
        low, high = np.searchsorted(start, [start[index] - 4, start[index] + 4])
        away = np.abs(pitch[low:high] - pitch[index]) / 4 + np.abs(start[low:high] - start[index])
        nearest = low + np.argsort(away, kind="stable")[:_NEIGHBOURS]
        opinion = np.log(loose[nearest].mean(axis=0) + 1e-3)
        chosen[index] = int(np.argmax(logits[index] + _HABIT * opinion))
    return chosen


def one_voice(notes: Sequence[Heard]) -> tuple[list[Heard], list[Heard]]:
    """Let the bass play one note at a time; what begins together with it is for others."""
    voice: list[Heard] = []
    others: list[Heard] = []
    for note in sorted(notes, key=lambda n: (n.start, n.pitch)):
        if voice and note.start - voice[-1].start <= _TOGETHER:
            others.append(note)
            continue
        if voice and voice[-1].end > note.start:
            last = voice.pop()
            voice.append(Heard(last.start, note.start, last.pitch, last.sure, last.loud))
        voice.append(note)
    return voice, others
