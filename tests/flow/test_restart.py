"""The bot ends and begins anew, in order or by force, at any moment of a request."""

from __future__ import annotations

from typing import Any

import pytest

from bot.store import State
from models.client import GenerationUnavailable
from tests.flow.fake_service import FakeService
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


async def test_killed_in_mid_request_the_result_comes_to_the_same_message(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    await world.until(lambda: bool(service.essays))
    before = (await world.request(number)).message_id
    await world.crash()
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE and request.attempts == 2
    assert request.message_id == before
    assert world.embed(request).title == "On the sea"
    assert len(world.messages()) == 1


async def test_killed_after_the_result_was_shown_it_is_shown_once(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is on Discord, but the row does not say so yet."""
    finish = world.store.requests.finish
    dead: list[int] = []

    async def die(request: Any, message_id: int | None) -> bool:
        if not dead:
            dead.append(request.id)
            raise ConnectionError("killed here")
        return await finish(request, message_id)

    monkeypatch.setattr(world.store.requests, "finish", die)
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    await world.until(lambda: bool(dead))
    await world.crash()
    request = await world.done(number)
    assert request.state is State.DONE
    assert len(service.essays) == 1  # what was made is not made again
    assert len(world.messages()) == 1


async def test_killed_while_waiting_in_the_queue(world: World, service: FakeService) -> None:
    service.go.clear()
    numbers = [await world.ask(world.alice, "essay", topic="the sea") for _ in range(2)]
    await world.crash()
    service.go.set()
    for number in numbers:
        assert (await world.done(number)).state is State.DONE
    assert len(world.messages()) == 2


async def test_stopped_in_order_it_hands_back_what_it_cannot_finish(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    await world.until(lambda: bool(service.essays))
    await world.house.end(grace=3.0)
    handed = await world.request(number)
    assert handed.state is State.QUEUED
    refused = await world.alice.slash(world.channel, "essay", topic="the moon")
    assert refused.ephemeral and "being restarted" in refused.response.content
    service.go.set()
    await world.restart()
    request = await world.done(number)
    assert request.state is State.DONE and len(world.messages()) == 1


async def test_buttons_and_open_forms_outlive_a_restart(world: World, service: FakeService) -> None:
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    message = world.message(await world.done(number))
    form = await world.alice.click(message, custom_id=f"gw:edit:{number}")
    await world.restart()
    message = world.message(await world.request(number))
    again = await world.alice.click(message, custom_id=f"gw:again:{number}")
    assert (await world.done(world.number(again))).state is State.DONE
    values = {"topic": "the moon", "words": "100", "style": "", "seed": ""}
    edited = await world.alice.submit_modal(form, values)
    assert (await world.done(world.number(edited))).state is State.DONE
    assert service.essays[-1].topic == "the moon"


async def test_a_killed_service_costs_a_retry_not_a_request(
    world: World, service: FakeService
) -> None:
    service.faults.append(GenerationUnavailable("The model service stopped."))
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    request = await world.done(number)
    assert request.state is State.DONE and len(world.messages()) == 1


async def test_what_fails_for_good_is_one_sentence_with_a_way_on(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("boom")

    monkeypatch.setattr(world.house.worker._maker, "make", broken)
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    request = await world.done(number)
    assert request.state is State.FAILED
    embed = world.embed(request)
    assert (embed.description or "").startswith("Something went wrong on my side")
    assert embed.footer.text == f"#{number}"
