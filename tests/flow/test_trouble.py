"""Every way in which Discord may say no, and what comes of it."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import discord
import pytest

from bot.commands import submit
from bot.delivery import ladder
from bot.store import State
from tests.flow.fake_service import FakeService
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")

BY_TOKEN = "/webhooks/*/messages/*"
AS_BOT = "/channels/*/messages/*"


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ladder, "AWAY_PAUSES", (0.0, 0.0))


async def held(world: World, service: FakeService, command: str = "essay", **more: Any) -> int:
    """Begin a request that waits in the service, with its status shown."""
    service.go.clear()
    service.essays.clear()
    world.house.front._interval = world.edit_interval
    options = {"topic": "the sea", "length": 200} if command == "essay" else {}
    number = await world.ask(world.alice, command, **options, **more)
    await world.until(lambda: bool(service.essays or service.beats))
    request = await world.request(number)
    word = "wide" if command == "essay" else "Playing"
    await world.until(lambda: word in (world.embed(request).description or ""))
    world.house.front._interval = 3600  # the next edit is the result
    return number


def fail(world: World, path: str, code: int, status: int = 400, times: int | None = 1) -> None:
    world.env.inject_error("PATCH", path, status=status, code=code, times=times)


async def test_a_dead_token_is_followed_by_the_bots_own(world: World, service: FakeService) -> None:
    number = await held(world, service)
    await world.env.advance_time(16 * 60)
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE
    assert world.embed(request).title == "On the sea"
    assert len(world.message(request).attachments) == 1
    last = [r for r in world.env.http_requests if r.method == "PATCH"][-1]
    assert last.path.startswith("/channels/")


@pytest.mark.parametrize(("minutes", "road"), [(13.5, "/webhooks/"), (14.2, "/channels/")])
async def test_a_token_is_trusted_for_fourteen_minutes(
    world: World, service: FakeService, minutes: float, road: str
) -> None:
    number = await held(world, service)
    await world.env.advance_time(minutes * 60)
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE and world.embed(request).title == "On the sea"
    edits = [r for r in world.env.http_requests if r.method == "PATCH"]
    assert edits[-1].path.startswith(road)


@pytest.mark.parametrize(("code", "status"), [(50027, 401), (10015, 404)])
async def test_a_token_that_dies_early_too(
    world: World, service: FakeService, code: int, status: int
) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, code, status, times=None)
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE and world.embed(request).title == "On the sea"


async def test_with_nowhere_to_answer_the_result_waits_for_show(
    world: World, service: FakeService
) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, 50027, 401, times=None)
    fail(world, AS_BOT, 50001, 403, times=None)
    service.go.set()
    request = await world.done(number)
    assert request.state is State.EXPIRED
    assert f"/show {number}" in (request.error or "")

    world.env.backend.faults.clear()
    result = await world.alice.slash(world.channel, "show", number=number)
    assert result.response.embeds[0].title == "On the sea"
    assert [a.filename for a in result.response.attachments] == [f"essay-{number}.docx"]
    revived = await world.request(number)
    assert revived.state is State.DONE and revived.message_id == result.response.id


@pytest.mark.parametrize(
    ("code", "status"), [(10008, 404), (10003, 404), (50001, 403), (50013, 403)]
)
async def test_a_message_out_of_reach_expires(
    world: World, service: FakeService, code: int, status: int
) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, code, status, times=None)
    service.go.set()
    assert (await world.done(number)).state is State.EXPIRED
    assert len(world.messages()) == 1  # and nothing is posted in its place


async def test_a_card_somebody_deleted_is_not_posted_again(
    world: World, service: FakeService
) -> None:
    number = await held(world, service)
    world.env.backend.delete_message(
        world.channel.id, (await world.request(number)).message_id or 0
    )
    service.go.set()
    assert (await world.done(number)).state is State.EXPIRED
    assert world.messages() == []


async def test_too_large_drops_the_largest_file(world: World, service: FakeService) -> None:
    number = await held(world, service, "beat")
    fail(world, BY_TOKEN, 40005, 413)
    service.go.set()
    request = await world.done(number)
    message = world.message(request)
    assert request.state is State.DONE
    assert [a.filename for a in message.attachments] == [f"beat-{number}.png", f"beat-{number}.mid"]
    assert f"beat-{number}.mp3" in (message.embeds[0].fields[0].value or "")


async def test_where_no_files_are_taken_the_card_says_where_they_are(
    world: World, service: FakeService
) -> None:
    number = await held(world, service, "beat")
    fail(world, BY_TOKEN, 400001)
    service.go.set()
    message = world.message(await world.done(number))
    assert not message.attachments and message.embeds[0].image.url is None
    assert f"/show {number}" in (message.embeds[0].fields[0].value or "")


@pytest.mark.parametrize("code", [200000, 240000, 20009])
async def test_a_text_the_place_blocks_is_not_smuggled_in(
    world: World, service: FakeService, code: int
) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, code)
    service.go.set()
    request = await world.done(number)
    message = world.message(request)
    assert request.state is State.DONE and not message.attachments
    assert "own rules block" in (message.embeds[0].description or "")


@pytest.mark.parametrize("code", [30046, 50083])
async def test_a_message_that_cannot_be_edited_is_followed_by_one_new_one(
    world: World, service: FakeService, code: int
) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, code)
    service.go.set()
    request = await world.done(number)
    sent = [r for r in world.env.http_requests if r.method == "POST" and "/messages" in r.path]
    assert [r.json["nonce"] for r in sent] == [f"gw{number}"]
    assert world.embed(request).title == "On the sea"
    assert len(world.messages()) == 2


async def test_our_own_mistake_is_still_answered(world: World, service: FakeService) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, 50035)
    service.go.set()
    request = await world.done(number)
    assert f"/show {number}" in (world.embed(request).description or "")


async def test_a_short_outage_is_sat_out_and_a_long_one_expires(
    world: World, service: FakeService
) -> None:
    number = await held(world, service)
    fail(world, BY_TOKEN, 0, 503, times=2)
    service.go.set()
    assert (await world.done(number)).state is State.DONE

    number = await held(world, service)
    fail(world, BY_TOKEN, 0, 503, times=None)
    service.go.set()
    assert (await world.done(number)).state is State.EXPIRED


async def test_a_request_nobody_saw_acknowledged_is_withdrawn(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    world.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062)
    result = await world.alice.slash(world.channel, "essay", topic="the sea")
    assert not result.acknowledged
    assert (await world.done(1)).state is State.CANCELLED and world.messages() == []
    assert not any(r.method == "PATCH" for r in world.env.http_requests)


def in_trouble() -> discord.DiscordServerError:
    answer: Any = SimpleNamespace(status=503, reason="Service Unavailable")
    return discord.DiscordServerError(answer, "overloaded")


async def test_an_answer_that_discord_did_not_take_in_withdraws_the_request(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.go.clear()

    async def lost(*_: Any, **__: Any) -> None:
        raise in_trouble()

    monkeypatch.setattr(discord.InteractionResponse, "send_message", lost)
    result = await world.alice.slash(world.channel, "essay", topic="the sea")
    assert not result.acknowledged
    assert (await world.done(1)).state is State.CANCELLED and world.messages() == []


@pytest.mark.parametrize("trouble", [ConnectionResetError(), in_trouble()])
async def test_an_answer_that_arrived_unheard_goes_on(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch, trouble: Exception
) -> None:
    send = discord.InteractionResponse.send_message

    async def deaf(self: Any, *args: Any, **more: Any) -> None:
        await send(self, *args, **more)
        raise trouble

    monkeypatch.setattr(discord.InteractionResponse, "send_message", deaf)
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=200)
    request = await world.done(world.number(result))
    assert request.state is State.DONE and request.message_id == result.response.id


async def test_a_status_edit_that_fails_disturbs_nothing(
    world: World, service: FakeService
) -> None:
    fail(world, BY_TOKEN, 50035, times=1)
    number = await world.ask(world.alice, "essay", topic="the sea", length=800)
    assert (await world.done(number)).state is State.DONE


def slow_admission(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let admission take a minute of the simulated clock."""
    monkeypatch.setattr(submit, "ADMISSION_SECONDS", 0.05)
    admit = world.house.admission.admit

    async def slow(ask: Any) -> Any:
        await asyncio.sleep(60)
        return await admit(ask)

    monkeypatch.setattr(world.house.admission, "admit", slow)


async def test_slow_admission_is_deferred_first(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow_admission(world, monkeypatch)
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=200)
    assert result.deferred
    await world.env.advance_time(60)
    assert (await world.done(world.number(result))).state is State.DONE

    refused = await world.alice.slash(world.channel, "essay", topic="123")
    await world.env.advance_time(60)
    assert "no words" in refused.response.content


def taken() -> discord.HTTPException:
    answer: Any = SimpleNamespace(status=400, reason="Bad Request")
    return discord.HTTPException(answer, {"code": 40060, "message": "acknowledged"})


@pytest.mark.parametrize("trouble", [taken(), in_trouble()])
@pytest.mark.parametrize(("topic", "state"), [("the sea", State.DONE), ("123", None)])
async def test_a_deferral_that_arrived_unheard_goes_on(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
    topic: str,
    state: State | None,
    trouble: Exception,
) -> None:
    slow_admission(world, monkeypatch)
    defer = discord.InteractionResponse.defer

    async def deaf(self: discord.InteractionResponse, **more: Any) -> None:
        await defer(self, **more)
        self._response_type = None  # discord.py sets it when it hears that all went well
        raise trouble

    monkeypatch.setattr(discord.InteractionResponse, "defer", deaf)
    result = await world.alice.slash(world.channel, "essay", topic=topic, length=200)
    await world.env.advance_time(60)
    if state is None:
        assert "no words" in result.response.content
    else:
        assert (await world.done(world.number(result))).state is state
    assert len(world.messages()) == 1


async def test_a_deferral_that_came_too_late_withdraws_the_request(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.go.clear()
    slow_admission(world, monkeypatch)
    world.env.inject_error("POST", "/interactions/*/callback", status=404, code=10062)
    result = await world.alice.slash(world.channel, "essay", topic="the sea")
    await world.env.advance_time(60)
    assert not result.acknowledged
    assert (await world.done(1)).state is State.CANCELLED
    assert world.messages() == []
