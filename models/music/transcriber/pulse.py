"""Tempo, beats and bars: where the foot taps, and which tap is the first of a bar."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.music.transcriber.drums import Hit
from models.music.transcriber.net import Matrix
from models.music.transcriber.notes import Heard
from models.music.transcriber.pitches import FRAME

Times = NDArray[np.float64]
_SLOWEST, _FASTEST = 60.0, 190.0  # beats a minute
_USUAL, _SPREAD = 112.0, 0.9  # the prior: beats a minute, octaves
_TIGHT = 300.0  # how hard a beat resists to leave the tempo
_STEADY = 0.025  # seconds a beat may stray from an even pulse that still is one
_BEATS = 4  # a bar
_FEW = 6.0  # events that say little
#: How much each hint at a downbeat counts, fitted to rendered songs.
_WEIGHTS = {
    "kick": 0.85, "cymbal": 0.3, "before_snare": 0.35, "after_snare": 0.9, "snare": -0.7,
    "low": 0.5, "long_low": 0.5, "long": 0.5, "changes": 1.8,
}  # fmt: skip


@dataclass(frozen=True, eq=False)
class Pulse:
    """Beats of a recording in seconds; every fourth from ``first`` on begins a bar."""

    beats: Times
    first: int
    bpm: float
    steady: bool

    @property
    def downbeats(self) -> Times:
        """Give the times of the bars."""
        return self.beats[self.first :: _BEATS]

    def places(self, seconds: Times) -> Times:
        """Count beats from the first downbeat, fractions between them."""
        return np.asarray(
            np.interp(seconds, self.beats, np.arange(len(self.beats))) - self.first, np.float64
        )


def find_pulse(bands: Matrix, hits: Sequence[Hit], notes: Sequence[Heard], seconds: float) -> Pulse:
    """Find beats and bars from what begins when."""
    accent = _accent(bands, hits, notes)
    period = _period(accent, hits)
    beats = _beats(accent, period) * FRAME
    period, beats, steady = _settled(beats, period * FRAME)
    beats = _everywhere(beats, period, seconds)
    return Pulse(beats, _first(beats, hits, notes), 60 / period, steady)


def _accent(bands: Matrix, hits: Sequence[Hit], notes: Sequence[Heard]) -> Times:
    """Give how much begins in each frame: rises of the bands, drums and notes."""
    rise = np.maximum(bands[1:] - bands[:-1], 0).mean(axis=1)
    curve = np.concatenate([[0.0], rise]).astype(np.float64)
    curve /= max(float(np.percentile(curve, 98)), 1e-6)
    last = len(curve) - 1
    weight = {"kick": 1.0, "snare": 1.0}
    for hit in hits:
        curve[min(round(hit.start / FRAME), last)] += weight.get(hit.drum, 0.4) * hit.sure
    for note in notes:
        low = 0.7 if note.pitch < 48 else 0.3
        curve[min(round(note.start / FRAME), last)] += low * note.sure
    smooth = np.convolve(curve, np.hanning(7)[1:-1] / np.hanning(7).sum(), "same")
    return np.asarray(smooth / max(float(smooth.std()), 1e-6), np.float64)


def _period(accent: Times, hits: Sequence[Hit]) -> float:
    """Choose the beat's length in frames: what the accents repeat after, at a usual tempo."""
    n = len(accent)
    spectrum = np.fft.rfft(accent - accent.mean(), 2 * n)
    repeats = np.fft.irfft(np.abs(spectrum) ** 2)[:n]
    repeats /= np.maximum(np.arange(n, 0, -1), n / 4)
    tempi = np.geomspace(_SLOWEST, _FASTEST, 400)
    lags = 60 / tempi / FRAME
    score = np.zeros(len(tempi))
    for multiple, weight in ((0.5, 0.35), (1, 1.0), (2, 0.7), (4, 0.7), (8, 0.3)):
        lag = lags * multiple
        score += weight * np.interp(lag, np.arange(n), repeats, right=0.0)
    score /= max(float(np.abs(score).max()), 1e-9)
    prior = np.exp(-0.5 * (np.log2(tempi / _USUAL) / _SPREAD) ** 2)
    score = np.maximum(score, 0) * prior
    best = float(tempi[int(np.argmax(score))])
    return 60 / _octave(best, hits) / FRAME


def _octave(bpm: float, hits: Sequence[Hit]) -> float:
    """Take half or twice the tempo where the backbeat says so: snares are two beats apart."""
    snares = np.unique([round(h.start, 2) for h in hits if h.drum == "snare" and h.sure > 0.6])
    gaps = np.diff(snares)
    gaps = gaps[(gaps > 0.3) & (gaps < 3.0)]
    if len(gaps) < 4:
        return bpm
    votes = {}
    for factor in (0.5, 1.0, 2.0):
        tempo = bpm * factor
        if _SLOWEST <= tempo <= _FASTEST:
            apart = gaps * tempo / 60
            usual = np.exp(-0.5 * (np.log2(tempo / _USUAL) / _SPREAD) ** 2)
            votes[factor] = float((np.abs(apart - 2) < 0.15).mean()) + 0.5 * float(usual)
    best = max(votes, key=lambda factor: votes[factor])
    return bpm * best if votes[best] > votes.get(1.0, 0.0) + 0.35 else bpm


def _beats(accent: Times, period: float) -> Times:
    """Trace the best chain of beats by dynamic programming (Ellis 2007); frames."""
    n = len(accent)
    low, high = round(period / 2), round(period * 2)
    steps = np.arange(low, high + 1)
    cost = -_TIGHT * np.log(steps / period) ** 2
    total, before = accent.copy(), np.full(n, -1)
    for frame in range(n):
        reach = min(len(steps), frame - low + 1)
        if reach <= 0:
            continue
        options = total[frame - steps[:reach]] + cost[:reach]
        best = int(np.argmax(options))
        if options[best] > 0:
            total[frame] += options[best]
            before[frame] = frame - steps[best]
    at = max(0, n - high) + int(np.argmax(total[max(0, n - high) :]))
    chain = [at]
    while before[at] >= 0:
        at = int(before[at])
        chain.append(at)
    return np.array(chain[::-1], np.float64)


def _settled(beats: Times, period: float) -> tuple[float, Times, bool]:
    """Straighten the chain: an even pulse if it is one, else a smooth one."""
    if len(beats) < 4:
        first = float(beats[0]) if len(beats) else 0.0
        few = np.arange(max(len(beats), 1), dtype=np.float64)
        return period, first + period * few, True
    numbers = np.cumsum(np.concatenate([[0], np.rint(np.diff(beats) / np.median(np.diff(beats)))]))
    keep = np.ones(len(beats), bool)
    slope, start = np.polyfit(numbers, beats, 1)
    for _ in range(4):  # leave out beats that the chain misplaced
        away = np.abs(beats - start - slope * numbers)
        keep = away <= max(2 * float(np.median(away)), 0.02)
        slope, start = np.polyfit(numbers[keep], beats[keep], 1)
    strays = float(np.median(np.abs(beats - start - slope * numbers)))
    if strays <= _STEADY and keep.mean() > 0.6:
        even = np.arange(int(numbers[-1]) + 1, dtype=np.float64)
        return float(slope), float(start) + float(slope) * even, True
    whole = np.arange(int(numbers[-1]) + 1)
    drawn = np.interp(whole, numbers, beats)
    width = min(9, len(drawn) // 2 * 2 - 1)
    padded = np.pad(drawn, width // 2, mode="reflect", reflect_type="odd")
    smooth = np.convolve(padded, np.ones(width) / width, "valid")
    return float(np.median(np.diff(smooth))), smooth, False


def _everywhere(beats: Times, period: float, seconds: float) -> Times:
    """Carry the pulse on to both ends of the recording, and a bar beyond."""
    ahead = int(max(beats[0], 0) / period) + _BEATS
    after = int(max(seconds - beats[-1], 0) / period) + _BEATS + 1
    before = beats[0] - period * np.arange(ahead, 0, -1)
    beyond = beats[-1] + period * np.arange(1, after + 1)
    return np.concatenate([before, beats, beyond])


def _first(beats: Times, hits: Sequence[Hit], notes: Sequence[Heard]) -> int:
    """Choose which beat of four begins the bars, by what usually happens on each of them."""
    score = sum(
        (
            _WEIGHTS[name] * np.asarray(share)
            for name, share in _evidence(beats, hits, notes).items()
        ),
        np.zeros(_BEATS),
    )
    start = int(np.searchsorted(beats, -0.1 * float(np.median(np.diff(beats)))))  # in the recording
    order = [(start + step) % _BEATS for step in range(_BEATS)]
    best = max(order, key=lambda beat: float(score[beat]))
    return start + order.index(best)


def _evidence(
    beats: Times, hits: Sequence[Hit], notes: Sequence[Heard]
) -> dict[str, NDArray[np.float64]]:
    """Give how what hints at a downbeat is spread over the four beats."""
    period = float(np.median(np.diff(beats)))

    def share(events: list[tuple[float, float]]) -> Times:
        if not events:
            return np.zeros(_BEATS)
        times, weights = np.array(events, np.float64).T
        index = np.clip(np.searchsorted(beats, times - period / 2), 0, len(beats) - 1)
        near = np.abs(beats[index] - times) < 0.12 * period
        counted = np.bincount(index[near] % _BEATS, weights[near], _BEATS)
        return np.asarray(counted / (float(counted.sum()) + _FEW), np.float64)

    def drum(name: str) -> Times:
        return share([(h.start, h.sure) for h in hits if h.drum == name])

    low = [n for n in notes if n.pitch < 52]
    chords = [n for n in notes if n.pitch < 72]
    back = drum("snare")
    return {
        "kick": drum("kick"), "cymbal": drum("cymbal"),
        "before_snare": np.roll(back, -1), "after_snare": np.roll(back, 1), "snare": back,
        "low": share([(n.start, n.sure) for n in low]),
        "long_low": share([(n.start, n.sure * min(n.end - n.start, 4 * period)) for n in low]),
        "long": share([(n.start, n.sure * min(n.end - n.start, 4 * period)) for n in chords]),
        "changes": _changes(beats, notes),
    }  # fmt: skip


def _changes(beats: Times, notes: Sequence[Heard]) -> Times:
    """Give how much the harmony changes at each of the four beats."""
    if not notes:
        return np.zeros(_BEATS)
    chroma = np.zeros((len(beats) + 1, 12))
    for note in notes:
        first, last = np.searchsorted(beats, [note.start + 0.05, note.end - 0.02])
        weight = note.sure * (1.0 if note.pitch < 64 else 0.3)  # tunes move on every beat
        chroma[first : max(last, first) + 1, note.pitch % 12] += weight
    chroma /= np.maximum(np.linalg.norm(chroma, axis=1, keepdims=True), 1e-6)
    change = 1 - (chroma[1:] * chroma[:-1]).sum(axis=1)  # row k + 1 follows beat k
    quiet = (np.linalg.norm(chroma[1:], axis=1) < 0.5) | (np.linalg.norm(chroma[:-1], axis=1) < 0.5)
    change[quiet] = 0
    total = np.bincount(np.arange(len(change)) % _BEATS, change, _BEATS)
    return np.asarray(total / max(float(total.sum()), 1e-6), np.float64)
