"""The cards of a request that waits, is being made, or came to nothing."""

from __future__ import annotations

from bot import cards
from bot.store import State
from bot.words import words
from tests.bot.asked import essay_request
from tests.bot.cards.wire import ids

SAY = words("en")


def test_place_and_time_are_said() -> None:
    first = cards.queued(SAY, essay_request(), 0, None)
    assert first.embed.description == "You are next."
    third = cards.queued(SAY, essay_request(), 2, 60)
    assert (third.embed.description or "").startswith("2 requests are before yours. Ready <t:")
    assert (third.embed.description or "").endswith(":R>.")
    assert first.embed.colour != cards.started(SAY, essay_request()).embed.colour


async def test_an_open_request_can_only_be_cancelled_and_a_failed_one_only_tried_again() -> None:
    assert ids(cards.started(SAY, essay_request())) == ["gw:cancel:12"]
    ended = cards.ended(SAY, essay_request(), State.FAILED, "No.")
    assert ids(ended) == ["gw:again:12", "gw:delete:12"]
