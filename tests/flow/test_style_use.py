"""Which style a request gets: the usual one of a server, and the very one it had before."""

from __future__ import annotations

from typing import Any

import pytest

from bot.store import NewStyle, Style
from models.registry import Registry
from tests.flow.fake_service import FakeService
from tests.flow.styles import made, manager, publish_first, said
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


async def test_an_untrained_style_cannot_be_the_usual_one(world: World) -> None:
    carol = manager(world)
    style = await made(world, carol, essays=0)
    told = await carol.slash(world.channel, "settings style", essay=style.key)
    assert told.ephemeral and "has not been trained yet" in said(told)
    assert (await world.store.guilds.get(world.guild.id)).essay_style is None
    assert await carol.autocomplete(world.channel, "settings style", "essay", "smith") == []


async def test_a_usual_style_that_lost_its_version_closes_no_server(
    world: World, service: FakeService
) -> None:
    style = await made(world, manager(world), essays=0)
    await world.store.guilds.change(world.guild.id, essay_style=style.name)
    await world.done(await world.ask(world.alice, "essay", topic="the sea"))
    assert service.essays[-1].version is None


@pytest.fixture
async def other(world: World, tmp_path: Any) -> Style:
    """A published style of another server, beside one of this server that has its name."""
    own = await made(world, manager(world), "Jazz", essays=0)
    new = NewStyle(guild_id=1, family="essay", name="Jazz", created_by=1)
    other = await world.store.styles.create(new)
    assert other is not None
    await world.store.styles.change(other.id, published=True)
    publish_first(world.settings, tmp_path)
    for style in (own, other):
        Registry(world.settings.registry_dir).move_alias("essay", style.live, "e-1")
    return other


async def test_again_and_edit_keep_a_style_that_shares_its_name(
    world: World, service: FakeService, other: Style
) -> None:
    number = await world.ask(world.alice, "essay", topic="the sea", style=other.key)
    message = world.message(await world.done(number))
    again = await world.alice.click(message, custom_id=f"gw:again:{number}")
    await world.done(world.number(again))
    form = await world.alice.click(message, custom_id=f"gw:edit:{number}")
    values = {"topic": "the sea", "words": "200", "style": "Jazz", "seed": "3"}
    sent = await world.alice.submit_modal(form, values)
    await world.done(world.number(sent))
    assert [asked.version for asked in service.essays] == [other.live] * 3
