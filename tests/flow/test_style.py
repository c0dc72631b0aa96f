"""/style from Discord: documents in and out, rights, other servers, and writing in a style."""

from __future__ import annotations

from typing import Any

import discord
import pytest

from bot.cards import view_of
from bot.commands.style_report import row
from bot.store import State
from bot.words import words
from models.registry import Registry
from tests.bot.classroom import essay_text, packed, song
from tests.flow.fake_service import FakeService
from tests.flow.styles import crown, made, manager, publish_first, said
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


@pytest.fixture
def carol(world: World) -> Any:
    """An admin of the server."""
    return manager(world)


async def other_server(world: World) -> tuple[Any, Any, Any]:
    """Make a second server, with a channel and an admin of its own."""
    guild = world.env.create_guild()
    return guild, guild.create_text_channel("general"), manager(world, "mallory", guild)


def serve(world: World, tmp_path: Any, key: str) -> None:
    """Let a style have a live version."""
    publish_first(world.settings, tmp_path)
    registry = Registry(world.settings.registry_dir, None)
    registry.move_alias("essay", f"{key}.live", "e-1")


async def test_a_zip_of_marked_essays_is_reported_piece_by_piece(world: World, carol: Any) -> None:
    style = await made(world, carol, essays=0)
    files: dict[str, bytes | str] = {
        "The sea (95).txt": essay_text(1),
        "Low (60).txt": essay_text(2),
        "copy.txt": essay_text(1),
        "song.mid": song(),
        "tool.exe": b"MZ",
    }
    told = await carol.slash(
        world.channel,
        "style add",
        style="Ms Smith",
        file=("class.zip", packed(files)),
        second=("virus.docm", b"PK"),
    )
    report = said(told)
    assert "2 kept, 4 refused" in report
    assert "The sea" in report and "95 %" in report and " words · en" in report
    assert "Kept, but not learned from: its mark is below 93 %" in report
    for sentence in ("is there already", "is for essays", "of a kind I cannot learn from"):
        assert sentence in report
    info = await carol.slash(world.channel, "style info", style=style.key)
    assert info.ephemeral
    assert "1 document" in said(info) and "1 below 93 %" in said(info)
    assert "none yet" in said(info) and "nobody has rated it yet" in said(info)
    listed = await carol.slash(world.channel, "style list")
    assert "Ms Smith" in said(listed) and "2 documents" in said(listed)


async def test_titles_and_marks_come_from_a_form(world: World, carol: Any) -> None:
    style = await made(world, carol, essays=0)
    file = ("class.zip", packed({f"essay {n}.txt": essay_text(n) for n in range(2)}))
    told = await carol.slash(world.channel, "style add", style=style.key, file=file)
    form = await carol.click(told.response.message, custom_id=f"gws:marks:{style.id}")
    field = form.modal["components"][0]["components"][0]
    assert field["value"] == "#2 | essay 1 | \n#1 | essay 0 | "
    lines = "#2 | The sea | 18/20\n#1 | =A river | good\n#99 | nobody | 5\nnonsense\n"
    sent = await carol.submit_modal(form, {"lines": lines})
    assert said(sent).startswith("1 document has a new title or mark. 3 lines")
    kept = await world.store.documents.of(style.id)
    assert [(d.title, d.mark) for d in kept] == [("essay 0", None), ("The sea", 90.0)]


async def test_a_document_goes_and_a_style_goes(world: World, carol: Any) -> None:
    style = await made(world, carol, essays=3)
    offered = await carol.autocomplete(
        world.channel, "style remove", "document", "2", style=style.key
    )
    assert [choice["value"] for choice in offered] == [3, 2]  # by title, and by number
    gone = await carol.slash(world.channel, "style remove", style=style.key, document=2)
    assert "names it as absent" in said(gone)
    again = await carol.slash(world.channel, "style remove", style=style.key, document=2)
    assert "no document number 2" in said(again)
    folder = world.house.corpus.folder(style.id)
    assert len(list(folder.iterdir())) == 2
    asked = await carol.slash(world.channel, "style delete", style=style.key)
    assert "2 documents" in said(asked)
    await carol.click(asked.response.message, custom_id=f"gws:sure:{style.id}")
    assert await world.store.styles.of(world.guild.id) == [] and not folder.exists()
    late = await carol.slash(world.channel, "style delete", style=style.key)
    assert "no style called" in said(late)


@pytest.mark.parametrize(
    ("name", "sentence"), [("1234", "letters"), ("ms SMITH", "already"), ("Teacher", "already")]
)
async def test_names_are_one_of_a_kind(world: World, carol: Any, name: str, sentence: str) -> None:
    await made(world, carol, essays=0)
    refused = await carol.slash(world.channel, "style create", name=name, model="essay")
    assert refused.ephemeral and sentence in said(refused)


async def test_nobody_else_may(world: World, carol: Any) -> None:
    style = await made(world, carol, essays=1)
    known = {one.name: one for one in await world.bot.tree.fetch_commands()}
    world.guild.set_command_permissions(known["style"].id, {world.alice: True})
    for command, options in (
        ("style list", {}),
        ("style info", {"style": style.key}),
        ("style delete", {"style": style.key}),
        ("style remove", {"style": style.key, "document": 1}),
    ):
        refused = await world.alice.slash(world.channel, command, **options)
        assert refused.ephemeral and "manage this server" in said(refused)
    assert await world.alice.autocomplete(world.channel, "style info", "style", "") == []
    asked = await carol.slash(world.channel, "style publish", style=style.key)
    assert "Only the owner of this bot" in said(asked)
    assert len(await world.store.documents.of(style.id)) == 1


async def test_a_style_is_written_in_under_its_own_version(
    world: World, carol: Any, service: FakeService, tmp_path: Any
) -> None:
    style = await made(world, carol, essays=1)
    early = await world.alice.slash(world.channel, "essay", topic="the sea", style="ms smith")
    assert early.ephemeral and "has not been trained yet" in said(early)
    serve(world, tmp_path, style.key)
    offered = await world.alice.autocomplete(world.channel, "essay", "style", "smith")
    assert [choice["value"] for choice in offered] == [style.key]
    number = await world.ask(world.alice, "essay", topic="the sea", style=style.key)
    request = await world.done(number)
    assert request.state is State.DONE
    asked = service.essays[-1]
    assert (asked.version, asked.style) == (f"{style.key}.live", "own")
    assert "style Ms Smith" in str(world.embed(request).footer.text)
    again = await world.alice.click(world.message(request), custom_id=f"gw:again:{number}")
    await world.done(world.number(again))
    assert service.essays[-1].version == f"{style.key}.live"
    plain = await world.ask(world.alice, "essay", topic="the sea", style="teacher")
    await world.done(plain)
    last = service.essays[-1]
    assert last.version is None and last.style == "teacher"


async def test_a_style_may_be_the_usual_one_of_its_server(
    world: World, carol: Any, service: FakeService, tmp_path: Any
) -> None:
    style = await made(world, carol, essays=0)
    serve(world, tmp_path, style.key)
    chosen = await carol.slash(world.channel, "settings style", essay=style.key)
    assert "Ms Smith" in said(chosen)
    await world.done(await world.ask(world.alice, "essay", topic="the sea"))
    assert service.essays[-1].version == style.live


async def test_another_server_never_sees_a_style(
    world: World, carol: Any, service: FakeService, tmp_path: Any
) -> None:
    style = await made(world, carol, essays=1)
    serve(world, tmp_path, style.key)
    _, channel, mallory = await other_server(world)
    assert "No styles yet" in said(await mallory.slash(channel, "style list"))
    for named in (style.key, style.name):
        for command in (
            "style info",
            "style delete",
            "train start",
            "model list",
            "model rollback",
        ):
            refused = await mallory.slash(channel, command, style=named)
            assert refused.ephemeral and "no style called" in said(refused), command
        refused = await mallory.slash(channel, "essay", topic="the sea", style=named)
        assert refused.ephemeral and "no style called" in said(refused)
        removed = await mallory.slash(channel, "style remove", style=named, document=1)
        assert "no style called" in said(removed)
    for command in ("essay", "style info", "train start", "model card"):
        assert await mallory.autocomplete(channel, command, "style", "smith") == []
    # Somebody who is an admin of both has the buttons of one in sight, and uses them there only.
    own = await mallory.slash(channel, "style create", name="Mine", model="essay")
    assert "is there" in said(own)
    theirs = (await world.store.styles.of(world.guild.id))[0]
    shown = await mallory.slash(channel, "style info", style="Mine")
    button = shown.response.message.components[0].children[0]
    assert button.custom_id == f"gws:marks:{theirs.id + 1}"
    assert service.essays == []


async def test_a_published_style_is_for_all_and_its_documents_are_not(
    world: World, carol: Any, service: FakeService, tmp_path: Any
) -> None:
    style = await made(world, carol, essays=1)
    serve(world, tmp_path, style.key)
    crown(world, carol)
    assert "Every server" in said(
        await carol.slash(world.channel, "style publish", style=style.key)
    )
    _, channel, mallory = await other_server(world)
    listed = said(await mallory.slash(channel, "style list"))
    assert "Ms Smith" in listed and "open to all" in listed and "document" not in listed
    refused = await mallory.slash(channel, "style info", style=style.key)
    assert "no style called" in said(refused)
    offered = await mallory.autocomplete(channel, "essay", "style", "smith")
    assert [choice["value"] for choice in offered] == [style.key]
    written = await mallory.slash(channel, "essay", topic="the sea", style="Ms Smith")
    await world.done(world.number(written))
    assert service.essays[-1].version == style.live
    await carol.slash(world.channel, "style publish", style=style.key, everywhere=False)
    refused = await mallory.slash(channel, "essay", topic="the sea", style="Ms Smith")
    assert refused.ephemeral


async def test_a_button_of_another_servers_style_does_nothing(world: World, carol: Any) -> None:
    style = await made(world, carol, essays=1)
    _, channel, mallory = await other_server(world)
    place = world.bot.get_channel(channel.id)
    assert isinstance(place, discord.TextChannel)
    acts = [(act, "style.label_button", None) for act in ("marks", "sure", "take")]
    stray = await place.send("stray", view=row(words("en"), style, acts))
    for act, *_ in acts:
        pressed = await mallory.click(stray, custom_id=f"gws:{act}:{style.id}")
        assert pressed.ephemeral and "no style called" in said(pressed)
    start = discord.ui.Button[discord.ui.View](custom_id=f"gwt:go:essay:{style.id}:5:tiny")
    stray = await place.send("stray", view=view_of([start]))
    pressed = await mallory.click(stray, custom_id=f"gwt:go:essay:{style.id}:5:tiny")
    assert "no style called" in said(pressed)
    assert await world.store.runs.history() == []
    assert len(await world.store.documents.of(style.id)) == 1


async def test_a_liked_essay_is_learned_from_when_author_and_admin_say_so(
    world: World, carol: Any, service: FakeService, tmp_path: Any
) -> None:
    style = await made(world, carol, essays=0)
    serve(world, tmp_path, style.key)
    numbers = []
    for text in (3, 4):
        service.sentence = essay_text(text).replace("\n\n", " ") + " "
        numbers.append(await world.ask(world.alice, "essay", topic="the sea", style=style.key))
        await world.done(numbers[-1])
    number, other = numbers
    message = world.message(await world.request(number))
    foreign = await world.bob.click(message, custom_id=f"gw:learn:{number}")
    assert "Only the person who asked" in said(foreign)
    offered = await world.alice.click(message, custom_id=f"gw:learn:{number}")
    assert "an admin of this server agrees" in said(offered)
    nothing = await carol.slash(world.channel, "style offers", style=style.key)
    assert "No result is waiting" in said(nothing)  # nobody likes it yet
    await world.bob.click(message, custom_id=f"gw:up:{number}")
    waiting = await carol.slash(world.channel, "style offers", style=style.key)
    assert "1 of 1" in said(waiting)
    taken = await carol.click(waiting.response.message, custom_id=f"gws:take:{style.id}:{number}")
    assert "Taken in" in said(taken)
    kept = await world.store.documents.of(style.id)
    assert [(d.added_by, d.request_id) for d in kept] == [(world.alice.id, number)]
    late = await world.alice.click(message, custom_id=f"gw:learn:{number}")
    assert "over already" in said(late)

    second = world.message(await world.request(other))
    await world.alice.click(second, custom_id=f"gw:learn:{other}")
    back = await world.alice.click(second, custom_id=f"gw:learn:{other}")
    assert "Taken back" in said(back)
    info = said(await carol.slash(world.channel, "style info", style=style.key))
    assert "1 of 1 (21 to 100 % with 95 % certainty)" in info

    # Forgetting a person takes what they gave away with them.
    opened = await world.alice.slash(world.channel, "privacy")
    await world.alice.click(opened.response, custom_id="gwp:forget")
    await world.alice.click(opened.response, custom_id="gwp:sure")
    assert await world.store.documents.of(style.id) == []
    assert list(world.house.corpus.folder(style.id).iterdir()) == []
