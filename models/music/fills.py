"""Drum fills: what a drummer plays over the last beat or two of a section."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from models.music.groove import PITCH_OF, Stroke

Random = np.random.Generator
Hits = list[tuple[float, str, float]]  # step within the fill, drum, force


def fill(kind: str, start: float, steps: int, random: Random) -> list[Stroke]:
    """Write a fill of 4 or 8 sixteenths that begins at ``start`` (sixteenths of the song)."""
    hits = FILLS[kind](steps, random)
    return [
        Stroke(start + step, PITCH_OF[drum], 1, force, accented=True)
        for step, drum, force in hits
        if 0 <= step < steps
    ]


def _rise(step: float, steps: int, low: float = 0.55) -> float:
    return low + (1 - low) * step / max(1, steps - 1)


def _snare_roll(steps: int, random: Random) -> Hits:
    """Sixteenths on the snare that grow, over a kick on each beat."""
    skipped = set(random.choice(steps, steps // 4, replace=False).tolist()) - {steps - 1}
    roll: Hits = [
        (s, "snare", _rise(s, steps)) for s in range(steps) if s not in skipped or s % 4 == 0
    ]
    return roll + [(s, "kick", 0.9) for s in range(0, steps, 4)]


def _toms(steps: int, random: Random) -> Hits:
    """Down the toms in pairs or fours, from the snare to the floor."""
    order = ("snare", "high_tom", "mid_tom", "low_tom")
    each = steps / len(order)
    hits: Hits = [(s, order[int(s / each)], _rise(s, steps, 0.7)) for s in range(steps)]
    if random.random() < 0.5:  # leave air between the groups
        hits = [h for h in hits if h[0] % 4 != 3 or h[0] == steps - 1]
    return hits + [(s, "kick", 0.85) for s in range(0, steps, 4)]


def _kick_snare(steps: int, random: Random) -> Hits:
    """Kick and snare answer each other in sixteenths."""
    cells = (("snare", "kick", "kick", "snare"), ("kick", "snare", "snare", "kick"),
             ("snare", "snare", "kick", "kick"))  # fmt: skip
    first = int(random.integers(len(cells)))
    hits: Hits = []
    for beat in range(steps // 4):
        cell = cells[(first + beat) % len(cells)]
        hits += [
            (4 * beat + i, drum, _rise(4 * beat + i, steps, 0.65)) for i, drum in enumerate(cell)
        ]
    return hits


def _stop(steps: int, random: Random) -> Hits:
    """Hold your breath: one hit, then nothing but a pick-up."""
    pickup: Hits = [(steps - 2, "snare", 0.75), (steps - 1, "snare", 0.95)]
    return [(0, "kick", 1.0), (0, "clap", 0.9), *(pickup if random.random() < 0.6 else pickup[1:])]


def _hat_roll(steps: int, random: Random) -> Hits:
    """Closed hats that double to thirty-seconds, or turn to triplets, over the backbeat."""
    hits: Hits = [(s, "closed_hat", 0.9) for s in range(0, steps - 4, 2)]
    divide = 3 if random.random() < 0.4 else 4
    count = 2 * divide
    hits += [(steps - 4 + 4 * i / count, "closed_hat", _rise(i, count, 0.5)) for i in range(count)]
    return [*hits, (0, "kick", 0.95), (steps - 4, "snare", 1.0), (steps - 2, "kick", 0.8)]


def _claps(steps: int, random: Random) -> Hits:
    """Claps on the beat, then eighths, then sixteenths."""
    del random
    hits: Hits = [(s, "clap", 0.8) for s in range(0, steps - 4, 2)]
    hits += [(s, "clap", _rise(s, steps, 0.6)) for s in range(steps - 4, steps)]
    return hits + [(s, "kick", 0.95) for s in range(0, steps, 4)]


def _rims(steps: int, random: Random) -> Hits:
    """A quiet answer of side sticks and a low tom."""
    places = sorted(random.choice(steps, steps // 2, replace=False).tolist())
    hits: Hits = [(s, "clap" if i % 2 else "low_tom", 0.6) for i, s in enumerate(places)]
    return [*hits, (0, "kick", 0.9)]


def _swell(steps: int, random: Random) -> Hits:
    """Soft low toms that grow, as with mallets."""
    del random
    return [
        (s, "low_tom", _rise(s, steps, 0.35) * 0.8) for s in range(0, steps, 1 if steps < 8 else 2)
    ]


def _kicks(steps: int, random: Random) -> Hits:
    """Double kick in sixteenths under snare on the eighths."""
    del random
    hits: Hits = [(s, "kick", 0.8 if s % 2 else 0.9) for s in range(steps)]
    return hits + [(s, "snare", _rise(s, steps, 0.7)) for s in range(0, steps, 2)]


def _timbales(steps: int, random: Random) -> Hits:
    """High toms in broken sixteenths with a bell on top."""
    cell = [s for s in range(steps) if s % 8 in (0, 1, 3, 4, 6, 7)]
    flip = int(random.integers(2))
    hits: Hits = [
        (s, ("high_tom", "mid_tom")[(i // 2 + flip) % 2], _rise(s, steps, 0.65))
        for i, s in enumerate(cell)
    ]
    return hits + [(s, "percussion", 0.8) for s in range(0, steps, 4)]


FILLS: dict[str, Callable[[int, Random], Hits]] = {
    "snare_roll": _snare_roll,
    "toms": _toms,
    "kick_snare": _kick_snare,
    "stop": _stop,
    "hat_roll": _hat_roll,
    "claps": _claps,
    "rims": _rims,
    "swell": _swell,
    "kicks": _kicks,
    "timbales": _timbales,
}
