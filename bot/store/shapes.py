"""The frozen rows that leave the store."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic import Field

from bot.parameters import Kind, Parameters
from bot.store.states import FINAL, State
from models.contract import AlbumTake, BeatTake, EssayDone, Shape

#: What is made, whatever the kind.
Outcome = EssayDone | BeatTake | AlbumTake
#: Kind of the file that a beat is played around; it comes from its person, not from a model.
SAMPLE = "sample"
#: The user of the console: nobody on Discord, so neither quotas nor one-at-a-time apply.
NOBODY = 0
#: Time before a token's end at which it is no longer trusted.
TOKEN_MARGIN = timedelta(minutes=1)


def utc_now() -> datetime:
    """Return the present moment, aware and in UTC."""
    return datetime.now(UTC)


@dataclass(frozen=True, kw_only=True)
class NewRequest:
    """An admitted request on its way into the store."""

    kind: Kind
    parameters: Parameters
    seed: int
    origin: str
    user_id: int
    guild_id: int | None = None
    channel_id: int | None = None
    message_id: int | None = None
    interaction_token: str | None = field(default=None, repr=False)
    token_expires_at: datetime | None = None
    #: Bytes that one attachment may have where the request was made.
    upload_limit: int | None = None
    locale: str = "en"
    parent_id: int | None = None
    #: Name of the only worker that may claim it; None: any worker of the origin.
    reserved_for: str | None = None


@dataclass(frozen=True, kw_only=True)
class Request(NewRequest):
    """One row of the queue."""

    id: int
    state: State
    attempts: int = 0
    #: Token of the present claim: whoever holds another one has lost the row.
    claim: str | None = field(default=None, repr=False)
    cancel_requested: bool = False
    model_version: str | None = None
    #: What was made, without the files; set before delivery, so a crash never makes it twice.
    outcome: Outcome | None = field(default=None, repr=False)
    #: One plain sentence.
    error: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    heartbeat_at: datetime | None = None
    finished_at: datetime | None = None

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.state in FINAL

    @property
    def nonce(self) -> str:
        """Name that makes a second post of the same result recognisable; <= 25 characters."""
        return f"gw{self.id}"

    def token_alive(self, at: datetime | None = None) -> bool:
        """Whether the interaction's token can still be used."""
        if self.interaction_token is None or self.token_expires_at is None:
            return False
        return (at or utc_now()) < self.token_expires_at - TOKEN_MARGIN


@dataclass(frozen=True)
class Artifact:
    """One finished file; ``name`` is safe to show and to attach, ``size`` is in bytes."""

    kind: str
    path: Path
    name: str
    sha256: str
    size: int


@dataclass(frozen=True)
class Pulse:
    """What a heartbeat learned: the claims still held, and those asked to stop."""

    held: frozenset[str]
    cancelled: frozenset[str]


@dataclass(frozen=True)
class Standing:
    """What the door looks at; of today each record counts as many times as it has tracks."""

    #: Requests of the origin that wait.
    queued: int
    #: Requests of the user that are not over.
    open: int
    #: What the user asked for today: everywhere, and in the guild.
    today: int
    today_here: int
    #: What everybody in the guild asked for today.
    guild_today: int
    #: When the user last asked for something.
    last_asked: datetime | None


@dataclass(frozen=True)
class Page:
    """One page of a list, newest first."""

    requests: tuple[Request, ...]
    total: int


@dataclass(frozen=True)
class Forgotten:
    """What the day's quotas still count after somebody's requests were deleted."""

    user_id: int
    guild_id: int | None
    #: A record costs as many requests as it has tracks.
    cost: int
    last_asked_at: datetime


@dataclass(frozen=True)
class Event:
    """One change of state of one request."""

    request_id: int
    at: datetime
    old: State | None
    new: State
    why: str


@dataclass(frozen=True)
class Rating:
    """What one user thought of one result: +1 or -1."""

    request_id: int
    user_id: int
    value: int
    model_version: str | None
    at: datetime


class GuildSettings(Shape):
    """What a guild has chosen; None or empty leaves the operator's own limits."""

    allowed_channels: tuple[int, ...] = Field(default=(), description="Empty: everywhere")
    daily_limit: int | None = Field(default=None, ge=1)
    user_daily_limit: int | None = Field(default=None, ge=1)
    cooldown_seconds: int = Field(default=0, ge=0, le=3600)
    words_max: int | None = Field(default=None, ge=50)
    bars_max: int | None = Field(default=None, ge=4)
    essay_style: str | None = None
    beat_style: str | None = None
    locale: str | None = None
    blocked_words: tuple[str, ...] = ()
    blocked_patterns: tuple[str, ...] = Field(default=(), description="Regular expressions")
    admin_ids: tuple[int, ...] = Field(default=(), description="Users who may change these")
    admin_roles: tuple[int, ...] = ()


class RunState(StrEnum):
    """Where a training run stands."""

    WAITING = "waiting"
    RUNNING = "running"
    PROMOTED = "promoted"
    REFUSED = "refused"
    FAILED = "failed"
    STOPPED = "stopped"


RUN_OPEN = frozenset({RunState.WAITING, RunState.RUNNING})


@dataclass(frozen=True, kw_only=True)
class NewRun:
    """A training run somebody asked for."""

    family: str
    minutes: int
    requested_by: int
    guild_id: int | None = None
    channel_id: int | None = None
    message_id: int | None = None
    locale: str = "en"
    #: None: the model that every guild shares.
    style_id: int | None = None
    preset: str | None = None
    #: The run whose folder and checkpoint this one goes on with.
    resumes: int | None = None
    run_dir: str | None = None


@dataclass(frozen=True, kw_only=True)
class Run(NewRun):
    """One training run, kept through restarts."""

    id: int
    state: RunState
    pid: int | None = None
    stop_requested: bool = False
    #: The last line of the run's progress file.
    progress: Mapping[str, Any] = field(default_factory=dict)
    #: The documents it learned from, and those that were there before and are absent.
    record: Mapping[str, Any] | None = None
    version: str | None = None
    sentence: str | None = None
    created_at: datetime
    started_at: datetime | None = None
    finished_at: datetime | None = None


#: Marks below this do not teach, unless a style says otherwise.
MINIMUM_MARK = 93.0


@dataclass(frozen=True, kw_only=True)
class NewStyle:
    """A manner of its own that a guild wants to teach a model."""

    guild_id: int
    family: str
    name: str
    created_by: int
    minimum_mark: float = MINIMUM_MARK


@dataclass(frozen=True, kw_only=True)
class Style(NewStyle):
    """A guild's style."""

    id: int
    published: bool = False
    created_at: datetime
    deleted_at: datetime | None = None

    @property
    def key(self) -> str:
        """Name that its aliases in the registry begin with."""
        return f"s{self.id}"

    @property
    def live(self) -> str:
        """Alias of the version that serves it."""
        return f"{self.key}.live"


@dataclass(frozen=True, kw_only=True)
class NewDocument:
    """One text, song or recording on its way into a style's collection."""

    style_id: int
    sha256: str
    #: Ending of its file, without the dot.
    kind: str
    #: What its file was called; shown, never used as a path.
    name: str
    title: str
    #: In per cent; None where nobody gave one.
    mark: float | None = None
    language: str | None = None
    words: int | None = None
    size: int
    #: The smallest hashes of its word sequences: what finds near-duplicates.
    sketch: tuple[int, ...] = ()
    added_by: int
    #: The request whose result this is, given by its author.
    request_id: int | None = None


@dataclass(frozen=True, kw_only=True)
class Document(NewDocument):
    """One document of a style; a removed one keeps its row, not its file."""

    id: int
    added_at: datetime
    removed_at: datetime | None = None

    @property
    def file(self) -> str:
        """Name of its file in the style's folder."""
        return f"{self.sha256}.{self.kind}"


@dataclass(frozen=True)
class Offer:
    """A result that its author lets a style learn from, once an admin agrees."""

    request_id: int
    style_id: int
    user_id: int
    offered_at: datetime
    decided_by: int | None = None
    accepted: bool | None = None
    decided_at: datetime | None = None
