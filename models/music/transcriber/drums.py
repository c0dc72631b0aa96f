"""Which drum is hit when: a small network looks at the bands around every frame."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy import ndimage

from models.music.transcriber.net import Ears, Matrix
from models.music.transcriber.pitches import FRAME

#: Classes that are told apart, with the General MIDI key each is written as.
DRUMS = ("kick", "snare", "hat", "open_hat", "tom", "cymbal")
KEYS = {"kick": 36, "snare": 38, "hat": 42, "open_hat": 46, "tom": 45, "cymbal": 49}
#: Keys of General MIDI that sound like each class.
SOUNDS = {
    "kick": (35, 36), "snare": (37, 38, 39, 40), "hat": (42, 44), "open_hat": (46,),
    "tom": (41, 43, 45, 47, 48, 50), "cymbal": (49, 51, 52, 53, 55, 57, 59),
}  # fmt: skip
CONTEXT = (-6, -4, -3, -2, -1, 0, 1, 2, 3, 4, 6, 9)  # frames seen beside the present one
_AROUND = 87  # frames whose mean is the background: a second
_APART = 4  # frames two hits of one drum are apart at least
_CLEAR = 0.7  # how sure the clearest tenth of a drummer's strokes is
_PARTNERS = (("hat", "open_hat"),)


@dataclass(frozen=True, order=True)
class Hit:
    """One stroke: seconds, name of the drum, how sure, how loud (0..1)."""

    start: float
    drum: str
    sure: float
    loud: float


def drum_features(bands: Matrix) -> Matrix:
    """Lay out what the network sees of every frame."""
    frames = len(bands)
    reach = max(abs(step) for step in CONTEXT)
    padded = np.pad(bands, ((reach, reach), (0, 0)), mode="edge")
    seen = [padded[reach + step : reach + step + frames] for step in CONTEXT]
    background = ndimage.uniform_filter1d(bands, _AROUND, axis=0, mode="nearest")
    return np.concatenate([*seen, background], axis=1).astype(np.float32)


def drum_activity(bands: Matrix, ears: Ears) -> Matrix:
    """Say how surely each drum is hit in each frame: [frames, drums]."""
    return ears.drums.probabilities(drum_features(bands))


def hits_of(activity: Matrix, bands: Matrix, ears: Ears) -> list[Hit]:
    """Pick the peaks of the activity."""
    top = ndimage.maximum_filter1d(activity, 2 * _APART + 1, axis=0, mode="nearest")
    loud = np.clip(1 + bands.max(axis=1) / 3, 0.2, 1)
    found = []
    for column, name in enumerate(DRUMS):
        curve = activity[:, column]
        peaks = (curve == top[:, column]) & (curve >= ears.drum_thresholds[column])
        for frame in np.flatnonzero(peaks):
            near = slice(max(frame - 1, 0), frame + 4)
            place = _between(curve, int(frame))
            found.append(Hit(place * FRAME, name, float(curve[frame]), float(loud[near].max())))
    return sorted(_settled(found)) if _any_clear(found) else []


def _any_clear(hits: list[Hit]) -> bool:
    """Say whether there is a drummer at all: the clearest strokes are beyond doubt."""
    sure = sorted(hit.sure for hit in hits)
    return bool(sure) and float(np.mean(sure[-max(1, len(sure) // 10) :])) >= _CLEAR


def _between(curve: Matrix, frame: int) -> float:
    """Find the place of a peak between frames by its centre of mass."""
    if not 0 < frame < len(curve) - 1:
        return float(frame)
    before, here, after = curve[frame - 1 : frame + 2]
    return frame + float(after - before) / max(float(before + here + after), 1e-6)


def _settled(hits: list[Hit]) -> list[Hit]:
    """Keep the surer of two hats at once: a hat is either open or closed."""
    beaten: set[Hit] = set()
    for one, other in _PARTNERS:
        rivals = sorted(hit for hit in hits if hit.drum in (one, other))
        for before, after in pairwise(rivals):
            if before.drum != after.drum and after.start - before.start <= _APART * FRAME:
                beaten.add(min(before, after, key=lambda hit: (hit.sure, hit.drum)))
    return [hit for hit in hits if hit not in beaten]
