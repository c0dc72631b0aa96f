"""Songs and the originals they sample, kept through transcription: which part is the original?

``pairs.jsonl`` of a transcribed folder has one line a pair: both MIDI files, and the part of the
song that is nearest to the original, which is the part to give when the rest is to be learnt.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pretty_midi
from numpy.typing import NDArray

from training.songs.collecting import PAIRS
from training.songs.files import read_lines, rewrite
from training.songs.transcribing import Outcome

_TONES = ("bass", "keys", "lead", "pad")


def carry_over(folder: Path, out: Path, outcomes: Sequence[Outcome]) -> int:
    """Write the pairs whose two songs became MIDI; give their number."""
    source = next((p for p in (folder / PAIRS, folder.parent / PAIRS) if p.exists()), None)
    if source is None:
        return 0
    made = {o.sha256: o.midi for o in outcomes if o.midi}
    lines = []
    for pair in read_lines(source):
        song, sample = made.get(pair["song_sha256"]), made.get(pair["sample_sha256"])
        if song and sample:
            track, likeness = nearest_part(_read(out / song), _read(out / sample))
            lines.append({"song": song, "sample": sample, "track": track, "likeness": likeness})
    rewrite(out / PAIRS, lines)
    return len(lines)


def nearest_part(
    song: pretty_midi.PrettyMIDI, sample: pretty_midi.PrettyMIDI
) -> tuple[str | None, float]:
    """Give the part of a song that moves most like the original, and how much (0..1).

    Compared is how often which step follows which, so that neither key nor tempo matters.
    """
    original = sum((_steps(i) for i in sample.instruments if not i.is_drum), np.zeros((25, 12)))
    likeness = {i.name: _cosine(_steps(i), original) for i in song.instruments if i.name in _TONES}
    if not likeness:
        return None, 0.0
    best = max(likeness, key=lambda name: likeness[name])
    return best, round(likeness[best], 3)


def _steps(instrument: pretty_midi.Instrument) -> NDArray[np.float64]:
    """Count (step from the last note, interval class to the note before it): [25, 12]."""
    notes = sorted(instrument.notes, key=lambda n: (n.start, n.pitch))
    table = np.zeros((25, 12))
    for first, second, third in zip(notes, notes[1:], notes[2:], strict=False):
        step = int(np.clip(third.pitch - second.pitch, -12, 12)) + 12
        table[step, (second.pitch - first.pitch) % 12] += 1
    return table


def _cosine(one: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    return float((one * other).sum() / size) if size else 0.0


def _read(path: Path) -> pretty_midi.PrettyMIDI:
    return pretty_midi.PrettyMIDI(str(path))
