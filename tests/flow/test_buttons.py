from __future__ import annotations

import io
import zipfile
from typing import Any

import discord
import pytest

from bot.parameters import BeatParameters, Energy, EssayParameters
from bot.store import State
from tests.flow.fake_service import FakeService
from tests.flow.world import World, acts

pytestmark = pytest.mark.usefixtures("env")


async def essay(world: World, **options: Any) -> tuple[int, discord.Message]:
    asked = {"topic": "the sea", "length": 200, **options}
    number = await world.ask(world.alice, "essay", **asked)
    return number, world.message(await world.done(number))


async def beat(world: World, **options: Any) -> tuple[int, discord.Message]:
    number = await world.ask(world.alice, "beat", **options)
    return number, world.message(await world.done(number))


async def press(world: World, member: Any, message: discord.Message, act: str, number: int) -> Any:
    return await member.click(message, custom_id=f"gw:{act}:{number}")


async def test_again_asks_the_same_with_a_new_seed(world: World, service: FakeService) -> None:
    number, message = await essay(world, seed=7, style="teacher")
    result = await press(world, world.bob, message, "again", number)
    again = await world.done(world.number(result))
    assert again.user_id == world.bob.id and again.parent_id == number
    assert again.parameters == (await world.request(number)).parameters
    assert again.seed != 7
    assert world.message(await world.request(number)).embeds[0].title == "On the sea"  # as it was


async def test_vary_plays_a_near_relative_and_says_which(
    world: World, service: FakeService
) -> None:
    number, message = await beat(world, bars=8, seed=7)
    result = await press(world, world.alice, message, "vary", number)
    varied = await world.done(world.number(result))
    asked = service.beats[-1]
    assert (asked.style, asked.bpm, asked.key, asked.bars) == ("lofi", 84, "A minor", 8)
    assert asked.seed == varied.seed == 7 and asked.variation > 0
    shown = world.message(varied)
    assert f"variation {asked.variation}" in str(shown.embeds[0].to_dict())

    result = await press(world, world.alice, shown, "vary", varied.id)
    await world.done(world.number(result))
    assert service.beats[-1].variation not in (0, asked.variation)
    result = await press(world, world.alice, shown, "again", varied.id)
    await world.done(world.number(result))
    assert service.beats[-1].variation == 0 and service.beats[-1].seed != 7


async def test_edit_opens_the_form_filled_in_and_asks_again(
    world: World, service: FakeService
) -> None:
    number, message = await essay(world, seed=7)
    form = await press(world, world.alice, message, "edit", number)
    fields = {f["custom_id"]: f for row in form.modal["components"] for f in row["components"]}
    assert {name: field.get("value") for name, field in fields.items()} == {
        "topic": "the sea",
        "words": "200",
        "style": None,
        "seed": "7",
    }
    values = {"topic": "the mountains", "words": "120", "style": "teacher", "seed": "5"}
    result = await world.alice.submit_modal(form, values)
    request = await world.done(world.number(result))
    assert request.parent_id == number and request.seed == 5
    assert request.parameters == EssayParameters(topic="the mountains", words=120, style="teacher")


async def test_edit_of_a_beat_keeps_its_format(world: World, service: FakeService) -> None:
    number, message = await beat(world, format="ogg", bpm=100, key="C minor", seed=3)
    form = await press(world, world.alice, message, "edit", number)
    fields = {f["custom_id"]: f for row in form.modal["components"] for f in row["components"]}
    assert {name: field.get("value") for name, field in fields.items()} == {
        "style": None,
        "bpm": "100",
        "bars": "16",
        "key": "C minor",
        "seed": "3",
    }
    values = {"style": "", "bpm": "90", "bars": "4", "key": "bb minor", "seed": ""}
    await world.done(world.number(await world.alice.submit_modal(form, values)))
    asked = service.beats[-1]
    assert (asked.bpm, asked.bars, asked.key, asked.format) == (90, 4, "Bb minor", "ogg")


async def test_again_vary_and_edit_keep_the_energy(world: World, service: FakeService) -> None:
    number, message = await beat(world, energy="calm", seed=3)
    values = {"style": "", "bpm": "90", "bars": "4", "key": "", "seed": ""}
    for act in ("again", "vary", "edit"):
        result = await press(world, world.alice, message, act, number)
        if act == "edit":
            result = await world.alice.submit_modal(result, values)
        request = await world.done(world.number(result))
        assert isinstance(request.parameters, BeatParameters)
        assert request.parameters.energy is Energy.CALM, act
        assert (world.embed(request).title or "").endswith(" · calm energy"), act
    assert [asked.energy for asked in service.beats] == [0.0] * 4
    assert service.beats[-1].bpm == 90


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"words": "many"}, "“many” is not a whole number."),
        ({"words": "7"}, "An essay can have 50 to 1200 words."),
        ({"style": "nobody"}, "There is no style called “nobody”"),
    ],
)
async def test_a_form_with_a_wrong_value_gets_one_sentence(
    world: World, values: dict[str, str], sentence: str
) -> None:
    number, message = await essay(world)
    form = await press(world, world.alice, message, "edit", number)
    filled = {"topic": "the sea", "words": "200", "style": "", "seed": "", **values}
    result = await world.alice.submit_modal(form, filled)
    assert result.ephemeral and result.response.content.startswith(sentence)


async def test_files_come_for_the_one_who_asks(world: World) -> None:
    number, message = await essay(world)
    result = await press(world, world.bob, message, "file", number)
    assert result.ephemeral
    files = {file.filename: await file.read() for file in result.response.attachments}
    assert set(files) == {f"essay-{number}.{kind}" for kind in ("md", "docx", "pdf")}
    assert files[f"essay-{number}.pdf"].startswith(b"%PDF")
    assert zipfile.is_zipfile(io.BytesIO(files[f"essay-{number}.docx"]))
    number, message = await beat(world)
    result = await press(world, world.bob, message, "file", number)
    names = [file.filename for file in result.response.attachments]
    assert names == [f"beat-{number}.{kind}" for kind in ("mp3", "mid", "png")]


async def test_ratings_are_one_a_person(world: World) -> None:
    number, message = await essay(world)
    for member, act in ((world.bob, "up"), (world.alice, "up"), (world.alice, "down")):
        result = await press(world, member, message, act, number)
        assert result.ephemeral and result.response.content == "Thank you, noted."
    tally = await world.store.ratings.of(number)
    assert (tally.up, tally.down) == (1, 1)
    assert set(await world.store.ratings.by_version()) == {"essay-test"}


async def test_delete_is_for_the_owner_and_moderators(world: World) -> None:
    number, message = await essay(world)
    result = await press(world, world.bob, message, "delete", number)
    assert result.ephemeral and result.response.content.startswith("Only the person who asked")
    assert len(world.messages()) == 1
    await press(world, world.alice, message, "delete", number)
    assert world.messages() == []

    number, message = await essay(world)
    role = world.guild.create_role("mods", permissions=discord.Permissions(manage_messages=True))
    mod = world.guild.add_member(world.env.create_user("mod"), roles=[role])
    await press(world, mod, message, "delete", number)
    assert world.messages() == []
    assert (await world.request(number)).state is State.DONE  # /show still has it


async def test_cancel_stops_a_running_request_in_the_service(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    number = await world.ask(world.alice, "essay", topic="the sea")
    await world.until(lambda: bool(service.essays))
    request = await world.request(number)
    await world.until(lambda: "wide" in (world.embed(request).description or ""))
    message = world.message(request)
    refused = await press(world, world.bob, message, "cancel", number)
    assert refused.ephemeral and refused.response.content.startswith("Only the person")
    await press(world, world.alice, message, "cancel", number)
    assert (await world.done(number)).state is State.CANCELLED
    assert service.stopped == 1
    assert world.embed(request).description == "Cancelled, as you asked."
    late = await press(world, world.alice, world.message(request), "again", number)
    service.go.set()
    assert (await world.done(world.number(late))).state is State.DONE


async def test_cancel_takes_a_waiting_request_out_of_the_queue(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    await world.ask(world.alice, "essay", topic="the sea")
    number = await world.ask(world.alice, "essay", topic="the moon")
    await press(world, world.alice, world.message(await world.request(number)), "cancel", number)
    assert (await world.request(number)).state is State.CANCELLED
    await world.until(
        lambda: any(m.embeds[0].description == "Cancelled, as you asked." for m in world.messages())
    )
    service.go.set()
    await world.done(1)
    assert [asked.topic for asked in service.essays] == ["the sea"]


async def test_cancel_brings_a_card_up_to_date_that_missed_its_end(
    world: World, service: FakeService
) -> None:
    service.go.clear()
    numbers = [await world.ask(world.alice, "essay", topic="the sea") for _ in range(2)]
    # Killed here, the bot had no time to tell: the card still waits.
    await world.store.requests.request_cancel(numbers[1])
    request = await world.request(numbers[1])
    result = await press(world, world.alice, world.message(request), "cancel", numbers[1])
    assert [told.content for told in result.followups] == ["This is over already."]
    assert world.embed(request).description == "Cancelled, as you asked."
    assert acts(world.message(request)) == {"again", "delete"}
    service.go.set()


async def test_a_button_that_fails_says_so(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    number, message = await essay(world)

    async def broken(*_: Any) -> None:
        raise RuntimeError("boom")

    monkeypatch.setattr(world.store.ratings, "rate", broken)
    result = await press(world, world.alice, message, "up", number)
    assert result.ephemeral
    assert result.response.content.startswith("Something went wrong on my side; the reference is")


async def test_a_button_of_a_result_that_is_gone_says_so(world: World) -> None:
    number, message = await essay(world)
    await world.store.requests.forget(world.alice.id)
    result = await press(world, world.alice, message, "again", number)
    assert result.ephemeral and result.response.content.startswith("I have no result")
