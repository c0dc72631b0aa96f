"""The form behind "Edit": the parameters of a request, filled in, to change and send again."""

from __future__ import annotations

import re

from bot.commands.common import Interaction, Refusal, find_request, words_for
from bot.commands.forms import Field, field, show_form, typed
from bot.commands.submit import kept_sample, submit
from bot.parameters import AlbumParameters, BeatParameters, EssayParameters
from bot.store.shapes import Request
from bot.words import Words
from models.contract import (
    BARS_MAX,
    BARS_MIN,
    BPM_MAX,
    BPM_MIN,
    OPENING_LIMIT,
    TITLE_LIMIT,
    TOPIC_LIMIT,
    TRACKS_MAX,
    TRACKS_MIN,
    WORDS_MAX,
    WORDS_MIN,
)

FORM_ID = re.compile(r"gwf:edit:(?P<id>\d{1,18})")
_NUMBERS = ("words", "bpm", "bars", "tracks", "seed")


async def show_edit(interaction: Interaction, request: Request) -> None:
    """Open the form with what was asked for."""
    say = words_for(interaction)
    title = say(f"edit.{request.kind}")
    await show_form(interaction, title, f"gwf:edit:{request.id}", _fields(say, request))


async def take_edit(interaction: Interaction, request_id: int) -> None:
    """Ask again with what the form says."""
    request = await find_request(interaction, request_id)
    values: dict[str, object] = {**typed(interaction)}
    for name in _NUMBERS:
        values[name] = _number(values.get(name))
    if isinstance(request.parameters, BeatParameters):
        # Discord gives a form five fields: what has none here stays as it was.
        values["energy"] = request.parameters.energy
        values["format"] = request.parameters.format.value
    if values.get("style") == request.parameters.style:
        values["version"] = request.parameters.version
    sample = kept_sample(interaction, request)
    await submit(interaction, request.kind, values, parent_id=request.id, sample=sample)


def _fields(say: Words, request: Request) -> list[Field]:
    asked = request.parameters
    style = field("style", say("edit.style"), asked.style, required=False)
    seed = field("seed", say("edit.seed"), request.seed, required=False, longest=10)
    if isinstance(asked, EssayParameters):
        words = say("edit.words", low=WORDS_MIN, high=WORDS_MAX)
        return [
            field("topic", say("edit.topic"), asked.topic, longest=TOPIC_LIMIT, tall=True),
            *_opening(say, asked.opening),
            field("words", words, asked.words, longest=5),
            style,
            seed,
        ]
    if isinstance(asked, AlbumParameters):
        tracks = say("edit.tracks", low=TRACKS_MIN, high=TRACKS_MAX)
        return [
            field("title", say("edit.title"), asked.title, longest=TITLE_LIMIT),
            field("tracks", tracks, asked.tracks, longest=5),
            style,
            seed,
        ]
    bpm = say("edit.bpm", low=BPM_MIN, high=BPM_MAX)
    bars = say("edit.bars", low=BARS_MIN, high=BARS_MAX)
    return [
        style,
        field("bpm", bpm, asked.bpm, required=False, longest=5),
        field("bars", bars, asked.bars, longest=5),
        field("key", say("edit.key"), asked.key, required=False, longest=20),
        seed,
    ]


def _opening(say: Words, text: str | None) -> list[Field]:
    """Offer the text an essay goes on from, where there is one; emptied, it goes on from none."""
    if text is None:
        return []
    label = say("edit.opening")
    return [field("opening", label, text, required=False, longest=OPENING_LIMIT, tall=True)]


def _number(value: object) -> int | None:
    if value is None:
        return None
    try:
        return int(str(value))
    except ValueError:
        raise Refusal("reply.not_number", value=str(value)[:40]) from None
