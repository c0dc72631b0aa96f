"""``/mine``: what a person asked for, page by page, and all of its files at once."""

from __future__ import annotations

import asyncio
import io
import itertools
import zipfile
from collections.abc import Sequence
from typing import Any

import discord
from discord import app_commands
from discord.utils import format_dt

from bot import cards, limits
from bot.buttons import SafeButton
from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    house_of,
    upload_room,
    words_for,
)
from bot.commands.menu import command, options, text
from bot.files import existing
from bot.parameters import KINDS, Kind
from bot.store.shapes import Artifact, Request
from bot.words import Words

SIZE = 10
#: Requests whose files are looked at together.
LOOKED_AT = 100


@command("mine")
@options("mine", "kind")
@app_commands.choices(kind=[Choice(name=text(f"choice.{kind}"), value=kind) for kind in KINDS])
async def mine(interaction: Interaction, kind: str | None = None) -> None:
    """List what the person asked for."""
    embed, view = await _page(interaction, _kind(kind), 0)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


class MineButton(
    SafeButton, template=r"gwm:(?P<act>page|zip):(?P<kind>all|essay|beat|album):(?P<page>\d{1,6})"
):
    """A button under the list; the list is ephemeral, so whoever presses it owns it."""

    async def press(self, interaction: Interaction) -> None:
        """Turn to a page, or pack the files."""
        kind = _kind(self.parts["kind"])
        if self.parts["act"] == "zip":
            await _download(interaction, kind)
            return
        embed, view = await _page(interaction, kind, int(self.parts["page"] or 0))
        await interaction.response.edit_message(embed=embed, view=view)


def _kind(name: str | None) -> Kind | None:
    return next((kind for kind in KINDS if kind == name), None)


async def _page(
    interaction: Interaction, kind: Kind | None, page: int
) -> tuple[discord.Embed, discord.ui.View]:
    """Show one page. On a server only what was asked there: others may look over the shoulder."""
    say = words_for(interaction)
    found = await house_of(interaction).store.requests.history(
        interaction.user.id, guild_id=interaction.guild_id, kind=kind, page=page, size=SIZE
    )
    pages = max(1, -(-found.total // SIZE))
    lines = [_line(say, request) for request in found.requests] or [say("mine.empty")]
    if interaction.guild_id is not None:
        lines.append(f"-# {say('mine.here')}")
    embed = discord.Embed(title=say("mine.title"), description="\n".join(lines), colour=cards.GREY)
    embed.set_footer(text=say.count("mine.page", found.total, page=page + 1, pages=pages))
    return embed, _buttons(say, kind, page, pages, empty=found.total == 0)


def _line(say: Words, request: Request) -> str:
    return say(
        "mine.line",
        id=request.id,
        icon=cards.ICONS[request.state],
        what=limits.clip(cards.plain(cards.headline(say, request)), 100),
        when=format_dt(request.created_at, "R"),
    )


def _buttons(
    say: Words, kind: Kind | None, page: int, pages: int, *, empty: bool
) -> discord.ui.View:
    here = kind or "all"
    items: list[discord.ui.Button[discord.ui.View]] = [
        discord.ui.Button(label=label, custom_id=custom_id, emoji=emoji, row=0, disabled=disabled)
        for label, custom_id, emoji, disabled in (
            (say("button.back"), f"gwm:page:{here}:{max(0, page - 1)}", "◀️", page == 0),
            (say("button.next"), f"gwm:page:{here}:{page + 1}", "▶️", page + 1 >= pages),
            (say("button.download"), f"gwm:zip:{here}:0", "📦", empty),
        )
    ]
    filters = {
        "all": "button.all",
        "essay": "button.essays",
        "beat": "button.beats",
        "album": "button.albums",
    }
    items += [
        # "000" is the first page too, but another custom id than that of "back".
        discord.ui.Button(
            label=say(key), custom_id=f"gwm:page:{name}:000", row=1, disabled=name == here
        )
        for name, key in filters.items()
    ]
    return cards.view_of(items)


async def _download(interaction: Interaction, kind: Kind | None) -> None:
    say = words_for(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    room = min(upload_room(interaction), limits.UPLOAD_FILES)
    taken, complete = await _newest(interaction, kind, room)
    if not taken:
        raise Refusal("mine.no_files")
    data = await asyncio.to_thread(pack, taken)
    sentence = say.count("mine.zip", len(taken)) if complete else say("mine.zip_part", n=len(taken))
    file = discord.File(io.BytesIO(data), filename="ghostwriter.zip")
    await interaction.followup.send(sentence, file=file, ephemeral=True)


async def _newest(
    interaction: Interaction, kind: Kind | None, room: int
) -> tuple[list[Artifact], bool]:
    """Take the newest files that fit together, and say whether these are all."""
    store, user = house_of(interaction).store, interaction.user.id
    files: list[Artifact] = []
    for page in itertools.count():
        found = await store.requests.history(
            user, guild_id=interaction.guild_id, kind=kind, page=page, size=LOOKED_AT
        )
        for request in found.requests:
            files += existing(await store.artifacts.of(request.id))
        taken = fitting(files, room)
        if len(taken) < len(files) or (page + 1) * LOOKED_AT >= found.total:
            break
    return taken, len(taken) == len(files)


def fitting(files: Sequence[Artifact], room: int) -> list[Artifact]:
    """Take the files, in order, that fit beside those before; 200 bytes each are the archive's."""
    taken: list[Artifact] = []
    left = room - 1024
    for file in files:
        cost = file.size + 200 + 2 * len(file.name)
        if cost > left:
            continue
        taken.append(file)
        left -= cost
    return taken


def pack(files: Sequence[Artifact]) -> bytes:
    """Put files into an archive; audio does not shrink, so nothing is compressed."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file.path, file.name)
    return buffer.getvalue()


COMMANDS: tuple[Any, ...] = (mine,)
