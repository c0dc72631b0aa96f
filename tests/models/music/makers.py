"""A phrase maker with rules instead of weights: quick, musical enough, deterministic."""

from collections.abc import Collection, Sequence

import torch
from torch import Tensor

from models.music.pianoroll import BARS, STEPS, TRACKS, Note, Phrase

CHORDS = ((0, 4, 7), (9, 0, 4), (5, 9, 0), (7, 11, 2))
KICK, SNARE, HAT = 36, 38, 42


class RuleMaker:
    """Reads a latent's first number as the chord order and the rest as small changes."""

    def latent(self, seed: int, count: int = 1) -> Tensor:
        return torch.randn(count, 24, generator=torch.Generator().manual_seed(seed))

    def nudge(self, z: Tensor, amount: float, seed: int) -> Tensor:
        fresh = self.latent(seed, len(z))
        return z * float((1 - amount**2) ** 0.5) + fresh * amount

    def phrases(
        self,
        z: Tensor,
        *,
        style: str,
        energy: int | Sequence[int] = 2,
        section: str | Sequence[str] = "verse",
        bpm: float = 90.0,
        mode: str = "major",
        tracks: Collection[str] | Sequence[Collection[str]] | None = None,
        given: Phrase | None = None,
        given_tracks: Collection[str] = (),
    ) -> list[Phrase]:
        made = []
        for row in z:
            phrase = Phrase.from_notes(self._notes(row, mode))
            if given is not None:
                own = phrase.only(*(t for t in TRACKS if t not in given_tracks))
                kept = given.only(*given_tracks)
                phrase = Phrase(own.roll | kept.roll, own.onset | kept.onset)
            made.append(phrase)
        return made

    def _notes(self, z: Tensor, mode: str) -> dict[str, list[Note]]:
        first = 1 if mode == "minor" else 0
        notes: dict[str, list[Note]] = {track: [] for track in TRACKS}
        for bar in range(BARS):
            at = bar * STEPS
            chord = CHORDS[(first + bar + int(z[0] > 0) * bar) % 4]
            notes["drums"] += [Note(at + s, KICK, 1) for s in (0, 7, 10)]
            notes["drums"] += [Note(at + s, SNARE, 1) for s in (4, 12)]
            notes["drums"] += [Note(at + s, HAT, 1) for s in range(0, 16, 2)]
            notes["bass"] += [Note(at + s, 36 + chord[0] % 12, 3) for s in (0, 7, 10)]
            notes["keys"] += [Note(at + s, 60 + tone, 6) for s in (0, 8) for tone in chord]
            notes["pad"] += [Note(at, 60 + tone, 16) for tone in chord]
            for step in range(4):
                tone = chord[int(z[1 + 4 * bar + step] > 0)] + 72
                notes["lead"].append(Note(at + 4 * step, tone, 3))
        return notes
