"""Forms without a memory: the custom id says what they are for, so they outlive a restart.

What is sent comes in through ``on_interaction``, for discord.py does not know them any more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, cast

import discord

from bot import limits
from bot.commands.common import Interaction

Field = discord.ui.TextInput[discord.ui.Modal]


def field(
    name: str,
    label: str,
    value: object,
    *,
    required: bool = True,
    longest: int = 64,
    tall: bool = False,
) -> Field:
    """Make a field that holds a value already."""
    return discord.ui.TextInput(
        custom_id=name,
        label=limits.clip(label, limits.INPUT_LABEL),
        default=None if value is None else str(value)[:longest],
        required=required,
        max_length=longest,
        style=discord.TextStyle.paragraph if tall else discord.TextStyle.short,
    )


async def show_form(
    interaction: Interaction, title: str, custom_id: str, fields: Iterable[Field]
) -> None:
    """Open a form as the answer."""
    form = discord.ui.Modal(
        title=limits.clip(title, limits.MODAL_TITLE), custom_id=custom_id, timeout=None
    )
    for one in fields:
        form.add_item(one)
    form.stop()  # discord.py need not remember it
    await interaction.response.send_modal(form)


def typed(interaction: Interaction) -> dict[str, str | None]:
    """Read what was typed into each field of a form; None where nothing was."""
    return dict(_fields(cast(Mapping[str, Any], interaction.data)))


def _fields(node: Mapping[str, Any]) -> Iterator[tuple[str, str | None]]:
    """Yield name and text of each field, in rows or in labels."""
    inside = [*node.get("components", ()), *([node["component"]] if "component" in node else [])]
    for child in inside:
        if "value" in child:
            yield child["custom_id"], child["value"].strip() or None
        yield from _fields(child)
