"""What requests, songs and their parts are called."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from bot.parameters import AlbumParameters, Energy, EssayParameters
from bot.store.shapes import Request
from bot.words import Words
from models.contract import BeatTake


def headline(say: Words, request: Request) -> str:
    """Name a request in one line of plain text."""
    if isinstance(request.parameters, EssayParameters):
        return " ".join(request.parameters.topic.split())
    if isinstance(request.parameters, AlbumParameters):
        return request.parameters.title
    wanted = request.parameters
    if isinstance(request.outcome, BeatTake):
        return title_of(say, request.outcome, wanted.energy)
    known = [
        wanted.style,
        wanted.bpm and f"{wanted.bpm} bpm",
        wanted.key and key_name(say, wanted.key),
        wanted.energy and energy_name(say, wanted.energy),
    ]
    return " · ".join(str(part) for part in known if part) or say("card.beat")


def title_of(say: Words, take: BeatTake, energy: Energy | None) -> str:
    """Name a beat by what it sounds like, and by the energy that was asked for."""
    title = say("card.title", style=take.style, bpm=take.bpm, key=key_name(say, take.key))
    return title if energy is None else f"{title} · {energy_name(say, energy)}"


def energy_name(say: Words, energy: Energy) -> str:
    """Write an energy as ``calm energy``."""
    return say("card.energy", energy=say(f"choice.{energy}"))


def key_name(say: Words, key: str) -> str:
    """Write a musical key as it is written in the language."""
    return say.find(f"key.{key}") or key


def form_of(say: Words, sections: Sequence[str]) -> str:
    """Write ``intro · verse ×2 · chorus``."""
    parts = []
    for name, run in groupby(sections):
        count = len(list(run))
        parts.append((say.find(f"section.{name}") or name) + (f" ×{count}" if count > 1 else ""))
    return " · ".join(parts)


def minutes(seconds: float) -> str:
    """Write a length as ``3:07``."""
    whole = round(seconds)
    return f"{whole // 60}:{whole % 60:02d}"
