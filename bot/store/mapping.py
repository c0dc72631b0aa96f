"""Rows to frozen shapes and back."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

from sqlalchemy import Row

from bot.parameters import PARAMETERS, Kind
from bot.store.shapes import (
    Artifact,
    Document,
    Event,
    Forgotten,
    NewDocument,
    NewRequest,
    NewRun,
    Offer,
    Outcome,
    Rating,
    Request,
    Run,
    RunState,
    Style,
)
from bot.store.states import State
from models.contract import AlbumTake, BeatTake, EssayDone

_REQUEST = tuple(f.name for f in fields(Request))
_OUTCOMES: dict[Kind, type[Outcome]] = {
    "essay": EssayDone,
    "beat": BeatTake,
    "album": AlbumTake,
}
_RUN = tuple(f.name for f in fields(Run))
_STYLE = tuple(f.name for f in fields(Style))
_DOCUMENT = tuple(f.name for f in fields(Document))
_OFFER = tuple(f.name for f in fields(Offer))


def columns(new: NewRequest) -> dict[str, Any]:
    """Name the columns of a new request."""
    values = {f.name: getattr(new, f.name) for f in fields(NewRequest)}
    return values | {"parameters": new.parameters.model_dump(mode="json")}


def run_columns(new: NewRun) -> dict[str, Any]:
    """Name the columns of a new run."""
    return {f.name: getattr(new, f.name) for f in fields(NewRun)}


def outcome(made: Outcome) -> dict[str, Any]:
    """Make what is kept of a result; files are artifacts, not columns."""
    return stripped(made).model_dump(mode="json")


def stripped(made: Outcome) -> Outcome:
    """Take the files out of a result."""
    if isinstance(made, BeatTake):
        return made.model_copy(update={"audio": None, "midi": "", "picture": "", "stems": None})
    if isinstance(made, AlbumTake):
        return made.model_copy(update={"archive": "", "medley": "", "cover": ""})
    return made


def request(row: Row[Any]) -> Request:
    """Read a row of the queue."""
    values = {name: getattr(row, name) for name in _REQUEST}
    kind: Kind = values["kind"]
    values["state"] = State(values["state"])
    values["parameters"] = PARAMETERS[kind].model_validate(values["parameters"])
    if values["outcome"] is not None:
        values["outcome"] = _OUTCOMES[kind].model_validate(values["outcome"])
    return Request(**values)


def artifact(row: Row[Any]) -> Artifact:
    """Read a finished file."""
    return Artifact(row.kind, Path(row.path), row.name, row.sha256, row.size)


def event(row: Row[Any]) -> Event:
    """Read a change of state."""
    old = None if row.old is None else State(row.old)
    return Event(row.request_id, row.at, old, State(row.new), row.why)


def forgotten(row: Row[Any]) -> Forgotten:
    """Read what is still counted of a person who was forgotten."""
    return Forgotten(row.user_id, row.guild_id, row.cost, row.last_asked_at)


def rating(row: Row[Any]) -> Rating:
    """Read a rating."""
    return Rating(row.request_id, row.user_id, row.value, row.model_version, row.at)


def run(row: Row[Any]) -> Run:
    """Read a training run."""
    values = {name: getattr(row, name) for name in _RUN}
    return Run(**values | {"state": RunState(values["state"])})


def style(row: Row[Any]) -> Style:
    """Read a style."""
    return Style(**{name: getattr(row, name) for name in _STYLE})


def document_columns(new: NewDocument) -> dict[str, Any]:
    """Name the columns of a new document."""
    values = {f.name: getattr(new, f.name) for f in fields(NewDocument)}
    return values | {"sketch": list(new.sketch)}


def document(row: Row[Any]) -> Document:
    """Read a document."""
    values = {name: getattr(row, name) for name in _DOCUMENT}
    return Document(**values | {"sketch": tuple(values["sketch"])})


def offer(row: Row[Any]) -> Offer:
    """Read an offer."""
    return Offer(**{name: getattr(row, name) for name in _OFFER})
