"""What cards are made of: the shape of one, colours, buttons, and text that stays plain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import discord
from discord.utils import escape_markdown, escape_mentions

from bot.limits import fit_files
from bot.store.shapes import Artifact
from bot.words import Words

#: Action, number of the request, and an optional detail such as a page or a kind of file.
BUTTON_ID = re.compile(r"gw:(?P<act>[a-z]+):(?P<id>\d{1,18})(?::(?P<arg>[a-z0-9]{1,12}))?")

GREY, AMBER, GREEN, RED = 0x99AAB5, 0xF0B232, 0x23A55A, 0xDA373C
#: Text on one page: with title, note and footer it stays below the 6000 of a whole message.
PAGE = 3800


@dataclass(frozen=True)
class Card:
    """What one message shows; files are opened only when it is sent."""

    embed: discord.Embed
    view: discord.ui.View | None = None
    files: tuple[Artifact, ...] = ()

    def open_files(self) -> list[discord.File]:
        """Open the files afresh: discord.py reads each File object once."""
        return [discord.File(file.path, filename=file.name) for file in self.files]


def choose(
    files: Sequence[Artifact], room: int
) -> tuple[tuple[Artifact, ...], tuple[Artifact, ...]]:
    """Split files into those that fit into ``room`` bytes each, and those that do not."""
    fits = fit_files([f.size for f in files], room)
    taken = tuple(f for f, fit in zip(files, fits, strict=True) if fit)
    return taken, tuple(f for f, fit in zip(files, fits, strict=True) if not fit)


def plain(text: str) -> str:
    """Escape everything that Discord would take for markup, a mention or a time."""
    # Of a link, discord.py escapes only the first bracket: what stands inside would stay markup.
    escaped = "\\[".join(escape_markdown(part) for part in text.split("["))
    return escape_mentions(escaped).replace("<", "\\<")


def size(count: int) -> str:
    """Write a size in bytes for people."""
    return f"{count / 2**20:.1f} MB" if count >= 2**20 else f"{max(1, count // 1024)} kB"


def bar(done: float, length: int = 12) -> str:
    """Draw how much is done, from 0 to 1, and write it beside in per cent."""
    full = round(done * length)
    return f"{'▰' * full}{'▱' * (length - full)} {round(done * 100)} %"


def button(
    act: str,
    request_id: int,
    label: str | None,
    *,
    arg: str | None = None,
    emoji: str | None = None,
    style: discord.ButtonStyle = discord.ButtonStyle.secondary,
    row: int = 0,
    disabled: bool = False,
) -> discord.ui.Button[discord.ui.View]:
    """Make a button whose custom id is all that is remembered."""
    return discord.ui.Button(
        label=label,
        custom_id=f"gw:{act}:{request_id}" + (f":{arg}" if arg else ""),
        emoji=emoji,
        style=style,
        row=row,
        disabled=disabled,
    )


def view_of(items: Iterable[discord.ui.Item[discord.ui.View]]) -> discord.ui.View:
    """Gather items in a view that discord.py forgets once it is sent."""
    view = discord.ui.View(timeout=None)
    for item in items:
        view.add_item(item)
    view.stop()
    return view


def row_of(say: Words, acts: Iterable[tuple[str, str, str | None]]) -> discord.ui.View:
    """Make buttons of custom id, word and sign; what cannot be taken back is red."""
    calm, red = discord.ButtonStyle.secondary, discord.ButtonStyle.danger
    return view_of(
        discord.ui.Button(
            label=say(key),
            custom_id=custom_id,
            emoji=emoji,
            style=red if "sure" in custom_id.split(":") else calm,
        )
        for custom_id, key, emoji in acts
    )
