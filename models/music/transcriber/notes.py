"""Notes out of basic-pitch's picture: every peak is a candidate, and a small network judges it.

Thresholds alone take overtones, echoes of drums and doubled octaves for notes. The network sees
the pitches at musical distances, the spectrum before and after, and the drums of the moment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from models.music.transcriber.net import Ears, Matrix
from models.music.transcriber.pitches import FRAME, LOWEST, PITCHES, Pitches

Ints = NDArray[np.int64]
_LEAST = 0.22  # of an onset worth judging; the picture of silence is about 0.1
_APART = 4  # frames between two onsets of one pitch
_ONE_NOTE = 8  # frames: of onsets of one pitch that are nearer only the surest is a note
_LATE_LOW, _LATE = 0.015, 0.008  # seconds the picture lags behind a note, low ones more
_LOW = 48  # MIDI pitch below which it does
_UNSEEN = 0.1  # notes that are no candidate, as a share of those that are expected
_THRESHOLDS = (0.25, 0.5)  # between these
_SOUNDS = 0.28  # the sounding curve of a note that goes on
_PATIENCE = 9  # frames a note may fade under that and come back
_SHORTEST = 4  # frames
_REACH, _WIDE = 32, 36  # frames and pitches of padding around the pictures
_NEAR = (-1, 0, 1)
_TIMES = (-3, -2, -1, 0, 1, 2, 3)
_INTERVALS = (-31, -28, -24, -19, -12, -7, -5, 5, 7, 12, 19, 24, 28)
_COURSE = (-8, -4, -2, 0, 2, 4, 8, 12, 20)
_SPECTRUM = (-10, -6, -3, -1, 0, 1, 2, 3, 5, 8, 14)
_HARMONICS, _AFTER = (12, 19, 24, 28), (-2, 0, 1, 7)
_PLAIN = 0.5  # an onset that is clear enough to say what a song is made of
_OVERTONES = (-24, -19, -12, -1, 1, 12, 19, 24)
_FALSE_ABOVE = (12, 19)  # semitones of the overtones that a bright sound has taken for notes
_TOGETHER = 0.05  # seconds between a tone and its overtone
_FEWEST, _SHARE = 20, 0.35  # of the tones with nothing below: so many have the overtone
_BRIGHT, _EVEN = 0.6, 0.5  # its level above the tone's: at least this, with so little spread


@dataclass(frozen=True, order=True)
class Heard:
    """One pitched note as it was heard: seconds, MIDI pitch, how sure and how loud (0..1)."""

    start: float
    end: float
    pitch: int
    sure: float
    loud: float


@dataclass(frozen=True, eq=False)
class Scene:
    """Every picture of one recording that notes are judged by."""

    pitches: Pitches
    spectrum: Matrix  # semitones, log energy
    drums: Matrix  # activity of the drums


@dataclass(frozen=True, eq=False)
class Candidates:
    """Places where a note may begin, in order of time, with what the network says of each."""

    frame: Ints
    pitch: Ints  # column
    sure: Matrix


def find_candidates(pitches: Pitches) -> tuple[Ints, Ints]:
    """Give (frames, columns) of the peaks of the onset picture."""
    onset = pitches.beginning
    top = ndimage.maximum_filter1d(onset, 2 * _APART - 1, axis=0, mode="constant")
    frame, column = np.nonzero((onset == top) & (onset >= _LEAST))
    return frame.astype(np.int64), column.astype(np.int64)


def note_features(scene: Scene, frame: Ints, column: Ints) -> Matrix:
    """Lay out what the network sees of each candidate."""
    onset, sounding = (
        np.pad(picture, ((_REACH, _REACH), (_WIDE, _WIDE)))
        for picture in (scene.pitches.beginning, scene.pitches.sounding)
    )
    wide = _WIDE - (scene.spectrum.shape[1] - PITCHES)
    spectrum = np.pad(scene.spectrum, ((_REACH, _REACH), (_WIDE, wide)), constant_values=-5.0)
    top = ndimage.maximum_filter1d(onset, 5, axis=0)
    mean = ndimage.uniform_filter1d(sounding, 7, axis=0, origin=-3)
    t, p = frame + _REACH, column + _WIDE
    level = spectrum[t + 3].max(axis=1)
    seen = [onset[t + dt, p + dp] for dp in _NEAR for dt in _TIMES]
    seen += [picture[t, p + dp] for picture in (top, mean) for dp in _INTERVALS]
    seen += [sounding[t + dt, p] for dt in _COURSE]
    seen += [sounding[t + dt, p + dp] for dp in (-1, 1) for dt in (0, 4)]
    seen += [spectrum[t + dt, p] - level for dt in _SPECTRUM]
    seen += [spectrum[t + 3, p + dp] - level for dp in _OVERTONES]
    seen += [spectrum[t + 3, p + dp] - spectrum[t - 5, p + dp] for dp in (0, *_OVERTONES)]
    drums = ndimage.maximum_filter1d(scene.drums, 5, axis=0)
    seen += list(drums[frame].T)
    seen += [top[t].sum(axis=1), mean[t].sum(axis=1), level, (column / PITCHES).astype(np.float32)]
    seen += [spectrum[t + dt, p + dp] - level for dp in _HARMONICS for dt in _AFTER]
    seen += _habits(scene.pitches, column)
    seen += [top[t - 2].max(axis=1), (top[t] > 0.3).sum(axis=1) / 8]
    return np.stack(seen, axis=1).astype(np.float32)


def _habits(pitches: Pitches, column: Ints) -> list[Matrix]:
    """Say how often each candidate's pitch and pitch class clearly begin: songs repeat."""
    rises = np.diff((pitches.beginning >= _PLAIN).astype(np.int8), axis=0, prepend=0) > 0
    often = rises.sum(axis=0) / (len(pitches) * FRAME)
    named = np.bincount((np.arange(PITCHES) + LOWEST) % 12, often, 12)
    share = named / max(float(named.sum()), 1e-3)
    return [
        np.sqrt(often[column]).astype(np.float32),
        share[(column + LOWEST) % 12].astype(np.float32),
    ]


def judge(scene: Scene, ears: Ears) -> Candidates:
    """Find every candidate and say how surely it is a note."""
    frame, column = find_candidates(scene.pitches)
    if not len(frame):
        return Candidates(frame, column, np.zeros(0, np.float32))
    sure = ears.notes.probabilities(note_features(scene, frame, column))[:, 0]
    return once_each(Candidates(frame, column, sure))


def once_each(candidates: Candidates) -> Candidates:
    """Doubt, of onsets of one pitch that are too near for two notes, all but the surest."""
    sure = candidates.sure.copy()
    for column in np.unique(candidates.pitch):
        rows = np.flatnonzero(candidates.pitch == column)
        kept: list[int] = []
        for row in rows[np.argsort(-candidates.sure[rows], kind="stable")]:
            frame = int(candidates.frame[row])
            if any(abs(frame - other) < _ONE_NOTE for other in kept):
                sure[row] = 0.0
            else:
                kept.append(frame)
    return replace(candidates, sure=sure)


def threshold_of(sure: Matrix) -> float:
    """Give how sure a note must be in one recording: half of the best F1 to expect.

    That is the threshold which maximises an expected F1 (Lipton and others, 2014); what is plain
    to hear, such as one instrument alone, thus asks for more than a full mix.
    """
    ordered = np.sort(sure)[::-1].astype(np.float64)
    wanted = ordered.sum() * (1 + _UNSEEN)
    f1 = 2 * np.cumsum(ordered) / (np.arange(1, len(ordered) + 1) + wanted)
    return float(np.clip(f1.max(initial=0.0) / 2, *_THRESHOLDS))


def notes_of(scene: Scene, candidates: Candidates, threshold: float) -> list[Heard]:
    """Make notes of the candidates that are sure enough: each lasts while its pitch sounds."""
    kept = candidates.sure >= threshold
    notes = []
    for column in np.unique(candidates.pitch[kept]):
        rows = np.flatnonzero(kept & (candidates.pitch == column))
        starts = candidates.frame[rows]
        limits = [*starts[1:].tolist(), len(scene.pitches)]
        curve = scene.pitches.sounding[:, column]
        for row, start, limit in zip(rows, starts.tolist(), limits, strict=True):
            end = _end(curve, start, limit)
            loud = float(scene.spectrum[start : start + 6, column].max())
            place = _between(scene.pitches.beginning[:, column], start)
            late = _LATE_LOW if column + LOWEST < _LOW else _LATE
            notes.append(
                Heard(
                    max(0.0, place * FRAME - late),
                    end * FRAME,
                    int(column) + LOWEST,
                    float(candidates.sure[row]),
                    float(np.clip(1 + loud / 3, 0.2, 1)),
                )
            )
    return sorted(notes)


def without_overtones(notes: Sequence[Heard], scene: Scene) -> list[Heard]:
    """Drop what is the overtone of one sound, such as a distorted guitar's, all recording long.

    A single octave may be played or not. But where a note stands above nearly every tone, and
    always by the same measure louder than it, no second voice plays.
    """
    start, pitch = (np.array([getattr(n, f) for n in notes]) for f in ("start", "pitch"))
    near = np.abs(start[:, None] - start) <= _TOGETHER if len(notes) else np.zeros((0, 0), bool)
    above = pitch[:, None] - pitch  # of a note (row) over another (column)
    rooted = ~(near & (above > 0)).any(axis=1)
    level = _levels(notes, scene)
    false = np.zeros(len(notes), np.bool_)
    for interval in _FALSE_ABOVE:
        pairs = near & (above == interval)
        if pairs.any(axis=1).sum() < _FEWEST or pairs.any(axis=0)[rooted].mean() < _SHARE:
            continue
        upper, lower = np.nonzero(pairs)
        gain = level[upper] - level[lower]
        if gain.mean() >= _BRIGHT and gain.std() <= _EVEN:
            false[upper] = True
    return [note for note, wrong in zip(notes, false, strict=True) if not wrong]


def _levels(notes: Sequence[Heard], scene: Scene) -> Matrix:
    """Give the log energy at each note's pitch soon after it begins."""
    frame = np.array([int(n.start / FRAME) + 3 for n in notes], np.int64)
    column = np.array([n.pitch - LOWEST for n in notes], np.int64)
    return scene.spectrum[np.minimum(frame, len(scene.spectrum) - 1), column]


def _end(curve: Matrix, start: int, limit: int) -> int:
    """Follow a pitch from its onset to where it has died away."""
    quiet = np.flatnonzero(curve[start + 1 : limit] < _SOUNDS) + start + 1
    end = limit
    if len(quiet):
        run = np.split(quiet, np.flatnonzero(np.diff(quiet) > 1) + 1)
        long = [part for part in run if len(part) >= _PATIENCE or part[-1] == limit - 1]
        end = int(long[0][0]) if long else limit
    return min(max(end, start + _SHORTEST), max(limit, start + 1))


def _between(curve: Matrix, frame: int) -> float:
    """Find the place of a peak between frames."""
    if not 0 < frame < len(curve) - 1:
        return float(frame)
    before, here, after = curve[frame - 1 : frame + 2].tolist()
    return float(frame + (after - before) / max(before + here + after, 1e-6))
