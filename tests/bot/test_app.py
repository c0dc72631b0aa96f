"""Who owns the bot, whether its parts live, and tasks that do not want to end."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.app import GhostwriterBot, House, cancel
from bot.commands import GROUPS, all_commands
from bot.commands.common import Refusal, is_operator
from bot.settings import Settings
from bot.store import Store
from tests.flow.fake_service import FakeService

ACCEPTED = discord.TeamMembershipState.accepted
INVITED = discord.TeamMembershipState.invited


@pytest.fixture
async def bot(settings: Settings) -> GhostwriterBot:
    return GhostwriterBot(settings.model_copy(update={"admin_ids": frozenset({7})}))


def own(bot: GhostwriterBot, monkeypatch: pytest.MonkeyPatch, *team: Any) -> None:
    """Make the application belong to user 1, or to a team."""
    members = [SimpleNamespace(id=number, membership_state=state) for number, state in team]
    found = SimpleNamespace(
        owner=SimpleNamespace(id=1), team=SimpleNamespace(members=members) if team else None
    )
    monkeypatch.setattr(GhostwriterBot, "application", found)


def asked_by(bot: GhostwriterBot, user_id: int) -> Any:
    return SimpleNamespace(client=bot, user=SimpleNamespace(id=user_id))


async def test_the_owner_and_configured_admins_run_the_bot(
    bot: GhostwriterBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert bot.owner_ids == frozenset()  # before the first login
    own(bot, monkeypatch)
    assert [is_operator(asked_by(bot, user)) for user in (1, 7, 2)] == [True, True, False]


async def test_of_a_team_those_who_accepted_run_the_bot(
    bot: GhostwriterBot, monkeypatch: pytest.MonkeyPatch
) -> None:
    own(bot, monkeypatch, (4, ACCEPTED), (5, INVITED))
    assert bot.owner_ids == {4}


async def test_the_bot_asks_for_no_privileged_intent_and_mentions_nobody(
    bot: GhostwriterBot,
) -> None:
    assert bot.intents == discord.Intents(guilds=True)
    assert bot.allowed_mentions is not None
    assert dict(bot.allowed_mentions.to_dict()) == {"parse": []}


async def test_before_it_is_open_everything_is_refused_in_one_sentence(
    bot: GhostwriterBot,
) -> None:
    with pytest.raises(Refusal) as refusal:
        _ = bot.house
    assert refusal.value.key == "reply.starting"
    assert await bot.check_gateway() == "There is no connection to Discord."


def test_every_group_has_commands_and_no_two_share_a_name() -> None:
    names = [(type(command), command.name) for command in all_commands()]
    assert len(names) == len(set(names)) and len(names) >= len(GROUPS)


async def test_a_part_that_ended_is_a_finding(bot: GhostwriterBot, sqlite_store: Store) -> None:
    client: Any = FakeService()
    house = House(bot, sqlite_store, client)
    await house.begin()
    assert set(await house.health.failures()) == {"gateway"}
    await cancel([house._tasks["styles"]])
    assert (await house.health.failures())["worker"] == "The part “styles” has ended."
    await house.end(grace=0.5)


async def test_tasks_are_cancelled_until_it_holds() -> None:
    async def stubborn() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            await asyncio.sleep(60)  # as if the first one had been lost

    async def broken() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            raise RuntimeError("boom")

    tasks = [asyncio.create_task(stubborn()), asyncio.create_task(broken())]
    await asyncio.sleep(0)
    await cancel(tasks)
    assert all(task.done() for task in tasks)
