from __future__ import annotations

import asyncio
import io
import time
import zipfile
from dataclasses import replace
from typing import Any

import pytest
from simcord.actors import (
    _dispatch_actor_interaction,
    _resolve_visible_command,
    _visible_message,
)
from simcord.backend import serializers
from simcord.backend.errors import OptionError

from bot.outlook import Outlook
from bot.store import State
from tests.flow.fake_service import FakeService
from tests.flow.world import World, acts, buttons

pytestmark = pytest.mark.usefixtures("env")

CONTINUE = "Continue as essay"


async def test_an_essay_from_command_to_document(world: World, service: FakeService) -> None:
    service.go.clear()
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=200, seed=7)
    number = world.number(result)
    assert acts(result.response.message) == {"cancel"}
    asked = await world.request(number)
    await world.until(lambda: "The sea is wide" in (world.embed(asked).description or ""))
    assert world.embed(asked).title == "Essay: the sea"

    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE
    message = world.message(request)
    embed = message.embeds[0]
    assert embed.title == "On the sea"
    assert embed.footer.text is not None and "seed 7" in embed.footer.text
    assert "essay-test" in embed.footer.text
    assert [file.filename for file in message.attachments] == [f"essay-{number}.docx"]
    assert zipfile.is_zipfile(io.BytesIO(await message.attachments[0].read()))
    assert acts(message) == {"again", "edit", "file", "up", "down", "delete"}
    assert len(world.messages()) == 1


async def test_every_option_has_a_default(world: World, service: FakeService) -> None:
    await world.done(await world.ask(world.alice, "essay", topic="the sea"))
    assert service.essays[0].words == 400
    assert service.essays[0].style is None


async def test_a_busy_service_delays_the_result_but_not_the_card(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    members = [world.guild.add_member(world.env.create_user(f"user{n}")) for n in range(7)]
    numbers = []
    for member in members:
        began = time.monotonic()
        numbers.append(await world.ask(member, "essay", topic="the sea", length=200))
        assert time.monotonic() - began < 3
    last = await world.request(numbers[-1])
    assert last.state is State.QUEUED
    await world.until(lambda: "2 requests are before" in (world.embed(last).description or ""))
    service.go.set()
    for number in numbers:
        assert (await world.done(number)).state is State.DONE
    assert len(world.messages()) == len(numbers)


async def test_a_long_essay_has_pages_that_only_its_owner_turns_for_all(
    world: World, service: FakeService
) -> None:
    service.sentence = "Everything remains rather wide. "
    number = await world.ask(world.alice, "essay", topic="the sea", length=800)
    first = world.message(await world.done(number))
    assert "page 1 of 2" in (first.embeds[0].footer.text or "")
    back, forth = f"gw:page:{number}:0", f"gw:page:{number}:1"
    assert buttons(first)[back].disabled and not buttons(first)[forth].disabled

    await world.alice.click(first, custom_id=forth)
    second = world.messages()[0]
    assert "page 2 of 2" in (second.embeds[0].footer.text or "")
    assert [file.filename for file in second.attachments] == [f"essay-{number}.docx"]

    result = await world.bob.click(second, custom_id=back)
    assert result.ephemeral and "page 1 of 2" in result.response.embeds[0].footer.text
    assert "page 2 of 2" in (world.messages()[0].embeds[0].footer.text or "")
    words = " ".join(m.embeds[0].description or "" for m in (first, second)).split()
    assert words.count("wide.") == (await world.request(number)).outcome.text.count("wide.")  # type: ignore[union-attr]


async def test_the_text_streams_by_few_edits(world: World, service: FakeService) -> None:
    world.edit_interval = 2.0
    await world.restart()
    number = await world.ask(world.alice, "essay", topic="the sea", length=800)
    await world.done(number)
    edits = [r for r in world.env.http_requests if r.method == "PATCH"]
    # A fraction of a second of work: no status edit falls due before the result.
    assert len(edits) == 1


async def test_what_was_typed_is_shown_but_never_obeyed(world: World, service: FakeService) -> None:
    service.sentence = "**bold** @everyone <@1> # no "
    topic = "**a** @everyone <t:1:R> [x](http://y.z)"
    number = await world.ask(world.alice, "essay", topic=topic, length=200)
    message = world.message(await world.done(number))
    assert message.embeds[0].author.name == f"On “{topic}”"  # an author's name has no markup
    assert (message.embeds[0].description or "").startswith("\\*\\*bold\\*\\* @\u200beveryone \\<@")
    assert not message.mention_everyone and not message.mentions


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"topic": "   "}, "Please say what the essay should be about."),
        ({"topic": "1234"}, "That topic has no words in it"),
        ({"topic": "the sea", "style": "nobody"}, "There is no style called “nobody”"),
    ],
)
async def test_a_wrong_value_gets_one_sentence_only_its_person_sees(
    world: World, options: dict[str, Any], sentence: str
) -> None:
    result = await world.alice.slash(world.channel, "essay", **options)
    assert result.ephemeral and result.response.content.startswith(sentence)
    assert (await world.store.requests.depth()) == {}


@pytest.mark.parametrize(
    "options",
    [
        {"topic": ""},
        {"topic": "x" * 501},
        {"topic": "x", "length": 300},
        {"topic": "x", "seed": -1},
        {"topic": "x", "seed": 2**31},
    ],
)
async def test_discord_itself_refuses_what_is_out_of_range(
    world: World, options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError):
        await world.alice.slash(world.channel, "essay", **options)


async def test_styles_are_offered_without_asking_the_service(
    world: World, service: FakeService
) -> None:
    asked = service.styles_asked
    offered = await world.alice.autocomplete(world.channel, "essay", "style", "tea")
    assert [choice["value"] for choice in offered] == ["teacher"]
    assert len(await world.alice.autocomplete(world.channel, "essay", "style", "")) == 2
    assert service.styles_asked == asked
    number = await world.ask(world.alice, "essay", topic="the sea", style="Teacher")
    await world.done(number)
    assert service.essays[0].style == "teacher"


async def test_nobody_has_more_than_three_open(world: World, service: FakeService) -> None:
    service.go.clear()
    for _ in range(3):
        await world.ask(world.alice, "essay", topic="the sea")
    result = await world.alice.slash(world.channel, "essay", topic="the sea")
    assert result.ephemeral and result.response.content.startswith("You have 3 requests open")
    await asyncio.sleep(0.1)
    assert len(service.essays) == 1  # and only one of a person's is worked on at a time
    service.go.set()


async def test_an_essay_about_a_message(world: World, service: FakeService) -> None:
    message = await world.bob.send(world.channel, "Why is the sea\nso blue?")
    result = await world.alice.context_menu(world.channel, "Essay about this", message)
    await world.done(world.number(result))
    assert service.essays[0].topic == "Why is the sea so blue?"


async def test_a_message_without_text_is_no_topic(world: World) -> None:
    message = await world.bob.send(world.channel, attachments=[("a.png", b"x")])
    result = await world.alice.context_menu(world.channel, "Essay about this", message)
    assert result.ephemeral and result.response.content == "That message has no text in it."


async def continue_(world: World, member: Any, message: Any) -> Any:
    return await member.context_menu(world.channel, CONTINUE, message)


async def test_an_essay_goes_on_from_a_message_of_somebody_else(
    world: World, service: FakeService
) -> None:
    said = f"Oh. **The tides** <:wave:1> follow the moon, <@{world.alice.id}>.\nThey wait for none."
    message = await world.bob.send(world.channel, said)
    result = await continue_(world, world.alice, message)
    request = await world.done(world.number(result))
    asked = service.essays[0]
    assert asked.opening == "Oh. The tides follow the moon, @alice. They wait for none."
    assert asked.topic == "The tides follow the moon, @alice"
    assert request.user_id == world.alice.id and request.parameters.opening == asked.opening  # type: ignore[union-attr]
    author = world.embed(request).author.name or ""
    assert author.startswith("Going on from “Oh. The tides follow the moon")


async def test_again_and_edit_keep_what_an_essay_goes_on_from(
    world: World, service: FakeService
) -> None:
    message = await world.bob.send(
        world.channel, "The sea was calm that night.\n\nThen it was not."
    )
    number = world.number(await continue_(world, world.alice, message))
    card = world.message(await world.done(number))
    await world.done(world.number(await world.bob.click(card, custom_id=f"gw:again:{number}")))
    form = await world.alice.click(card, custom_id=f"gw:edit:{number}")
    filled = {
        f["custom_id"]: f["value"]
        for row in form.modal["components"]
        for f in row["components"]
        if "value" in f
    }
    assert filled["topic"] == "The sea was calm that night"
    values = {**filled, "topic": "storms at sea", "style": "", "seed": ""}
    await world.done(world.number(await world.alice.submit_modal(form, values)))
    assert {essay.opening for essay in service.essays} == {
        "The sea was calm that night.\n\nThen it was not."
    }
    assert [essay.topic for essay in service.essays][1:] == [filled["topic"], "storms at sea"]
    form = await world.alice.click(card, custom_id=f"gw:edit:{number}")
    await world.done(world.number(await world.alice.submit_modal(form, {**values, "opening": ""})))
    assert service.essays[-1].opening is None


async def test_a_forwarded_message_counts_as_what_it_passes_on(
    world: World, service: FakeService
) -> None:
    message = await world.bob.send(world.channel, "Nothing is as old as the sea.")
    passed_on = await world.bob.forward(message, world.channel)
    await world.done(world.number(await continue_(world, world.alice, passed_on)))
    assert service.essays[0].opening == "Nothing is as old as the sea."


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"attachments": [("a.png", b"x")]}, "That message has no text in it."),
        ({"content": "<:wave:123> https://example.org/the-sea 42"}, "That message has no text"),
    ],
)
async def test_what_no_essay_goes_on_from_gets_one_sentence(
    world: World, sent: dict[str, Any], sentence: str
) -> None:
    message = await world.bob.send(world.channel, **sent)
    result = await continue_(world, world.alice, message)
    assert result.ephemeral and result.response.content.startswith(sentence)
    assert await world.store.requests.depth() == {}


async def test_a_message_may_be_longer_than_an_essay_goes_on_from(world: World) -> None:
    message = await world.bob.send(world.channel, "The sea.")
    # Who pays Discord for it writes up to 4000 characters.
    _visible_message(world.bob, message).content = "The sea is wide. " * 130
    result = await continue_(world, world.alice, message)
    assert result.ephemeral
    assert result.response.content.startswith("That message is too long to go on from: 2000 char")
    assert await world.store.requests.depth() == {}


async def test_a_card_of_embeds_alone_is_no_text(world: World) -> None:
    number = await world.ask(world.alice, "essay", topic="the sea", length=200)
    card = world.message(await world.done(number))
    result = await continue_(world, world.bob, card)
    assert result.ephemeral and result.response.content == "That message has no text in it."


async def test_where_only_the_person_installed_the_bot_an_essay_goes_on_too(
    world: World, service: FakeService, client_says: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    client_says["authorizing_integration_owners"] = {"1": str(world.alice.id)}
    monkeypatch.setattr(world.bot, "get_guild", lambda _: None)
    message = await world.bob.send(world.channel, "The sea was here before us.")
    result = await continue_(world, world.alice, message)
    assert (await world.done(world.number(result))).state is State.DONE
    assert service.essays[0].opening == "The sea was here before us."


async def test_filters_hold_for_what_an_essay_goes_on_from(world: World) -> None:
    await world.store.guilds.change(world.guild.id, blocked_words=("kraken",))
    message = await world.bob.send(
        world.channel, "The sea is calm today. Below it the Kräken waits."
    )
    result = await continue_(world, world.alice, message)
    assert result.ephemeral and "does not allow that wording" in result.response.content


async def test_a_message_in_a_direct_message_is_gone_on_from(
    world: World, service: FakeService
) -> None:
    carol = world.env.create_user("carol")
    message = await carol.send_dm("The sea was here before us.")
    command = _resolve_visible_command(carol, carol.dm_channel.id, CONTINUE, 3)
    assert command["contexts"] == [0, 1, 2] and command["integration_types"] == [0, 1]
    target: Any = {"target_id": str(message.id), "resolved": {"messages": {}}}
    stored = _visible_message(carol, message)
    shown = serializers.message_payload(world.env.backend, stored)
    target["resolved"]["messages"][str(message.id)] = dict(shown)
    data = {"id": command["id"], "name": CONTINUE, "type": 3, **target}
    result = await _dispatch_actor_interaction(carol, 2, carol.dm_channel, data)
    request = await world.done(world.number(result))
    assert request.guild_id is None and service.essays[0].topic == "The sea was here before us"


async def test_in_a_direct_message(world: World) -> None:
    carol = world.env.create_user("carol")
    result = await carol.slash("essay", topic="the sea", length=200)
    number = world.number(result)
    request = await world.done(number)
    assert request.guild_id is None
    assert result.response.embeds[0].title == "On the sea"


@pytest.mark.parametrize("at_home", [True, False])
async def test_where_only_the_token_answers_a_long_wait_is_refused(
    world: World, monkeypatch: pytest.MonkeyPatch, at_home: bool
) -> None:
    admit = world.house.admission.admit

    async def slow(ask: Any) -> Any:
        answer: Any = await admit(ask)
        return replace(answer, outlook=Outlook(place=40, eta=1000.0))

    monkeypatch.setattr(world.house.admission, "admit", slow)
    if not at_home:  # installed by a person, the bot itself is not on the server
        monkeypatch.setattr(world.bot, "get_guild", lambda _: None)
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=200)
    assert result.ephemeral is not at_home
    request = await world.done(1)
    assert request.state is (State.DONE if at_home else State.CANCELLED)
    if not at_home:
        assert result.response.content.startswith("That would take too long here")
