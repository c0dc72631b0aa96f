"""Beats live on repetition: a phrase's bars are ordered into a loop, its backbeat made sure of."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from models.music.pianoroll import BARS, DRUMS, REGISTER, STEPS, TONES, Phrase

Order = tuple[int, int, int, int]
_ROW = {drum.name: row for row, drum in enumerate(DRUMS)}
_LOOPS: tuple[Order, ...] = ((0, 1, 0, 1), (0, 1, 0, 3), (0, 1, 0, 3))
_THROUGH: Order = (0, 1, 2, 3)
#: Where in the bar what joins the drums of a hook is struck.
_JOINS = {"open_hat": slice(2, None, 4), "shaker": slice(None, None, 2),
          "ride": slice(None, None, 4)}  # fmt: skip


def tonal_order(loop: float, random: np.random.Generator) -> Order:
    """Choose how the bars of the pitched tracks come back; ``loop`` is how often they do, 0..1."""
    if random.random() < loop:
        return _LOOPS[int(random.integers(len(_LOOPS)))]
    return _THROUGH


def looped(phrase: Phrase, order: Order) -> Phrase:
    """Order the pitched tracks' bars, all alike so that they stay together."""
    return phrase.only("drums").beside(phrase.only(*TONES).bars(*order))


def answer(phrase: Phrase, near: Phrase) -> Phrase:
    """Begin as a phrase does and end as one near it, two bars each."""
    half = BARS // 2 * STEPS
    onset = np.concatenate([phrase.onset[:half], near.onset[half:]])
    sustain = np.concatenate([phrase.roll[:half], near.roll[half:]]) & ~onset
    return Phrase.of(onset, sustain)


def drum_loop(
    phrase: Phrase, random: np.random.Generator, *, four_on_floor: bool, crashes: bool
) -> Phrase:
    """Make the drums a loop of the best bar with an answer, and fill gaps in kick and backbeat.

    With ``crashes`` one marks every other bar and the rest go to the ride; without, the loop has
    none: a crash marks a section.
    """
    hits = _hits(phrase)
    rates = [_rate(bar) for bar in hits]
    first = int(np.argmax(rates))
    answer = max((b for b in range(BARS) if b != first), key=lambda b: (rates[b], -b))
    orders = ((first, first, first, answer), (first, answer, first, answer))
    order = orders[int(random.integers(len(orders)))]
    drums = phrase.only("drums").bars(*order)
    onset = drums.onset.copy()
    anchored = onset[:, REGISTER["drums"].columns].reshape(BARS, STEPS, len(DRUMS))
    _anchor(anchored, four_on_floor)
    _calm_crashes(anchored, marks=crashes)
    onset[:, REGISTER["drums"].columns] = anchored.reshape(-1, len(DRUMS))
    return Phrase.of(onset, onset & False).beside(phrase.only(*TONES))


def lifted(phrase: Phrase, joins: Collection[str]) -> Phrase:
    """Open up a verse's drums for a hook: a pulse of eighths, and what else ``joins``.

    Kick, snare and clap stay: they are what the groove is known by.
    """
    hits = _hits(phrase).copy()
    pulse = max(("closed_hat", "ride"), key=lambda name: int(hits[:, :, _ROW[name]].sum()))
    hits[:, ::2, _ROW[pulse]] = True
    for name in joins:
        hits[:, _JOINS[name], _ROW[name]] = True
    hits[:, :, _ROW["closed_hat"]] &= ~hits[:, :, _ROW["open_hat"]]  # one pair of cymbals
    onset = phrase.onset.copy()
    onset[:, REGISTER["drums"].columns] = hits.reshape(-1, len(DRUMS))
    return Phrase.of(onset, phrase.roll & ~onset)


def _hits(phrase: Phrase) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    return phrase.onset[:, REGISTER["drums"].columns].reshape(BARS, STEPS, len(DRUMS))


def _rate(bar: np.ndarray[tuple[int, ...], np.dtype[np.bool_]]) -> float:
    """Rate a bar as the ground of a loop: kick on one, a backbeat, a pulse, not crowded."""
    kick, snare = bar[:, _ROW["kick"]], bar[:, _ROW["snare"]] | bar[:, _ROW["clap"]]
    pulse = bar[:, [_ROW["closed_hat"], _ROW["ride"], _ROW["shaker"], _ROW["open_hat"]]].any(axis=1)
    backbeat = max(float(snare[[4, 12]].mean()), 0.9 * float(snare[8]))
    crowd = max(0.0, float(bar.sum()) - 26) / 12
    return float(kick[0]) + 1.2 * backbeat + min(1.0, float(pulse.sum()) / 7) - crowd


def _anchor(hits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], four_on_floor: bool) -> None:
    """Add what a listener waits for where most of it is there: one, and the backbeat."""
    kick, snare = hits[:, :, _ROW["kick"]], hits[:, :, _ROW["snare"]]
    if hits.any() and not kick[:, 0].all():
        kick[:, 0] = True
    if four_on_floor:
        kick[:] = False
        kick[:, ::4] = True
    either = snare | hits[:, :, _ROW["clap"]]
    for steps in ([4, 12], [8]):
        share = float(either[:, steps].mean())
        if 0.5 <= share < 1:
            snare[:, steps] |= ~either[:, steps]
            break


def _calm_crashes(hits: np.ndarray[tuple[int, ...], np.dtype[np.bool_]], marks: bool) -> None:
    """Keep the crashes that open every other bar, and go on with them on the ride; or have none."""
    crash, ride = hits[:, :, _ROW["crash"]], hits[:, :, _ROW["ride"]]
    if marks:
        opening = crash[::2, 0].copy()
        ride |= crash
        ride[::2, 0] &= ~opening
        crash[:] = False
        crash[::2, 0] = opening
    else:
        crash[:] = False
