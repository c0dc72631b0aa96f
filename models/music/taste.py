"""A producer's ear in figures: which of several phrases to keep.

The generator is asked for more phrases than a song needs and the best is kept. The score looks at
what listeners forgive least: a limp drum pattern, a bass beside the kick, clashing notes, a
missing part, a home key that cannot be heard, and keys that leave no room.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from models.music.keys import scale
from models.music.pianoroll import BARS, DRUMS, LENGTH, REGISTER, STEPS, Phrase

Bools = NDArray[np.bool_]
_ROW = {drum.name: row for row, drum in enumerate(DRUMS)}
_TONES = ("bass", "keys", "lead", "pad")


def best(phrases: Sequence[Phrase], mode: str, tracks: Collection[str]) -> int:
    """Give the index of the phrase that pleases most."""
    return int(np.argmax([score(phrase, mode, tracks) for phrase in phrases]))


def score(phrase: Phrase, mode: str, tracks: Collection[str]) -> float:
    """Rate a phrase 0..1 for a song in C major or A minor in which ``tracks`` play."""
    parts = [
        (2.0, _drums(phrase) if "drums" in tracks else 1.0),
        (1.5, _bass(phrase) if "bass" in tracks else 1.0),
        (2.0, 1 - min(1.0, 4 * clashes(phrase))),
        (1.5, _in_scale(phrase, mode)),
        (1.5, _present(phrase, tracks)),
        (1.5, _home(phrase, mode)),
        (1.5, _room(phrase) if "keys" in tracks else 1.0),
    ]
    return sum(weight * value for weight, value in parts) / sum(weight for weight, _ in parts)


def similarity(one: Phrase, other: Phrase, tracks: Collection[str] = ("drums", *_TONES)) -> float:
    """Compare the notes that start in two phrases: 1 the same, 0 nothing shared (Jaccard)."""
    a, b = (phrase.only(*tracks).onset for phrase in (one, other))
    either = int((a | b).sum())
    return int((a & b).sum()) / either if either else 1.0


def chroma(phrase: Phrase, track: str) -> Bools:
    """Fold a pitched track to pitch classes: bool [64 steps, 12]."""
    register = REGISTER[track]
    octaves = register.size // 12
    rows = phrase.roll[:, register.columns].reshape(LENGTH, octaves, 12)
    return np.roll(rows.any(axis=1), register.low % 12, axis=1)


def clashes(phrase: Phrase) -> float:
    """Share of steps at which two tracks sound a semitone apart (as pitch classes)."""
    folds = [chroma(phrase, track) for track in _TONES]
    hit = np.zeros(LENGTH, np.bool_)
    for i, one in enumerate(folds):
        for other in folds[i + 1 :]:
            hit |= (one & (np.roll(other, 1, 1) | np.roll(other, -1, 1))).any(1)
    return float(hit.mean())


def _drums(phrase: Phrase) -> float:
    hits = phrase.onset[:, REGISTER["drums"].columns].reshape(BARS, STEPS, len(DRUMS))
    kick = hits[:, :, _ROW["kick"]]
    hats = hits[:, :, [_ROW["closed_hat"], _ROW["ride"], _ROW["shaker"]]]
    snare = hits[:, :, _ROW["snare"]] | hits[:, :, _ROW["clap"]]
    downbeat = float(kick[:, 0].mean())
    backbeat = max(float(snare[:, [4, 12]].mean()), 0.9 * float(snare[:, 8].mean()))
    pulse = min(1.0, float(hats.any(axis=2).sum(1).mean()) / 7)
    either = (hits[0] | hits[1]).sum() + (hits[0] | hits[2]).sum()
    steady = ((hits[0] & hits[1]).sum() + (hits[0] & hits[2]).sum()) / max(1, int(either))
    crowded = max(0.0, float(hits.sum()) / BARS - 30) / 20
    return float(np.clip(0.25 * (downbeat + backbeat + pulse + steady) - crowded, 0, 1))


def _bass(phrase: Phrase) -> float:
    onset = phrase.onset[:, REGISTER["bass"].columns].any(1)
    if not onset.any():
        return 0.0
    kick = phrase.onset[:, _ROW["kick"]]
    with_kick = float((onset & kick).sum() / onset.sum()) if kick.any() else 0.5
    bars = onset.reshape(BARS, STEPS).any(1).mean()
    voices = phrase.roll[:, REGISTER["bass"].columns].sum(1)
    single = float((voices <= 1).mean())
    return 0.4 * min(1.0, 1.6 * with_kick) + 0.3 * float(bars) + 0.3 * single


def _in_scale(phrase: Phrase, mode: str) -> float:
    sounding = sum(chroma(phrase, track).sum(0) for track in _TONES)
    total = int(np.sum(sounding))
    inside = int(np.sum(np.asarray(sounding)[sorted(scale(mode))]))
    return max(0.0, 1 - 8 * (1 - inside / total)) if total else 0.0


def _present(phrase: Phrase, tracks: Collection[str]) -> float:
    """Every wanted track plays; the lead neither lonely nor restless."""
    wanted = [track for track in _TONES if track in tracks]
    if not wanted:
        return 1.0
    found = [float(not phrase.silent(track)) for track in wanted]
    if "lead" in wanted:
        count = int(phrase.onset[:, REGISTER["lead"].columns].any(1).sum())
        found[wanted.index("lead")] = min(1.0, count / 6, 44 / max(1, count))
    return sum(found) / len(found)


def _room(phrase: Phrase) -> float:
    """Rate keys by the room they leave: few songs have them strike more than 80 notes."""
    count = int(phrase.onset[:, REGISTER["keys"].columns].sum())
    return min(1.0, (80 / max(1, count)) ** 2)


def _home(phrase: Phrase, mode: str) -> float:
    """Rate how far the mode's tonic outweighs its relative's, above all in the bass."""
    weight = np.zeros(12)
    for track, share in (("bass", 2.0), ("keys", 1.0), ("pad", 1.0)):
        folded = chroma(phrase, track).astype(float)
        folded[:STEPS] *= 2
        weight += share * folded.sum(0)
    here, there = (weight[9], weight[0]) if mode == "minor" else (weight[0], weight[9])
    return float(here / (here + there)) if here + there else 0.5
