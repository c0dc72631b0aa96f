"""The menus of all commands, as they would be registered."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import discord
import pytest
from discord import app_commands

from bot.commands import all_commands
from bot.commands.common import Refusal
from bot.commands.menu import AdminGroup, Translator, options, text
from bot.commands.sync import payloads
from bot.commands.train import MINUTES
from bot.runs import MINUTES_MAX, MINUTES_MIN
from bot.words import LOCALES, words

TEXTS = Path(__file__).parents[3] / "bot/words/en.json"


class Listener(Translator):
    """Remembers which words Discord is given."""

    def __init__(self) -> None:
        self.keys: set[str] = set()

    async def translate(
        self, string: app_commands.locale_str, locale: discord.Locale, context: Any
    ) -> str | None:
        self.keys.add(str(string.extras.get("key")))
        return await super().translate(string, locale, context)


def leaves(node: dict[str, Any], path: str) -> Iterator[str]:
    for name, child in node.items():
        if isinstance(child, dict):
            yield from leaves(child, f"{path}.{name}")
        else:
            yield f"{path}.{name}"


async def test_every_text_of_the_menus_is_shown_somewhere() -> None:
    listener, texts = Listener(), json.loads(TEXTS.read_text())
    async with discord.Client(intents=discord.Intents.none()) as client:
        tree = app_commands.CommandTree(client)
        await tree.set_translator(listener)
        for command in all_commands():
            tree.add_command(command)
        await payloads(tree, None)
    for area in ("command", "menu", "choice"):
        written = set(leaves(texts[area], area))
        assert written - listener.keys <= {"choice.stems"}


def test_options_are_named_by_their_place_in_the_words() -> None:
    async def callback(interaction: discord.Interaction, seed: int, named: str) -> None:
        raise NotImplementedError

    callback = options("beat", "seed", named="style.style")(callback)
    made: app_commands.Command[Any, ..., None] = app_commands.command()(callback)
    assert [one.display_name for one in made.parameters] == ["seed", "style"]
    assert str(made.get_parameter("named").description) == "A style of this server"  # type: ignore[union-attr]
    assert str(text("menu.essay_on")) == "Continue as essay"


async def test_a_group_asks_as_it_runs_who_uses_it_and_where() -> None:
    asked = []

    async def check(interaction: Any) -> None:
        asked.append(interaction.guild_id)
        if interaction.guild_id != 5:
            raise Refusal("reply.admin_only")

    class Asks:
        def __init__(self, guild_id: int | None) -> None:
            self.guild_id = guild_id

    here, anywhere = AdminGroup("style", check), AdminGroup("train", check, dms=True)
    assert await here.interaction_check(Asks(5))  # type: ignore[arg-type]
    for group, place in ((here, None), (here, 6), (anywhere, None)):
        with pytest.raises(Refusal):
            await group.interaction_check(Asks(place))  # type: ignore[arg-type]
    assert asked == [5, 6, None]


@pytest.mark.parametrize("locale", LOCALES)
def test_the_usual_minutes_of_a_run_are_named(locale: str) -> None:
    told = words(locale)("command.train.start.minutes.description")
    assert re.findall(r"\d+", told) == [str(MINUTES_MIN), str(MINUTES_MAX), str(MINUTES)]
