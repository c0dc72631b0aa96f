"""The form behind "Edit": the parameters of a request, filled in, to change and send again.

The form is stateless like the buttons: its custom id holds the number of the request, and what
is sent comes in through ``on_interaction``, so a form that was open over a restart still works.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, cast

import discord

from bot import limits
from bot.commands.common import Interaction, Refusal, find_request, words_for
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
    form = discord.ui.Modal(
        title=say(f"edit.{request.kind}"), custom_id=f"gwf:edit:{request.id}", timeout=None
    )
    for field in _fields(say, request):
        form.add_item(field)
    form.stop()  # discord.py need not remember it
    await interaction.response.send_modal(form)


async def take_edit(interaction: Interaction, request_id: int) -> None:
    """Ask again with what the form says."""
    request = await find_request(interaction, request_id)
    values: dict[str, object] = dict(typed_fields(cast(Mapping[str, Any], interaction.data)))
    for name in _NUMBERS:
        values[name] = _number(values.get(name))
    if isinstance(request.parameters, BeatParameters):
        values["format"] = request.parameters.format.value
    sample = kept_sample(interaction, request)
    await submit(interaction, request.kind, values, parent_id=request.id, sample=sample)


def _fields(say: Words, request: Request) -> list[discord.ui.TextInput[discord.ui.Modal]]:
    asked = request.parameters
    style = _field("style", say("edit.style"), asked.style, required=False)
    seed = _field("seed", say("edit.seed"), None, required=False, longest=10)
    if isinstance(asked, EssayParameters):
        words = say("edit.words", low=WORDS_MIN, high=WORDS_MAX)
        return [
            _field("topic", say("edit.topic"), asked.topic, longest=TOPIC_LIMIT, tall=True),
            *_opening(say, asked.opening),
            _field("words", words, asked.words, longest=5),
            style,
            seed,
        ]
    if isinstance(asked, AlbumParameters):
        tracks = say("edit.tracks", low=TRACKS_MIN, high=TRACKS_MAX)
        return [
            _field("title", say("edit.title"), asked.title, longest=TITLE_LIMIT),
            _field("tracks", tracks, asked.tracks, longest=5),
            style,
            seed,
        ]
    bpm = say("edit.bpm", low=BPM_MIN, high=BPM_MAX)
    bars = say("edit.bars", low=BARS_MIN, high=BARS_MAX)
    return [
        style,
        _field("bpm", bpm, asked.bpm, required=False, longest=5),
        _field("bars", bars, asked.bars, longest=5),
        _field("key", say("edit.key"), asked.key, required=False, longest=20),
        seed,
    ]


def _opening(say: Words, text: str | None) -> list[discord.ui.TextInput[discord.ui.Modal]]:
    """Offer the text an essay goes on from, where there is one; emptied, it goes on from none."""
    if text is None:
        return []
    label = say("edit.opening")
    return [_field("opening", label, text, required=False, longest=OPENING_LIMIT, tall=True)]


def _field(
    name: str,
    label: str,
    value: object,
    *,
    required: bool = True,
    longest: int = 64,
    tall: bool = False,
) -> discord.ui.TextInput[discord.ui.Modal]:
    return discord.ui.TextInput(
        custom_id=name,
        label=limits.clip(label, limits.INPUT_LABEL),
        default=None if value is None else str(value)[:longest],
        required=required,
        max_length=longest,
        style=discord.TextStyle.paragraph if tall else discord.TextStyle.short,
    )


def typed_fields(node: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield name and text of each field, in rows or in labels."""
    inside = [*node.get("components", ()), *([node["component"]] if "component" in node else [])]
    for child in inside:
        if "value" in child:
            yield child["custom_id"], child["value"].strip() or None
        yield from typed_fields(child)


def _number(value: object) -> int | None:
    if value is None:
        return None
    try:
        return int(str(value))
    except ValueError:
        raise Refusal("reply.not_number", value=str(value)[:40]) from None
