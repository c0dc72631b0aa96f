"""Figures about sets of phrases, per track.

Input everywhere: bool arrays ``roll`` and ``onset`` of [phrases, 64 steps, 144 cells], in C.
Pitch classes are folded by the pitch modulo twelve (much published code groups neighbouring
semitones instead). At sixteen steps a bar, a qualified note lasts an eighth (2 steps) or more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from models.music.pianoroll import BARS, DRUMS, LENGTH, REGISTER, SCALE, STEPS, TRACKS, Cells

Floats = NDArray[np.float64]
PITCHED = TRACKS[1:]
_ROW = {drum.name: row for row, drum in enumerate(DRUMS)}
_MAJOR = np.array([pitch in SCALE for pitch in range(12)])


def chroma(cells: Cells, track: str) -> Cells:
    """Fold a pitched track to pitch classes: [phrases, 64, 12], C first."""
    register = REGISTER[track]
    part = cells[:, :, register.columns]
    folded = part.reshape(*part.shape[:2], register.size // 12, 12).any(2)
    return np.roll(folded, register.low % 12, -1)


def empty_bars(roll: Cells, track: str) -> float:
    """Share of bars in which nothing sounds."""
    bars = _bars(roll[:, :, REGISTER[track].columns])
    return float(1 - bars.any((2, 3)).mean())


def used_pitch_classes(roll: Cells, track: str) -> float:
    """Mean number of pitch classes in the bars that are not empty."""
    used = _bars(chroma(roll, track)).any(2).sum(-1)
    return _mean(used[used > 0])


def note_lengths(roll: Cells, onset: Cells, track: str) -> NDArray[np.int64]:
    """Length in steps of every note of a pitched track."""
    columns = REGISTER[track].columns
    sounding, starts = roll[:, :, columns], onset[:, :, columns]
    run = np.zeros(sounding[:, 0].shape, np.int64)  # steps until the note at this cell ends
    lengths = []
    for step in reversed(range(LENGTH)):
        run = np.where(sounding[:, step], run + 1, 0)
        lengths.append(run[starts[:, step]])
        run = np.where(starts[:, step], 0, run)  # an earlier note ends where this one starts
    return np.concatenate(lengths)


def qualified_notes(roll: Cells, onset: Cells, track: str) -> float:
    """Share of notes of an eighth or longer."""
    return _mean(note_lengths(roll, onset, track) >= 2)


def polyphony(roll: Cells, track: str) -> float:
    """Mean number of notes that sound at once, over the steps at which any does."""
    count = roll[:, :, REGISTER[track].columns].sum(-1)
    return _mean(count[count > 0])


def notes_per_bar(onset: Cells, track: str) -> float:
    """Mean number of notes that start in a bar which is not empty."""
    count = _bars(onset[:, :, REGISTER[track].columns]).sum((2, 3))
    return _mean(count[count > 0])


def drum_pattern(onset: Cells) -> float:
    """Share of drum hits on the eighth-note grid (an eight-beat pattern)."""
    drums = onset[:, :, REGISTER["drums"].columns]
    return float(drums[:, ::2].sum() / max(drums.sum(), 1))


def kick_on_one(onset: Cells) -> float:
    """Share of bars with drums whose first step has a kick."""
    bars = _bars(onset[:, :, REGISTER["drums"].columns])
    return _mean(bars[:, :, 0, _ROW["kick"]][bars.any((2, 3))])


def backbeat(onset: Cells) -> float:
    """Share of bars with drums that have a snare or clap on beat two or four."""
    bars = _bars(onset[:, :, REGISTER["drums"].columns])
    beats = bars[:, :, (4, 12)][..., (_ROW["snare"], _ROW["clap"])]
    hit: Cells = np.any(beats, axis=(2, 3))
    return _mean(hit[bars.any((2, 3))])


def in_scale(onset: Cells, track: str) -> float:
    """Share of notes in the known key's scale (C major, which is A minor)."""
    classes = _classes(onset, track).sum(0)
    return float(classes[_MAJOR].sum() / max(classes.sum(), 1))


def scale_consistency(onset: Cells, track: str) -> float:
    """Mean over phrases of the share of notes in the major scale that fits the phrase best."""
    classes = _classes(onset, track)
    classes = classes[classes.sum(1) > 0]
    scales = np.stack([np.roll(_MAJOR, tonic) for tonic in range(12)], 1)
    return _mean((classes @ scales).max(1) / classes.sum(1))


def groove_consistency(onset: Cells, track: str) -> float:
    """Mean share of steps on which two bars in a row agree whether a note starts.

    Bars count where either has a note; two empty bars would agree about nothing.
    """
    starts: Cells = np.any(_bars(onset[:, :, REGISTER[track].columns]), axis=-1)
    before, after = starts[:, :-1], starts[:, 1:]
    agreeing = (before == after).mean(-1)
    return _mean(agreeing[(before | after).any(-1)])


def _classes(onset: Cells, track: str) -> Floats:
    register = REGISTER[track]
    counts = onset[:, :, register.columns].sum(1).astype(np.float64)
    folded = counts.reshape(len(counts), register.size // 12, 12).sum(1)
    return np.roll(folded, register.low % 12, -1)


def bar_similarity(bars: Cells, distance: int) -> float:
    """Mean Jaccard of the notes of bars [songs, bars, cells] that lie ``distance`` apart."""
    before, after = bars[:, :-distance], bars[:, distance:]
    either = (before | after).sum(-1)
    both = (before & after).sum(-1)
    return _mean(both[either > 0] / either[either > 0])


def likeness(before: Cells, after: Cells, track: str) -> float:
    """Mean Jaccard of the notes of bars at the same place of two phrases, pair by pair."""
    pairs = [song_bars(cells, track).reshape(-1, 1, _CELLS[track]) for cells in (before, after)]
    return bar_similarity(np.concatenate(pairs, 1), 1)


_CELLS = {track: STEPS * REGISTER[track].size for track in TRACKS}


def song_bars(onset: Cells, track: str | None = None) -> Cells:
    """Lay phrases out as bars for ``bar_similarity``: [phrases, 4 bars, cells]."""
    columns = REGISTER[track].columns if track else slice(None)
    bars = _bars(onset[:, :, columns])
    return bars.reshape(*bars.shape[:2], -1)


def tonal_distance(roll: Cells, one: str, other: str) -> float:
    """Mean distance of two tracks' tonal centroids (Harte et al. 2006) per half bar."""
    centroids = []
    for track in (one, other):
        half = chroma(roll, track).reshape(len(roll), BARS * 2, STEPS // 2, 12).sum(2)
        centroids.append((half @ _TONAL, half.sum(-1, keepdims=True)))
    (a, n), (b, m) = centroids
    sounding = ((n > 0) & (m > 0))[..., 0]
    gap = a / np.maximum(n, 1) - b / np.maximum(m, 1)
    return _mean(np.linalg.norm(gap, axis=-1)[sounding])


def _tonal() -> Floats:
    pitch = np.arange(12)
    angles = [(1.0, 7 * np.pi / 6), (1.0, 3 * np.pi / 2), (0.5, 2 * np.pi / 3)]
    columns = [r * f(a * pitch) for r, a in angles for f in (np.sin, np.cos)]
    return np.stack(columns, -1)


_TONAL = _tonal()


def nearest(
    onset: Cells, training: NDArray[np.uint8],
    own: tuple[NDArray[np.str_], NDArray[np.str_]] | None = None,
) -> dict[str, Floats]:  # fmt: skip
    """Jaccard of each phrase's notes with its nearest training phrase, per track and as a whole.

    ``training`` is packed bits [n, 64, 18]. One is a copy; phrases without a note give 0. ``own``
    names the song group of each phrase and of each training phrase; the own group is left out.
    """
    mine = {track: _notes_of(onset, track) for track in TRACKS}
    best = {name: np.zeros(len(onset)) for name in ("whole", *TRACKS)}
    for at in range(0, len(training), 1024):
        cells = np.unpackbits(training[at : at + 1024], axis=-1)
        strange = True if own is None else own[0][:, None] != own[1][None, at : at + len(cells)]
        both_whole, either_whole = np.zeros((2, len(onset), len(cells)), np.float32)
        for track in TRACKS:
            theirs = _notes_of(cells, track)
            both = mine[track] @ theirs.T
            either = mine[track].sum(1)[:, None] + theirs.sum(1)[None] - both
            both_whole, either_whole = both_whole + both, either_whole + either
            shared = strange * both / np.maximum(either, 1)
            best[track] = np.maximum(best[track], shared.max(1))
        shared = strange * both_whole / np.maximum(either_whole, 1)
        best["whole"] = np.maximum(best["whole"], shared.max(1))
    return best


def _notes_of(cells: NDArray[np.generic], track: str) -> NDArray[np.float32]:
    part = cells[:, :, REGISTER[track].columns]
    return part.reshape(len(part), -1).astype(np.float32)


def shuffled(roll: Cells, onset: Cells, random: np.random.Generator) -> tuple[Cells, Cells]:
    """Make the control: every track's bars taken from different phrases."""
    roll, onset = roll.copy(), onset.copy()
    for track in TRACKS:
        columns = REGISTER[track].columns
        for bar in range(BARS):
            steps = slice(bar * STEPS, (bar + 1) * STEPS)
            order = random.permutation(len(roll))
            roll[:, steps, columns] = roll[order][:, steps, columns]
            onset[:, steps, columns] = onset[order][:, steps, columns]
    return roll, onset


def track_figures(roll: Cells, onset: Cells) -> dict[str, dict[str, float]]:
    """Give every per-track figure: {track: {figure: value}}."""
    table: dict[str, dict[str, float]] = {
        "drums": {
            "empty_bars": empty_bars(roll, "drums"),
            "notes_per_bar": notes_per_bar(onset, "drums"),
            "drum_pattern": drum_pattern(onset),
            "kick_on_one": kick_on_one(onset),
            "backbeat": backbeat(onset),
        }
    }
    for track in PITCHED:
        table[track] = {
            "empty_bars": empty_bars(roll, track),
            "notes_per_bar": notes_per_bar(onset, track),
            "pitch_classes": used_pitch_classes(roll, track),
            "qualified_notes": qualified_notes(roll, onset, track),
            "polyphony": polyphony(roll, track),
            "in_scale": in_scale(onset, track),
            "scale_consistency": scale_consistency(onset, track),
        }
    for track in TRACKS:
        table[track]["groove_consistency"] = groove_consistency(onset, track)
        for distance in (1, 2):
            bars = song_bars(onset, track)
            table[track][f"similarity_{distance}"] = bar_similarity(bars, distance)
    return table


PAIRS = [(a, b) for i, a in enumerate(PITCHED) for b in PITCHED[i + 1 :]]


def tonal_distances(roll: Cells) -> dict[str, float]:
    """Give the tonal distance of every pair of pitched tracks."""
    return {f"{a}-{b}": tonal_distance(roll, a, b) for a, b in PAIRS}


# What one empty bar in a hundred, a quarter of a pitch class, ... weigh in the score: a figure
# that misses its goal by exactly the goal's margin adds one.
MARGINS = {
    "empty_bars": 0.02, "pitch_classes": 0.25, "qualified_notes": 0.05, "drum_pattern": 0.03,
    "notes_per_bar": 1.0, "polyphony": 0.25, "in_scale": 0.02, "similarity_1": 0.03,
    "similarity_2": 0.03, "kick_on_one": 0.05, "backbeat": 0.05,
}  # fmt: skip


def distance(
    made: Mapping[str, Mapping[str, float]], real: Mapping[str, Mapping[str, float]]
) -> float:
    """Mean over tracks and figures of how many margins two tables differ (capped at ten each)."""
    gaps = [
        min(abs(made[track][name] - real[track][name]) / margin, 10.0)
        for track in real
        for name, margin in MARGINS.items()
        if name in real[track]
    ]
    return float(np.mean(gaps))


def _bars(cells: Cells) -> Cells:
    return cells.reshape(len(cells), BARS, STEPS, -1)


def _mean(values: NDArray[np.generic] | Sequence[float]) -> float:
    array = np.asarray(values, np.float64)
    return float(array.mean()) if array.size else 0.0
