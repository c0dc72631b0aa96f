"""The phrases of a song: the best of several for each kind of section, and their relatives."""

from __future__ import annotations

import zlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from models.music import loops, taste
from models.music.pianoroll import BARS, TONES, TRACKS, Phrase
from models.music.sample import Sample
from models.music.song import Section
from models.music.styles import Style

if TYPE_CHECKING:
    from torch import Tensor

CANDIDATES = 8  # phrases heard for each kind of section
RELATIVES = 4  # and for each return of one, as far as the first that pleases
#: How far a section that comes back may drift in latent space, and a wanted variation.
DRIFT, VARIATION = 0.12, 0.25
#: A repeat whose moved tracks, or whose tune, are less similar than this would not be heard as one.
ALIKE, TUNE = 0.55, 0.5
#: Energy the generator is asked for: 0 sparse .. 3 dense.
ENERGY = {"verse": 1, "hook": 3, "bridge": 0}
#: What likeness to the other sections costs a bridge, beside a taste of 0..1.
_CONTRAST = 0.4
_KINDS = {"intro": "verse", "outro": "verse"}  # whose material a section borrows


class PhraseMaker(Protocol):
    """What the arranger needs of a generator; ``models.music.gan.Generator`` is one."""

    def latent(self, seed: int, count: int = 1) -> Tensor:
        """Draw latents [count, size] from a seed."""

    def nudge(self, z: Tensor, amount: float, seed: int) -> Tensor:
        """Move latents towards fresh ones."""

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
        """Make a phrase per latent."""


@dataclass(frozen=True)
class Wish:
    """What is asked for; None lets the seed choose."""

    style: str
    seed: int
    bars: int = 16
    bpm: int | None = None
    key: str | None = None
    variation: int = 0  # 0 the song itself, any other number a near relative of it
    sample: Sample | None = None  # what the song is played around
    energy: float | None = None  # 0 calm .. 1 full; None: as its sections are


@dataclass(frozen=True)
class Streams:
    """Named random streams of one seed and style."""

    seed: int
    style: str

    def of(self, *name: object) -> np.random.Generator:
        """Give a fresh generator for a named purpose."""
        return np.random.default_rng(self.number(*name))

    def number(self, *name: object) -> int:
        """Give a seed below 2**31 for a named purpose."""
        text = ":".join(str(part) for part in (self.seed, self.style, *name))
        return zlib.crc32(text.encode()) & 0x7FFFFFFF


class Material:
    """The phrases of each kind of section, made once and varied when they come back."""

    def __init__(self, maker: PhraseMaker, wish: Wish, style: Style, bpm: int, mode: str) -> None:
        self._maker, self._wish, self._style = maker, wish, style
        self._bpm, self._mode = bpm, mode
        self._streams = Streams(wish.seed, wish.style)
        self._base: dict[tuple[str, int], tuple[Tensor, Phrase]] = {}
        self._heard: dict[str, int] = {}

    def section(self, section: Section) -> list[Phrase]:
        """Give a phrase per four bars: A A' A A' ..., each return with a little drift.

        A hook's A is what people know it by: it comes back unchanged. With a sample that is longer
        than four bars its parts take turns instead of A and A'.
        """
        kind = _KINDS.get(section.name, section.name)
        count = -(-section.bars // BARS)
        visit = self._heard.get(kind, 0)
        self._heard[kind] = visit + 1
        found = []
        for place in range(count):
            sample = self._sampled(kind)
            z, base = self._of(kind, sample.part(kind, place) if sample else 0)
            if place % 2 == 0 and (visit == 0 or kind == "hook"):
                found.append(base)
            else:
                found.append(self._relative(z, base, kind, visit, place))
        return found

    def _sampled(self, kind: str) -> Sample | None:
        """Give the sample where it plays; a bridge goes on without it."""
        return self._wish.sample if kind != "bridge" else None

    def _of(self, kind: str, part: int) -> tuple[Tensor, Phrase]:
        """Find the latent and the phrase of a section's kind, and of the sample's part in it."""
        if (kind, part) not in self._base:
            told, kept = self._told(kind, part)
            name = (kind, part) if part else (kind,)
            z = self._maker.latent(self._streams.number(*name), CANDIDATES)
            if self._wish.variation:
                z = self._maker.nudge(
                    z, VARIATION, self._streams.number(*name, self._wish.variation)
                )
            made = self._make(z, kind, told, kept)
            pick = self._pick(made, kind)
            if self._wish.variation:
                z = z[pick : pick + 1].repeat(CANDIDATES, 1)
                seed = self._streams.number(*name, "variation", self._wish.variation)
                z = self._maker.nudge(z, VARIATION, seed)
                made = self._make(z, kind, told, kept)
                pick = self._pick(made, kind)
            shaped = self._shaped(made[pick], kind, "drums" in kept)
            self._base[kind, part] = z[pick : pick + 1], shaped
        return self._base[kind, part]

    def _told(self, kind: str, part: int) -> tuple[Phrase | None, tuple[str, ...]]:
        """Give what is played around: the sample's tracks, and drums that were heard before."""
        sample = self._sampled(kind)
        given = sample.phrases[part] if sample else None
        kept = sample.tracks if sample else ()
        drums: Phrase | None = None
        if "drums" not in kept:
            first = sample.part(kind, 0) if sample else 0
            if part != first:
                drums = self._of(kind, first)[1]
            elif kind != "verse" and ("verse", 0) in self._base and self._keeps_groove(kind):
                drums = self._base["verse", 0][1]
                if _density(kind, self._wish.energy) == max(ENERGY.values()):
                    drums = loops.lifted(drums, self._style.lift)
        if drums is None:
            return given, kept
        if given is None:
            return drums, ("drums",)
        return given.beside(drums.only("drums")), ("drums", *kept)

    def _pick(self, made: Sequence[Phrase], kind: str) -> int:
        """Choose the best phrase; for a bridge one that is also unlike what was heard before."""
        if kind != "bridge":
            return taste.best(made, self._mode, TRACKS)
        heard = [phrase for _, phrase in self._base.values()]
        rated = [
            taste.score(phrase, self._mode, TRACKS)
            - _CONTRAST * max((taste.similarity(phrase, h, TONES) for h in heard), default=0.0)
            for phrase in made
        ]
        return int(np.argmax(rated))

    def _shaped(self, phrase: Phrase, kind: str, grooves: bool) -> Phrase:
        """Give a phrase its loop; ``grooves`` says that its drums have theirs already."""
        phrase = self._looped(phrase, kind)
        if grooves:
            return phrase
        drums = self._streams.of("drum loop", kind)
        return loops.drum_loop(
            phrase,
            drums,
            four_on_floor=self._style.four_on_floor,
            crashes=self._style.rides_crash,
        )

    def _looped(self, phrase: Phrase, kind: str) -> Phrase:
        """Order the bars of the pitched tracks; a sample is a loop and stays as it is."""
        if self._sampled(kind):
            return phrase
        order = loops.tonal_order(self._style.loop, self._streams.of("loop", kind))
        return loops.looped(phrase, order)

    def _keeps_groove(self, kind: str) -> bool:
        """Most hooks open up the verse's drums, the others and a bridge bring their own."""
        return kind != "bridge" and self._streams.of("groove", kind).random() < 0.85

    def _relative(self, z: Tensor, base: Phrase, kind: str, visit: int, place: int) -> Phrase:
        """Answer a phrase with one that begins alike and ends otherwise; drums and harmony stay."""
        kept = {"drums", "bass", "keys"} if place % 2 else {"drums"}
        sample = self._sampled(kind)
        kept |= set(sample.tracks) if sample else set()
        enough = taste.score(base, self._mode, TRACKS) - 0.04
        for attempt, amount in enumerate((DRIFT * (1.5 if place % 2 else 1), DRIFT / 2)):
            seed = self._streams.number(kind, "drift", visit, place % 2, attempt)
            moved = self._maker.nudge(z.repeat(RELATIVES, 1), amount, seed)
            for made in self._make(moved, kind, base, kept):
                near = loops.answer(base, self._looped(made, kind))
                good = taste.score(near, self._mode, TRACKS) >= enough
                if good and _recognised(base, near, set(TRACKS) - kept):
                    return near
        return base

    def _make(
        self, z: Tensor, kind: str, given: Phrase | None, kept: Collection[str]
    ) -> list[Phrase]:
        return self._maker.phrases(
            z,
            style=self._wish.style,
            energy=_density(kind, self._wish.energy),
            section="verse" if kind == "bridge" else kind,
            bpm=self._bpm,
            mode=self._mode,
            tracks=TRACKS,
            given=given,
            given_tracks=kept if given is not None else (),
        )


def _recognised(base: Phrase, near: Phrase, moved: Collection[str]) -> bool:
    """Say whether a repeat is heard as one, by what moved and above all by its tune."""
    tune = "lead" not in moved or taste.similarity(base, near, ("lead",)) >= TUNE
    return tune and taste.similarity(base, near, moved) >= ALIKE


def _density(kind: str, energy: float | None) -> int:
    """Choose how dense the phrases of a section are asked for, 0..3: a calm song's are sparser."""
    moved = 0 if energy is None else round(3 * energy - 1.5)
    return min(max(ENERGY[kind] + moved, 0), 3)
