"""/privacy: what a person may take away, and what must be gone when they wish it."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from bot.commands.run_card import face
from bot.store import NewRun
from bot.words import words
from tests.flow.fake_service import FakeService
from tests.flow.styles import made, manager
from tests.flow.world import World, archive, essay

pytestmark = pytest.mark.usefixtures("env")


async def forget(world: World, who: Any) -> str:
    """Have somebody forgotten; return what they are told."""
    result = await who.slash(world.channel, "privacy")
    await who.click(result.response, custom_id="gwp:forget")
    await who.click(result.response, custom_id="gwp:sure")
    return str(result.response.content)


async def test_privacy_exports_everything_and_only_ones_own(world: World) -> None:
    message = await world.bob.send(world.channel, "My secret is older than the sea.")
    asked = await world.alice.context_menu(world.channel, "Continue as essay", message)
    number = world.number(asked)
    await world.done(number)
    await world.store.ratings.rate(number, world.alice.id, -1, "essay-test")
    result = await world.alice.slash(world.channel, "privacy")
    assert result.ephemeral and "That is 1 request so far." in result.response.embeds[0].description
    packed = await world.alice.click(result.response, custom_id="gwp:export")
    assert packed.ephemeral
    with await archive(packed.response) as files:
        assert f"files/essay-{number}.docx" in files.namelist()
        text = files.read("requests.json").decode()
        (rating,) = json.loads(files.read("ratings.json"))
    assert (rating["id"], rating["value"]) == (number, -1)
    records = json.loads(text)
    assert records[0]["asked"]["topic"] == "My secret is older than the sea"
    assert records[0]["asked"]["opening"] == "My secret is older than the sea."
    assert records[0]["result"]["text"].startswith("The sea")
    assert "token" not in records[0] and "simcord_interaction" not in text
    other = await world.bob.slash(world.channel, "privacy")
    packed = await world.bob.click(other.response, custom_id="gwp:export")
    with await archive(packed.response) as files:
        assert json.loads(files.read("requests.json")) == []


async def test_privacy_forgets_after_a_second_word(world: World, service: FakeService) -> None:
    number = await essay(world)
    shelf = world.settings.artifacts_dir / str(number)
    await world.alice.click(
        world.message(await world.request(number)), custom_id=f"gw:file:{number}"
    )
    assert (shelf / f"essay-{number}.pdf").exists()
    await world.store.ratings.rate(number, world.alice.id, 1, "v")
    service.go.clear()
    await world.ask(world.alice, "essay", topic="the moon")
    result = await world.alice.slash(world.channel, "privacy")
    await world.alice.click(result.response, custom_id="gwp:forget")
    assert result.response.content.startswith("This deletes all")
    await world.alice.click(result.response, custom_id="gwp:keep")
    assert result.response.content == "Nothing was deleted."
    assert (await world.store.requests.history(world.alice.id)).total == 2

    result = await world.alice.slash(world.channel, "privacy")
    await world.alice.click(result.response, custom_id="gwp:forget")
    await world.alice.click(result.response, custom_id="gwp:sure")
    assert result.response.content.startswith("Done:")
    assert await world.store.requests.get(number) is None
    assert not shelf.exists()
    assert (await world.store.ratings.by_version()) == {}


async def test_being_forgotten_gives_nobody_another_quota(world: World) -> None:
    await world.store.guilds.change(world.guild.id, user_daily_limit=1)
    await essay(world)
    result = await world.alice.slash(world.channel, "privacy")
    assert "until midnight (UTC), how much you asked for" in result.response.embeds[0].description
    await world.alice.click(result.response, custom_id="gwp:forget")
    assert "until midnight (UTC)" in result.response.content
    await world.alice.click(result.response, custom_id="gwp:sure")
    assert result.response.content.startswith("Done: 1 request")
    assert (await world.store.requests.history(world.alice.id)).total == 0
    refused = await world.alice.slash(world.channel, "essay", topic="the moon")
    assert refused.ephemeral and "today" in refused.response.content
    again = await world.alice.slash(world.channel, "privacy")
    packed = await world.alice.click(again.response, custom_id="gwp:export")
    with await archive(packed.response) as files:
        (counted,) = json.loads(files.read("counted.json"))
    assert (counted["guild_id"], counted["requests"]) == (str(world.guild.id), 1)


async def test_what_is_being_written_is_forgotten_too(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await world.ask(world.alice, "essay", topic="my secret")
    await world.until(lambda: world.house.worker.busy == 1)
    assert (await forget(world, world.alice)).startswith("Done: 1 request")
    assert await world.store.requests.get(number) is None


async def deliver_slowly(world: World, monkeypatch: pytest.MonkeyPatch) -> asyncio.Event:
    """Have an essay of Alice's under way to its message until the event is set."""
    arrived, send = asyncio.Event(), world.house.front._messages.send

    async def slow(*args: Any) -> Any:
        await arrived.wait()
        return await send(*args)

    monkeypatch.setattr(world.house.front._messages, "send", slow)
    number = await world.ask(world.alice, "essay", topic="my secret")

    async def made() -> bool:
        return (await world.request(number)).outcome is not None

    await world.until_async(made)
    return arrived


async def test_what_is_being_delivered_is_waited_for(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrived = await deliver_slowly(world, monkeypatch)
    asyncio.get_running_loop().call_later(0.5, arrived.set)
    assert (
        await forget(world, world.alice) == "Done: 1 request and all that belonged to it is gone."
    )
    assert await world.store.requests.get(1) is None


async def test_what_is_delivered_too_slowly_goes_when_it_has_arrived(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.commands.privacy.PATIENCE", 0.05)
    monkeypatch.setattr("bot.sweeper.LATE_SECONDS", 0.05)
    await world.restart()
    arrived = await deliver_slowly(world, monkeypatch)
    told = await forget(world, world.alice)
    assert "1 request is just being ended" in told
    assert await world.store.requests.get(1) is not None
    arrived.set()

    async def gone() -> bool:
        return await world.store.requests.get(1) is None

    await world.until_async(gone)
    await world.until(lambda: not (world.settings.artifacts_dir / "1").exists())


async def test_what_an_admin_did_can_be_taken_away_and_is_nobodys_afterwards(world: World) -> None:
    carol = manager(world)
    style = await made(world, carol, essays=0)
    await world.store.guilds.change(world.guild.id, admin_ids=[carol.id])
    opened = await carol.slash(world.channel, "privacy")
    packed = await carol.click(opened.response, custom_id="gwp:export")
    with await archive(packed.response) as files:
        deeds = json.loads(files.read("admin.json"))
    assert [(deed["what"], deed["id"]) for deed in deeds] == [
        ("styles", str(style.id)),
        ("guilds", str(world.guild.id)),
    ]
    await forget(world, carol)
    assert await world.store.deeds.of(carol.id) == []


async def test_a_run_of_somebody_forgotten_names_nobody(world: World) -> None:
    await world.store.runs.create(NewRun(family="essay", minutes=5, requested_by=7))
    await world.store.deeds.forget(7)
    (run,) = await world.store.runs.history()
    card = await face(world.house, words("en"), run, None, ())
    assert "5 minutes by someone" in [field.value for field in card.embed.fields]
