"""The buttons' ids and their one safe base, without Discord."""

from __future__ import annotations

import re
from typing import Any

import discord
import pytest

from bot import buttons, cards
from bot.app import BUTTONS
from bot.buttons import ResultButton, SafeButton
from bot.commands.common import Refusal
from bot.words import words
from tests.bot.asked import beat_request, beat_take, essay_done, essay_request


class Response:
    """The answer of an interaction, kept instead of sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, dict[str, Any]]] = []

    def is_done(self) -> bool:
        return bool(self.sent)

    async def send_message(self, content: str, **more: Any) -> None:
        self.sent.append((content, more))


class Interaction:
    """As much of an interaction as an answer needs."""

    type = discord.InteractionType.component
    locale = "de"

    def __init__(self) -> None:
        self.response = Response()


def all_ids() -> list[str]:
    say = words("en")
    long = essay_done("Words and words. " * 600)
    made = [
        cards.started(say, essay_request()),
        cards.ended(say, essay_request(), essay_request().state, "No."),
        cards.essay(say, essay_request(), long, (), room=0),
        cards.beat(say, beat_request(), beat_take(), (), room=0),
    ]
    views = [card.view.to_components() for card in made if card.view is not None]
    return [b["custom_id"] for view in views for row in view for b in row["components"]]


def templates() -> list[re.Pattern[str]]:
    return [item.__discord_ui_compiled_template__ for item in BUTTONS]


async def test_each_button_belongs_to_one_class_and_has_something_to_do() -> None:
    for custom_id in all_ids():
        assert sum(bool(template.fullmatch(custom_id)) for template in templates()) == 1
        match = cards.BUTTON_ID.fullmatch(custom_id)
        assert match is not None and match["act"] in buttons._ACTS


@pytest.mark.parametrize(
    "custom_id",
    ["gw:again:x", "gw:again:1:2:3", "gw:AGAIN:1", "other:again:1", "gw:again:" + "9" * 19],
)
def test_nothing_else_is_taken_for_one(custom_id: str) -> None:
    assert not any(template.fullmatch(custom_id) for template in templates())


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (Refusal("reply.over"), "Das ist schon vorbei."),
        (Refusal("reply.not_number", value="*x*"), "„\\*x\\*“ ist keine ganze Zahl."),
        (RuntimeError("boom"), "Bei mir ist etwas schiefgegangen; das Zeichen dafür ist "),
    ],
)
async def test_a_failing_button_answers_in_the_persons_language(
    error: Exception, sentence: str
) -> None:
    class Failing(SafeButton, template=r"test:(?P<n>\d)"):
        async def press(self, interaction: Any) -> None:
            raise error

    item: Any = discord.ui.Button(custom_id="test:1")
    match = re.fullmatch(r"test:(?P<n>\d)", "test:1")
    assert match is not None
    interaction: Any = Interaction()
    made = await Failing.from_custom_id(interaction, item, match)
    assert made.parts == {"n": "1"}
    await made.callback(interaction)
    ((content, more),) = interaction.response.sent
    assert content.startswith(sentence) and more == {"ephemeral": True}


async def test_a_button_of_an_older_version_says_that_it_has_changed() -> None:
    item: Any = discord.ui.Button(custom_id="gw:dance:1")
    match = cards.BUTTON_ID.fullmatch("gw:dance:1")
    assert match is not None
    interaction: Any = Interaction()
    made = await ResultButton.from_custom_id(interaction, item, match)
    await made.callback(interaction)
    assert interaction.response.sent[0][0].startswith("Dieser Befehl hat sich geändert")
