"""Files attached to /style add: what their owners called them, and what cannot be fetched."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from tests.bot.classroom import essay_text
from tests.flow.styles import made, manager, said
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


async def test_a_mark_counts_though_discord_renames_its_file(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    carol = manager(world)
    style = await made(world, carol, essays=0)
    init = discord.Attachment.__init__

    def titled(self: discord.Attachment, **more: Any) -> None:
        init(self, **more)
        self.title = "Essay (40)"

    monkeypatch.setattr(discord.Attachment, "__init__", titled)
    file = ("Essay_40.txt", essay_text(1).encode())
    await carol.slash(world.channel, "style add", style=style.key, file=file)
    (document,) = await world.store.documents.of(style.id)
    assert (document.title, document.mark, document.name) == ("Essay", 40, "Essay (40).txt")


@pytest.mark.parametrize("error", [TimeoutError(), OSError("no route"), None])
async def test_a_file_that_cannot_be_fetched_leaves_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch, error: Exception | None
) -> None:
    carol = manager(world)
    style = await made(world, carol, essays=0)
    read = discord.Attachment.read
    away = discord.DiscordServerError(_Away(), "away")

    async def broken(self: discord.Attachment, **more: Any) -> bytes:
        if self.filename == "b.txt":
            raise error or away
        return await read(self, **more)

    monkeypatch.setattr(discord.Attachment, "read", broken)
    told = await carol.slash(
        world.channel,
        "style add",
        style=style.key,
        file=("a.txt", essay_text(1).encode()),
        second=("b.txt", essay_text(2).encode()),
    )
    assert [d.name for d in await world.store.documents.of(style.id)] == ["a.txt"]
    assert "1 kept, 1 refused" in said(told) and "“b.txt”" in said(told)


class _Away:
    status, reason = 503, "away"
