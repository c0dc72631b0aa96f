"""The baseline that a network has to beat: a Markov chain of beats for every track.

A beat of a track is a cell: which notes start and which are held on its four sixteenths. The next
cell is drawn from those that followed the present one, at the same beat of the bar, in the training
songs of the style; a cell that nothing followed there gives way to any cell of that beat and style,
and a style without songs to any style. Tracks know nothing of each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from models.music.pianoroll import CELLS, LENGTH, REGISTERS, STEPS, Cells, Register
from training.music.corpus import Corpus, Ints

BEAT = 4  # sixteenths
_BEATS = LENGTH // BEAT
_A_BAR = STEPS // BEAT
_START = 0  # what precedes the first beat of a phrase; cells count from one


@dataclass(frozen=True, eq=False)
class _Memory:
    """What followed each context: contexts sorted, the next cell beside each."""

    contexts: Ints
    nexts: Ints

    @classmethod
    def of(cls, contexts: Ints, nexts: Ints) -> _Memory:
        order = np.argsort(contexts, kind="stable")
        return cls(contexts[order], nexts[order])

    def draw(self, contexts: Ints, random: np.random.Generator) -> Ints:
        """Draw a next cell for each context; -1 where it never occurred."""
        low = np.searchsorted(self.contexts, contexts, "left")
        high = np.searchsorted(self.contexts, contexts, "right")
        picked = low + (random.random(len(contexts)) * (high - low)).astype(np.int64)
        known = high > low
        drawn = np.full(len(contexts), -1, np.int64)
        drawn[known] = self.nexts[picked[known]]
        return drawn


@dataclass(frozen=True, eq=False)
class _Chain:
    """One track's cells and what follows them."""

    register: Register
    cells: NDArray[np.uint8]  # [kinds, bytes]: packed bits of a beat's onsets and held notes
    memories: Sequence[_Memory]  # from the fullest context to the emptiest

    @classmethod
    def learn(cls, register: Register, beats: NDArray[np.uint8], style: Ints) -> _Chain:
        """Count ``beats`` [phrases, 16, bytes] of phrases in which the track plays."""
        flat = np.ascontiguousarray(beats.reshape(-1, beats.shape[-1]))
        rows = flat.view(np.dtype((np.void, flat.shape[1])))[:, 0]
        _, first, kind = np.unique(rows, return_index=True, return_inverse=True)
        follows = kind.reshape(len(beats), _BEATS) + 1
        before = np.pad(follows, ((0, 0), (1, 0)), constant_values=_START)[:, :-1]
        place = np.broadcast_to(np.arange(_BEATS) % _A_BAR, follows.shape)
        styles = np.broadcast_to(style[:, None], follows.shape)
        contexts = _contexts(styles.ravel(), place.ravel(), before.ravel(), len(first))
        return cls(register, flat[first], [_Memory.of(c, follows.ravel()) for c in contexts])

    def play(self, style: Ints, beats: int, random: np.random.Generator) -> tuple[Cells, Cells]:
        """Draw (held, onset) of [styles, beats * 4, rows]."""
        cell = np.full(len(style), _START, np.int64)
        drawn = []
        for beat in range(beats):
            place = np.full(len(style), beat % _A_BAR)
            fresh = np.full(len(style), -1, np.int64)
            for memory, contexts in zip(
                self.memories, _contexts(style, place, cell, len(self.cells)), strict=True
            ):
                unknown = fresh < 0
                fresh[unknown] = memory.draw(contexts[unknown], random)
            cell = fresh
            drawn.append(self.cells[cell - 1])
        bits = np.unpackbits(np.stack(drawn, 1), axis=-1).astype(np.bool_)
        size = BEAT * self.register.size
        shape = (len(style), beats * BEAT, self.register.size)
        return bits[..., size : 2 * size].reshape(shape), bits[..., :size].reshape(shape)


def _contexts(style: Ints, place: Ints, before: Ints, kinds: int) -> tuple[Ints, Ints, Ints]:
    """Number (style, place, cell before), (style, place) and (place)."""
    where = style * _A_BAR + place
    return where * (kinds + 1) + before, where, place


class MarkovBand:
    """A chain for every track that the songs have."""

    def __init__(self, corpus: Corpus) -> None:
        beats = [_beats(corpus, register) for register in REGISTERS]
        played = [np.flatnonzero(cells.any((1, 2))) for cells in beats]
        self._chains = [
            _Chain.learn(register, cells[rows], corpus.style[rows]) if len(rows) else None
            for register, cells, rows in zip(REGISTERS, beats, played, strict=True)
        ]

    def play(
        self, style: Ints, active: Cells, bars: int, random: np.random.Generator
    ) -> tuple[Cells, Cells]:
        """Play ``bars`` bars for each style [n], tracks as in ``active`` [n, 5]: (roll, onset)."""
        onset = np.zeros((len(style), bars * STEPS, CELLS), np.bool_)
        held = np.zeros_like(onset)
        for number, chain in enumerate(self._chains):
            rows = np.flatnonzero(active[:, number])
            if chain is None or not len(rows):
                continue
            columns = chain.register.columns
            held[rows, :, columns], onset[rows, :, columns] = chain.play(
                style[rows], bars * _A_BAR, random
            )
        roll = onset.copy()
        for step in range(1, roll.shape[1]):  # a note is held only where one sounds
            roll[:, step] |= held[:, step] & roll[:, step - 1]
        return roll, onset


def _beats(corpus: Corpus, register: Register, chunk: int = 2048) -> NDArray[np.uint8]:
    """Pack a track's beats: [phrases, 16, bytes] with the onsets first, then what sounds."""
    found = []
    for at in range(0, len(corpus), chunk):
        roll, onset = corpus.cells(np.arange(at, min(at + chunk, len(corpus))))
        planes = [
            plane[:, :, register.columns].reshape(len(plane), _BEATS, -1) for plane in (onset, roll)
        ]
        found.append(np.packbits(np.concatenate(planes, -1), axis=-1))
    return np.concatenate(found)
