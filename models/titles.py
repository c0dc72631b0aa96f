"""Names for the tracks of a record, made of the words the writer thinks of at its title.

The same title, style, seed and writer give the same names. Without a writer, words of a short list
take the place of the writer's own.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol

import numpy as np

from models.contract import AlbumRequest, EssayPlan
from models.essay.lexicon import STOP_WORDS, content_words, is_english, split_set, stem

#: How styles are called by people, where their names differ.
_SPOKEN = {
    "hiphop": "hip hop",
    "edm": "electronic dance music",
    "rnb_soul": "soul",
    "own": "music",
}
#: Words that mean too little to stand alone on a sleeve.
_DULL = split_set(
    "back stuff super gonna wanna cant dont pretty likes pass frequent average annual label "
    "performed performing performances recorded recording chart videos receives quarter"
)
#: For want of a writer.
_PLAIN = sorted(
    split_set(
        "morning rain window river harbour lantern summer winter corner garden mirror silver paper "
        "copper signal station engine shadow island desert mountain valley candle thunder feather "
        "velvet ember marble compass ribbon orchard meadow anchor current horizon balcony railway"
    )
)
#: Each takes any word without sounding wrong; {a} and {b} are new words, {own} is the title's.
_SHAPES = (
    ("{a}", 5), ("{a} and {b}", 4), ("{own} {a}", 3), ("Almost {a}", 1), ("Still {a}", 1),
    ("{a} Again", 1), ("{a}, {b}", 1), ("{a} to {b}", 1),
)  # fmt: skip


class Writer(Protocol):
    """What thinks of words: the essay desk."""

    def outline(self, topic: str, seed: int, cancelled: Callable[[], bool]) -> EssayPlan | None:
        """Think of words around a topic; None when none came."""


def name_tracks(
    request: AlbumRequest, style: str, cancelled: Callable[[], bool], *, writer: Writer | None
) -> tuple[str, ...]:
    """Give each track of a record a name of its own, of one to four words."""
    title, count = request.title, request.tracks
    random = np.random.default_rng([request.seed, zlib.crc32(f"{title}/{style}".encode()), count])
    own = [word for word in content_words(title) if is_english(word)]
    words: list[str] = []
    if writer is not None:
        spoken = _SPOKEN.get(style, style.replace("_", " "))
        topics = [title, f"{title} {spoken}"] if own else [spoken]
        thought = [_keywords(writer.outline(t, request.seed, cancelled)) for t in topics]
        words = _fresh(_mixed(*thought), title)
    if len(words) < 2 * count:
        words = _fresh([*words, *random.permutation(_PLAIN).tolist()], title)
    return tuple(_names(words, own, count, random))


def _mixed(first: Sequence[str], second: Sequence[str] = ()) -> list[str]:
    """Mix in one word of the second list after two of the first."""
    left = list(second)
    mixed = []
    for place, word in enumerate(first, 1):
        mixed.append(word)
        if place % 2 == 0 and left:
            mixed.append(left.pop(0))
    return [*mixed, *left]


def _keywords(outline: EssayPlan | None) -> list[str]:
    return [] if outline is None else [w for group in outline.paragraphs for w in group]


def _fresh(words: Iterable[str], album: str) -> list[str]:
    """Keep real words that are new, in their order."""
    seen = {stem(word) for word in content_words(album)}
    kept = []
    for word in words:
        plain = word.lower()
        usable = plain.isalpha() and len(plain) > 2 and is_english(plain)
        if usable and plain not in STOP_WORDS | _DULL and stem(plain) not in seen:
            seen.add(stem(plain))
            kept.append(plain)
    return kept


def _names(
    words: Sequence[str], own: Sequence[str], count: int, random: np.random.Generator
) -> Iterator[str]:
    """Put words into shapes, each word once, no shape twice in a row."""
    left, before = list(words), ""
    for place in range(count):
        shapes = [
            (shape, weight)
            for shape, weight in _SHAPES
            if shape != before
            and (own or "{own}" not in shape)
            # Every name to come needs a word of its own.
            and ("{b}" not in shape or len(left) > count - place)
        ]
        weights = np.array([weight for _, weight in shapes], float)
        before = shapes[int(random.choice(len(shapes), p=weights / weights.sum()))][0]
        taken = [left.pop(0) for _ in range(2 if "{b}" in before else 1)]
        chosen = own[int(random.integers(len(own)))] if own else ""
        yield before.format(
            a=taken[0].capitalize(), b=taken[-1].capitalize(), own=chosen.capitalize()
        )
