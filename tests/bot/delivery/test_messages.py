"""Which message shows a request."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bot import cards
from bot.cards import Card
from bot.delivery import Messages
from bot.frontend import Undeliverable
from bot.store import Request
from bot.words import words
from tests.bot.asked import essay_request


class Roads(Messages):
    """Tells which message it would edit."""

    def __init__(self) -> None:
        client: Any = None
        super().__init__(client)

    def bot_room(self, request: Request) -> int:
        return 0

    async def _edit_as_bot(
        self, request: Request, card: Card, message_id: int | None
    ) -> int | None:
        return message_id


async def edited(messages: Messages) -> int | None:
    request = replace(essay_request(), message_id=None, interaction_token=None)
    card = cards.started(words("en"), request)
    return await messages.edit(request, lambda _: card, 0)


async def test_the_newest_acknowledgement_counts() -> None:
    messages, number = Roads(), essay_request().id
    messages.acknowledged(number, 1)
    assert await edited(messages) == 1
    messages.acknowledged(number, 2)
    assert await edited(messages) == 2


async def test_nothing_is_remembered_of_what_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    messages, number = Roads(), essay_request().id
    messages.withdrawn(number)
    with pytest.raises(Undeliverable):
        await edited(messages)
    messages.forgotten([number, 99])
    monkeypatch.setattr("bot.delivery.messages.ACK_SECONDS", 0.01)
    assert await edited(messages) is None
