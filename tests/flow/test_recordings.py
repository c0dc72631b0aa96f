"""From recordings to a producer of one's own: /style add with mp3 files, then /train start."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import discord
import pytest

from bot.run_ground import training_command
from bot.settings import Settings
from bot.store import Run
from models.music.voices import DEFAULT_SOUNDFONT
from models.registry import Registry
from tests.flow.styles import manager, quicken, said
from tests.flow.world import World
from tests.training.songs.tunes import tune
from training.songs.rendering import Band, mp3

pytestmark = pytest.mark.usefixtures("own_registry", "env")


def short(run: Run, folder: Path, settings: Settings) -> list[str]:
    """Transcribe and train for real, for a few steps."""
    return [*training_command(run, folder, settings), "--steps", "2"]


@pytest.fixture(autouse=True)
def quick_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("bot.priority.TRAINING", 0)  # this test does wait for it
    quicken(monkeypatch, short, 0.1)


async def add(world: World, admin: Any, style: str, files: list[tuple[str, bytes]]) -> str:
    named = dict(zip(("file", "second", "third"), files, strict=False))
    return said(await admin.slash(world.channel, "style add", style=style, **named))


async def test_recordings_teach_the_producer_a_style_of_the_server(world: World) -> None:
    carol, band = manager(world), Band(DEFAULT_SOUNDFONT)
    await carol.slash(world.channel, "style create", name="Our band", model="music")
    (style,) = await world.store.styles.of(world.guild.id)
    songs = [(f"song {n}.mp3", mp3(band.play(tune(25, n, 148 + 3 * n)))) for n in range(3)]
    told = await add(world, carol, style.key, songs)
    assert "3 kept, 0 refused" in told and "turned into MIDI" in told

    asked = await carol.slash(
        world.channel, "train start", style=style.key, minutes=5, preset="tiny"
    )
    assert "3 documents" in said(asked), said(asked)
    ready = re.search(r"<t:(\d+):R>", said(asked))
    assert ready is not None
    wait = int(ready[1]) - discord.utils.utcnow().timestamp()
    assert 320 <= wait <= 326, "five minutes, and eight seconds for each recording"
    await carol.click(asked.response, custom_id=f"gwt:go:music:{style.id}:5:tiny")
    run = await over(world)
    log = (Path(str(run.run_dir)) / "log.txt").read_text()
    assert run.state.value in ("promoted", "refused"), (run.sentence, log)
    assert "3 of 3 files became MIDI" in log
    house = Registry(world.settings.registry_dir, None)
    version = house.resolve("music", str(run.version))
    assert version.parent == "tiny-music" and "own" in version.read_json("config.json")["styles"]
    place = style.live if run.state.value == "promoted" else f"{style.key}.candidate"
    assert house.aliases("music")[place] == version.name
    assert house.resolve("music", "live").name == "tiny-music"
    kept = world.settings.corpus_dir("styles") / str(style.id) / "heard"
    assert len(list(kept.glob("*.mid"))) == 3, "another run need not hear them again"


async def over(world: World) -> Run:
    """Wait for the end of the only run; transcribing and training take their time."""
    (run,) = await world.store.runs.history("music", limit=1)

    async def ended() -> bool:
        now = await world.store.runs.get(run.id)
        return now is not None and now.finished_at is not None

    for _ in range(6):
        try:
            await world.until_async(ended)
            break
        except TimeoutError:
            continue
    found = await world.store.runs.get(run.id)
    assert found is not None and found.finished_at is not None
    return found
