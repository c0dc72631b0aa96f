"""The shapes that cross the wire between the bot and the generation service.

Imports neither torch nor discord: both sides, and any other client, may use it.
A stream is a sequence of server-sent events; ``event`` is the kind, ``data`` the JSON of the shape.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

SEED_LIMIT = 2**31
TOPIC_LIMIT = 500
WORDS_MIN, WORDS_MAX = 50, 1200
BPM_MIN, BPM_MAX = 60, 180
BARS_MIN, BARS_MAX = 4, 64
TRACKS_MIN, TRACKS_MAX = 3, 12
TITLE_LIMIT = 80
OPENING_LIMIT = 2000
SAMPLE_LIMIT = 8_000_000  # bytes of an uploaded sample

TONICS = ("C", "C#", "D", "Eb", "E", "F", "F#", "G", "Ab", "A", "Bb", "B")
KEYS = tuple(f"{tonic} {mode}" for tonic in TONICS for mode in ("major", "minor"))
TRACKS = ("drums", "bass", "keys", "lead", "pad")

Seed = Annotated[int, Field(ge=0, lt=SEED_LIMIT)]


class Shape(BaseModel):
    """Base of every shape: frozen, and strict about unknown fields."""

    model_config = ConfigDict(frozen=True, extra="forbid", protected_namespaces=())


class Family(StrEnum):
    """What a model makes."""

    ESSAY = "essay"
    MUSIC = "music"


class AudioFormat(StrEnum):
    """What a beat can be delivered as."""

    MP3 = "mp3"
    OGG = "ogg"
    WAV = "wav"
    FLAC = "flac"
    MID = "mid"


class EssayRequest(Shape):
    """Ask for one essay."""

    request_id: str = Field(max_length=64)
    topic: str = Field(min_length=1, max_length=TOPIC_LIMIT)
    words: int = Field(default=400, ge=WORDS_MIN, le=WORDS_MAX)
    style: str | None = None
    seed: Seed
    version: str | None = Field(default=None, description="None: the live one")
    greedy: bool = Field(default=False, description="Most likely token at every step")
    opening: str | None = Field(
        default=None, max_length=OPENING_LIMIT, description="Text that the essay goes on from"
    )


class EssayPlan(Shape):
    """What the essay is going to say, before it is written."""

    title: str
    paragraphs: tuple[tuple[str, ...], ...] = Field(description="Keywords of each paragraph")


class EssayDelta(Shape):
    """A piece of text to append; never takes back what was sent."""

    text: str


class EssayDone(Shape):
    """The finished essay."""

    text: str
    plan: EssayPlan
    words: int
    seed: int
    style: str
    model_version: str
    tokens: int
    seconds: float
    note: str | None = Field(
        default=None, description="One sentence the reader should know, e.g. a foreign topic"
    )


class BeatRequest(Shape):
    """Ask for one beat; None lets the seed choose."""

    request_id: str = Field(max_length=64)
    style: str | None = None
    bpm: int | None = Field(default=None, ge=BPM_MIN, le=BPM_MAX)
    bars: int = Field(default=16, ge=BARS_MIN, le=BARS_MAX)
    key: str | None = Field(default=None, description="One of KEYS")
    seed: Seed
    format: AudioFormat = AudioFormat.MP3
    max_bytes: int | None = Field(default=None, gt=0, description="Largest audio file")
    version: str | None = None
    variation: int = Field(
        default=0, ge=0, lt=SEED_LIMIT, description="0: the song itself, else a near relative"
    )
    sample: str | None = Field(
        default=None, description="A MIDI or audio file in base64, to be played around"
    )
    stems: bool = Field(default=False, description="A zip of one file a track, too")
    energy: float | None = Field(
        default=None, ge=0, le=1, description="0 calm .. 1 full: how many play, how much, how hard"
    )


class BeatTake(Shape):
    """The finished beat; files are base64."""

    style: str
    bpm: int
    bars: int
    key: str
    seed: int
    model_version: str
    sections: tuple[str, ...] = Field(description="Name of the section each four bars belong to")
    duration: float = Field(description="Seconds of audio, tail included")
    format: AudioFormat
    audio: str | None = Field(description="None when only MIDI was asked for")
    midi: str
    picture: str = Field(description="PNG of the piano-roll")
    stems: str | None = Field(default=None, description="Zip of one audio file a track")
    loudness: float | None = Field(default=None, description="Integrated, LUFS")
    true_peak: float | None = Field(default=None, description="dBTP")
    seconds: float


class AlbumRequest(Shape):
    """Ask for a record; None lets the seed choose."""

    request_id: str = Field(max_length=64)
    title: str = Field(min_length=1, max_length=TITLE_LIMIT)
    tracks: int = Field(default=6, ge=TRACKS_MIN, le=TRACKS_MAX)
    style: str | None = None
    seed: Seed
    max_bytes: int | None = Field(default=None, gt=0, description="Largest zip")
    version: str | None = None


class AlbumTrack(Shape):
    """One track of a finished record."""

    number: int
    title: str
    bpm: int
    key: str
    bars: int
    duration: float = Field(description="Seconds")


class AlbumTake(Shape):
    """The finished record; files are base64."""

    title: str
    style: str
    seed: int
    model_version: str
    tracks: tuple[AlbumTrack, ...]
    archive: str = Field(description="Zip of tagged audio files")
    medley: str = Field(description="MP3 of at most 30 seconds")
    cover: str = Field(description="PNG")
    seconds: float


class Progress(Shape):
    """How far a request is; ``done`` runs from 0 to 1."""

    stage: Literal["queued", "planning", "playing", "mixing", "encoding", "writing"]
    done: float = Field(ge=0, le=1)
    ahead: int = Field(default=0, ge=0, description="Requests before this one, when queued")
    part: int = Field(default=0, ge=0, description="Track of a record that is being made")
    parts: int = Field(default=0, ge=0, description="Tracks of the record")


class StyleInfo(Shape):
    """A manner a model can write or play in."""

    name: str
    description: str


class ModelInfo(Shape):
    """One model the service holds."""

    family: Family
    version: str
    aliases: tuple[str, ...] = ()
    styles: tuple[StyleInfo, ...] = ()
    default_style: str | None = None
    parameters: int
    licence: str
    device: str
    in_flight: int = 0


class Models(Shape):
    """Every model the service holds."""

    models: tuple[ModelInfo, ...]


class Reloaded(Shape):
    """What a reload did."""

    family: Family
    before: str | None
    now: str
    seconds: float
    stall: float | None = Field(
        default=None, description="Seconds the slowest step meanwhile took beyond the usual one"
    )


class EngineHealth(Shape):
    """Whether one engine moves."""

    family: Family
    ok: bool
    active: int
    waiting: int
    idle_seconds: float = Field(description="Seconds since the engine last made a step")
    rate: float | None = Field(default=None, description="Tokens or bars a second, recent")


class Health(Shape):
    """Whether the service can do its work."""

    ok: bool
    engines: tuple[EngineHealth, ...]
    sentence: str = "Everything works."


class Problem(Shape):
    """Why a request was not served: one plain sentence."""

    sentence: str
    retry_after: float | None = Field(default=None, description="Seconds; set when busy")
    again: bool = Field(default=True, description="Whether the same request may work later")


EssayEvent = Progress | EssayPlan | EssayDelta | EssayDone
BeatEvent = Progress | BeatTake
AlbumEvent = Progress | AlbumTake

#: Names of the server-sent events, in both directions of the wire.
EVENTS: dict[str, type[Shape]] = {
    "progress": Progress,
    "plan": EssayPlan,
    "delta": EssayDelta,
    "essay": EssayDone,
    "take": BeatTake,
    "album": AlbumTake,
    "problem": Problem,
}
