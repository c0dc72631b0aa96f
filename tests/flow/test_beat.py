from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import pytest
from simcord.backend.errors import OptionError

from bot.store import State
from models.contract import KEYS, StyleInfo
from tests.flow import styles
from tests.flow.fake_service import FakeService
from tests.flow.world import World, acts

pytestmark = pytest.mark.usefixtures("env")


async def test_a_beat_from_command_to_files(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await world.ask(
        world.alice, "beat", style="house", bpm=124, bars=8, key="C# minor", seed=3, format="ogg"
    )
    asked = await world.request(number)
    await world.until(lambda: "Playing ▰▰▰▰" in (world.embed(asked).description or ""))
    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE
    message = world.message(request)
    assert [file.filename for file in message.attachments] == [
        f"beat-{number}.ogg",
        f"beat-{number}.png",
        f"beat-{number}.mid",
    ]
    embed = message.embeds[0]
    assert embed.title == "house · 124 bpm · C# minor"
    assert embed.description == "intro · verse ×2 · outro\n8 bars · 0:46"
    assert (embed.image.url or "").endswith(f"beat-{number}.png")
    assert not message.flags.components_v2  # there, audio would be a file without a player
    assert acts(message) == {"again", "vary", "edit", "file", "up", "down", "delete"}
    assert service.beats[0].max_bytes == request.upload_limit == 25 * 2**20


async def test_without_options_the_seed_chooses(world: World, service: FakeService) -> None:
    await world.done(await world.ask(world.alice, "beat"))
    asked = service.beats[0]
    assert (asked.style, asked.bpm, asked.key, asked.bars, asked.format) == (
        None,
        None,
        None,
        16,
        "mp3",
    )


async def test_midi_alone_has_no_audio(world: World) -> None:
    number = await world.ask(world.alice, "beat", format="mid")
    files = world.message(await world.done(number)).attachments
    assert [file.filename for file in files] == [f"beat-{number}.png", f"beat-{number}.mid"]


async def test_every_key_is_a_choice(world: World, service: FakeService) -> None:
    command = world.env.backend.find_command("beat", None, type=1)
    assert command is not None
    option = next(option for option in command["options"] if option["name"] == "key")
    assert [choice["value"] for choice in option["choices"]] == list(KEYS)
    await world.done(await world.ask(world.alice, "beat", key=KEYS[-1]))
    assert service.beats[0].key == KEYS[-1]


async def test_an_energy_is_chosen_by_a_word_and_stands_on_the_card(
    world: World, service: FakeService
) -> None:
    command = world.env.backend.find_command("beat", None, type=1)
    assert command is not None
    option = next(option for option in command["options"] if option["name"] == "energy")
    assert option["name_localizations"] == {"de": "energie", "fr": "énergie"}
    assert not option.get("required")
    told = [(c["value"], c["name"], c["name_localizations"]) for c in option["choices"]]
    assert told == [
        ("calm", "calm", {"de": "ruhig", "fr": "calme"}),
        ("moderate", "moderate", {"de": "mäßig", "fr": "modérée"}),
        ("full", "full", {"de": "voll", "fr": "pleine"}),
    ]
    for energy in ("calm", "moderate", "full", None):
        chosen = {} if energy is None else {"energy": energy}
        request = await world.done(await world.ask(world.alice, "beat", **chosen))
        title = "lofi · 84 bpm · A minor" + (f" · {energy} energy" if energy else "")
        assert world.embed(request).title == title
        shown = await world.bob.slash(world.channel, "show", number=request.id)
        assert shown.response.embeds[0].title == title
    assert [asked.energy for asked in service.beats] == [0.0, 0.5, 1.0, None]


async def test_the_energy_is_among_what_privacy_exports(world: World) -> None:
    await world.done(await world.ask(world.alice, "beat", energy="moderate"))
    told = await world.alice.slash(world.channel, "privacy")
    packed = await world.alice.click(told.response, custom_id="gwp:export")
    data = await packed.response.attachments[0].read()
    with zipfile.ZipFile(io.BytesIO(data)) as files:
        (record,) = json.loads(files.read("requests.json"))
    assert record["asked"]["energy"] == "moderate"


async def test_audio_over_the_limit_is_left_out_and_said(
    world: World, service: FakeService, client_says: dict[str, Any]
) -> None:
    client_says["attachment_size_limit"] = 10_000
    service.audio_bytes = 10_001
    number = await world.ask(world.alice, "beat", format="wav")
    message = world.message(await world.done(number))
    assert service.beats[0].max_bytes == 10_000  # a real service would have found a smaller one
    assert [file.filename for file in message.attachments] == [
        f"beat-{number}.png",
        f"beat-{number}.mid",
    ]
    assert f"beat-{number}.wav" in (message.embeds[0].fields[0].value or "")


@pytest.mark.parametrize(
    "options",
    [
        {"bpm": 59},
        {"bpm": 181},
        {"bars": 3},
        {"bars": 65},
        {"key": "H"},
        {"energy": "wild"},
        {"format": "aac"},
    ],
)
async def test_discord_itself_refuses_what_is_out_of_range(
    world: World, options: dict[str, Any]
) -> None:
    with pytest.raises(OptionError):
        await world.alice.slash(world.channel, "beat", **options)


async def test_an_unknown_style_gets_one_sentence(world: World) -> None:
    result = await world.alice.slash(world.channel, "beat", style="polka_*")
    assert result.ephemeral
    assert (
        result.response.content
        == "There is no style called “polka\\_\\*”; choose one of lofi, house."
    )


async def test_styles_are_offered(world: World) -> None:
    offered = await world.alice.autocomplete(world.channel, "beat", "style", "LO")
    assert [choice["value"] for choice in offered] == ["lofi"]


async def test_the_loose_files_of_a_shipped_model_are_not_offered_as_a_style(
    world: World, service: FakeService, tmp_path: Path
) -> None:
    service.beat_styles += (StyleInfo(name="own", description="A community's own style."),)
    (tmp_path / "music" / "music-test").mkdir(parents=True)
    (tmp_path / "music" / "music-test" / "MANIFEST.json").touch()
    world.house.styles._shipped = tmp_path
    assert await world.house.styles.refresh()
    manager = styles.manager(world, "manager")
    for command, option in (("beat", "style"), ("album", "style"), ("settings style", "beat")):
        offered = await manager.autocomplete(world.channel, command, option, "")
        assert [choice["value"] for choice in offered] == ["lofi", "house"], command
    about = await world.bob.slash(world.channel, "about")
    fields = {field.name: field.value for field in about.response.embeds[0].fields}
    assert fields["Beats: music-test"].endswith("lofi, house")
    refused = await world.bob.slash(world.channel, "beat", style="polka")
    assert refused.response.content.endswith("one of lofi, house.")
    number = await world.ask(world.alice, "beat", style="own")  # an old request names it
    request = await world.done(number)
    again = await world.alice.click(world.message(request), custom_id=f"gw:again:{number}")
    assert (await world.done(world.number(again))).state is State.DONE
    assert [asked.style for asked in service.beats] == ["own", "own"]
