"""What a request asks for, once admitted: the frozen shapes kept with its row."""

from __future__ import annotations

from enum import StrEnum
from typing import Literal

from pydantic import Field

from models.contract import (
    BARS_MAX,
    BARS_MIN,
    BPM_MAX,
    BPM_MIN,
    OPENING_LIMIT,
    SEED_LIMIT,
    TITLE_LIMIT,
    TOPIC_LIMIT,
    TRACKS_MAX,
    TRACKS_MIN,
    WORDS_MAX,
    WORDS_MIN,
    AudioFormat,
    Family,
    Shape,
)

Kind = Literal["essay", "beat", "album"]
KINDS: tuple[Kind, ...] = ("essay", "beat", "album")
FAMILY: dict[Kind, Family] = {
    "essay": Family.ESSAY,
    "beat": Family.MUSIC,
    "album": Family.MUSIC,
}


class EssayParameters(Shape):
    """An essay as asked for."""

    topic: str = Field(min_length=1, max_length=TOPIC_LIMIT)
    words: int = Field(default=400, ge=WORDS_MIN, le=WORDS_MAX)
    style: str | None = None
    opening: str | None = Field(default=None, max_length=OPENING_LIMIT)
    #: Alias of the version that serves a guild's own style, which ``style`` then names.
    version: str | None = None


class Energy(StrEnum):
    """How much goes on in a beat: how many play, how much, how hard."""

    CALM = "calm"
    MODERATE = "moderate"
    FULL = "full"


#: What the service is asked for by each word; see BeatRequest.
ENERGIES = {Energy.CALM: 0.0, Energy.MODERATE: 0.5, Energy.FULL: 1.0}


class BeatParameters(Shape):
    """A beat as asked for; None lets the seed choose."""

    style: str | None = None
    bpm: int | None = Field(default=None, ge=BPM_MIN, le=BPM_MAX)
    bars: int = Field(default=16, ge=BARS_MIN, le=BARS_MAX)
    key: str | None = None
    energy: Energy | None = None  # None: as its sections are
    format: AudioFormat = AudioFormat.MP3
    variation: int = Field(default=0, ge=0, lt=SEED_LIMIT)  # see BeatRequest; set by a button
    #: Name of the file it is played around, which is kept with the request's other files.
    sample: str | None = Field(default=None, max_length=80)
    #: Alias of the version that serves a guild's own style, which ``style`` then names.
    version: str | None = None


class AlbumParameters(Shape):
    """A record as asked for."""

    title: str = Field(min_length=1, max_length=TITLE_LIMIT)
    tracks: int = Field(default=6, ge=TRACKS_MIN, le=TRACKS_MAX)
    style: str | None = None
    #: Alias of the version that serves a guild's own style, which ``style`` then names.
    version: str | None = None


Parameters = EssayParameters | BeatParameters | AlbumParameters
#: What the work on a request of each kind grows with.
SIZES: dict[Kind, str] = {"essay": "words", "beat": "bars", "album": "tracks"}
PARAMETERS: dict[Kind, type[Parameters]] = {
    "essay": EssayParameters,
    "beat": BeatParameters,
    "album": AlbumParameters,
}


def size_of(kind: Kind, parameters: Parameters) -> int:
    """Say how large a request is, in the unit of its kind."""
    size: int = getattr(parameters, SIZES[kind])
    return size
