"""The cards of training runs: how often they are edited, and where their end is told."""

from __future__ import annotations

from datetime import timedelta
from unittest.mock import AsyncMock, Mock

import pytest
from discord.utils import time_snowflake

from bot.commands import run_card
from bot.commands.run_card import RunCards
from bot.store import RunState, utc_now
from bot.store.shapes import Run
from tests.bot.delivery.refusals import refusal


def run_of(message_age: timedelta, state: RunState = RunState.RUNNING) -> Run:
    """Make a run that began a minute ago, on a message that may be older."""
    now = utc_now()
    return Run(
        id=1,
        family="essay",
        minutes=30,
        requested_by=1,
        state=state,
        channel_id=2,
        message_id=time_snowflake(now - message_age),
        created_at=now - message_age,
        started_at=now - timedelta(minutes=1),
    )


@pytest.mark.parametrize(("age", "edits"), [(timedelta(hours=2), 1), (timedelta(minutes=2), 10)])
async def test_a_message_is_edited_seldom_once_it_is_old(
    monkeypatch: pytest.MonkeyPatch, age: timedelta, edits: int
) -> None:
    edit = AsyncMock()
    monkeypatch.setattr(RunCards, "_edit", edit)
    cards = RunCards(Mock())
    for _ in range(10):
        await cards.progress(run_of(age), None)
    assert edit.await_count == edits


async def test_the_end_is_posted_anew_in_a_thread_that_was_archived(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(RunCards, "_edit", AsyncMock(side_effect=refusal(50083)))
    monkeypatch.setattr(run_card, "face", AsyncMock(return_value=Mock()))
    bot = Mock()
    bot.get_partial_messageable.return_value.send = AsyncMock(return_value=Mock(id=9))
    bot.house.store.runs.set_message = AsyncMock()
    await RunCards(bot).finished(run_of(timedelta(hours=2), RunState.PROMOTED), None, ())
    bot.house.store.runs.set_message.assert_awaited_once_with(1, 2, 9)
