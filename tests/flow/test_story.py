"""The whole story of a style, with real training: marks in, a curve, the gate, writing, back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from bot.run_ground import training_command
from bot.settings import Settings
from bot.store import Run, RunState
from models.registry import Registry
from tests.bot.classroom import essay_text, essays_zip
from tests.flow.fake_service import FakeService
from tests.flow.styles import ended, made, manager, quicken, said, script, scripted
from tests.flow.world import World
from tests.training.essays.short import shortly

pytestmark = pytest.mark.usefixtures("trainable_registry", "env")


def real_or_scripted(run: Run, folder: Path, settings: Settings) -> list[str]:
    """Train for real, unless there is a script."""
    if (settings.data_dir / "script").exists():
        return scripted(run, folder, settings)
    return [*shortly(training_command(run, folder, settings)), "--steps", "12"]


@pytest.fixture(autouse=True)
def quick_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch, real_or_scripted, 0.1)


async def run_of(world: World, carol: Any, key: str, style_id: int) -> Run:
    asked = await carol.slash(world.channel, "train start", style=key, minutes=5, preset="tiny")
    assert "30 documents" in said(asked)
    await carol.click(asked.response, custom_id=f"gwt:go:essay:{style_id}:5:tiny")
    return (await world.store.runs.history("essay", limit=1))[0]


async def test_a_server_teaches_the_writer_its_own_manner(
    world: World, service: FakeService
) -> None:
    carol = manager(world)
    style = await made(world, carol, essays=0)
    key, root = style.key, Registry(world.settings.registry_dir, None)
    told = await carol.slash(
        world.channel,
        "style add",
        style=key,
        file=("class.zip", essays_zip(30)),
        second=("Poor (40).txt", essay_text(77).encode()),
    )
    assert "31 kept, 0 refused" in said(told) and "1 below 93 %" in said(told)

    run = await run_of(world, carol, key, style.id)
    run = await ended(world, run, RunState.PROMOTED, patience=480)
    message = next(m for m in world.messages() if m.id == run.message_id)
    await world.until(lambda: "is live" in str(message_of(world, run).embeds[0].description))
    message = message_of(world, run)
    fields = {field.name: str(field.value) for field in message.embeds[0].fields}
    assert fields["Learns from"] == "30 documents"
    assert float(fields["Held-out score"]) > 0
    assert message.attachments[0].filename == "loss.png" and message.attachments[0].size > 5000
    first = root.resolve("essay", style.live)
    assert first.name == run.version and first.parent == "base"
    assert root.resolve("essay", "live").name == "base"
    assert "own" in first.manifest["styles"]

    script(world.settings, "candidate")
    bad = await ended(world, await run_of(world, carol, key, style.id), RunState.REFUSED)
    assert root.resolve("essay", style.live).name == first.name
    compare = f"gwt:compare:essay:{bad.id}"  # the card follows the row a moment later
    await world.until(lambda: compare in str(message_of(world, bad).components))
    compared = await carol.click(message_of(world, bad), custom_id=compare)
    assert "1.51" in said(compared)
    promote = f"gwv:promote:essay:{style.id}:{bad.version}"
    await carol.click(compared.response, custom_id=promote)
    assert root.resolve("essay", style.live).name == bad.version

    number = await world.ask(world.alice, "essay", topic="the sea", style="Ms Smith")
    await world.done(number)
    assert (service.essays[-1].version, service.essays[-1].style) == (style.live, "own")
    back = await carol.slash(world.channel, "model rollback", style=key)
    assert f"{first.name} is live again" in said(back)
    assert service.reloaded == [style.live] * 3


def message_of(world: World, run: Run) -> Any:
    return next(m for m in world.messages() if m.id == run.message_id)
