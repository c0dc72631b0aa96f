"""Styles trained, compared, promoted and rolled back from Discord, with scripted children."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest

from bot.store import RunState, Style
from models.client import GenerationRefused
from models.registry import Registry
from tests.flow.fake_service import FakeService
from tests.flow.styles import (
    crown,
    ended,
    made,
    manager,
    publish_first,
    quicken,
    said,
    script,
    scripted,
    train,
)
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


@pytest.fixture(autouse=True)
def quick_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch, scripted)


@pytest.fixture
def carol(world: World, tmp_path: Path) -> Any:
    """An admin of the server; the bot has a live version."""
    publish_first(world.settings, tmp_path)
    return manager(world)


def aliases(world: World) -> dict[str, str]:
    return Registry(world.settings.registry_dir, None).aliases("essay")


async def card(world: World, run_id: int, text: str) -> Any:
    """Wait until the card of a run says something."""

    async def says() -> bool:
        run = await world.store.runs.get(run_id)
        shown = [m for m in world.messages() if run is not None and m.id == run.message_id]
        return bool(shown) and text in str(shown[0].embeds[0].to_dict())

    await world.until_async(says)
    run = await world.store.runs.get(run_id)
    assert run is not None
    return next(m for m in world.messages() if m.id == run.message_id)


async def test_a_style_is_trained_and_its_card_tells_everything(
    world: World, carol: Any, service: FakeService
) -> None:
    style = await made(world, carol)
    await carol.slash(world.channel, "style remove", style=style.key, document=7)
    script(world.settings, "promote")
    asked = await carol.slash(world.channel, "train start", style=style.key, preset="tiny")
    assert "29 documents" in said(asked) and "words" in said(asked) and "<t:" in said(asked)
    run = await train(world, carol, style, "promote")
    run = await ended(world, run, RunState.PROMOTED)
    message = await card(world, run.id, "It is 3 % better.")
    shown = str(message.embeds[0].to_dict())
    for text in ("Ms Smith", "29 documents · 1 absent", str(run.version), "said the teacher"):
        assert text in shown
    assert [a.filename for a in message.attachments] == ["loss.png"]
    assert service.reloaded == [style.live]
    assert aliases(world) == {"live": "e-1", style.live: run.version}
    assert run.record is not None
    assert [entry["id"] for entry in run.record["absent"]] == [7]
    assert run.record["continues"] == "e-1"
    log = await carol.slash(world.channel, "train log", run=run.id)
    names = [attachment.filename for attachment in log.response.attachments]
    assert names == [f"run-{run.id}.txt", f"run-{run.id}.json"]
    listed = await carol.slash(world.channel, "train list")
    assert "Ms Smith" in said(listed) and str(run.version) in said(listed)


async def test_a_refused_version_is_compared_promoted_and_rolled_back(
    world: World, carol: Any, service: FakeService
) -> None:
    style = await made(world, carol)
    first = await ended(world, await train(world, carol, style, "promote"), RunState.PROMOTED)
    run = await ended(world, await train(world, carol, style, "candidate"), RunState.REFUSED)
    assert aliases(world)[style.live] == first.version
    message = await card(world, run.id, "It is 2 % worse.")
    compared = await carol.click(message, custom_id=f"gwt:compare:essay:{run.id}")
    assert compared.ephemeral
    assert "1.51" in said(compared) and "1.48" in said(compared)
    promote = f"gwv:promote:essay:{style.id}:{run.version}"
    foreign = await carol.click(compared.response, custom_id=promote)
    assert f"{run.version} is live now." in said(foreign)
    assert aliases(world)[style.live] == run.version
    await world.done(await world.ask(world.alice, "essay", topic="the sea", style=style.key))
    assert service.essays[-1].version == style.live

    listed = said(await carol.slash(world.channel, "model list", style=style.key))
    assert f"**{run.version}** (live" in listed and f"**{first.version}** (previous" in listed
    assert "e-1**" not in listed
    shown = await carol.slash(world.channel, "model card", style=style.key)
    assert str(run.version) in said(shown) and "corpus: cccccccccccccccc" in said(shown)
    assert shown.response.attachments[0].filename == f"{run.version}.md"

    begun = time.monotonic()
    back = await carol.slash(world.channel, "model rollback", style=style.key)
    assert time.monotonic() - begun < 5
    assert f"{first.version} is live again" in said(back)
    assert aliases(world)[style.live] == first.version
    assert service.reloaded == [style.live] * 3


async def test_a_damaged_version_is_refused_by_name_and_nothing_moves(
    world: World, carol: Any, service: FakeService
) -> None:
    style = await made(world, carol)
    first = await ended(world, await train(world, carol, style, "promote"), RunState.PROMOTED)
    nothing = await carol.slash(world.channel, "model rollback", style=style.key)
    assert "no earlier version" in said(nothing)
    second = await ended(world, await train(world, carol, style, "promote"), RunState.PROMOTED)
    folder = world.settings.registry_dir / "essay" / str(first.version)
    (folder / "config.json").write_text("tampered")
    before = aliases(world)
    refused = await carol.slash(world.channel, "model rollback", style=style.key)
    assert f"The version {first.version} is damaged, so it is not used." in said(refused)
    shown = await carol.slash(
        world.channel, "model card", style=style.key, version=str(first.version)
    )
    assert f"The version {first.version} is damaged" in said(shown)
    assert aliases(world) == before and before[style.live] == second.version


async def test_a_version_the_service_refuses_is_taken_back(
    world: World, carol: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    style = await made(world, carol)
    run = await ended(world, await train(world, carol, style, "candidate"), RunState.REFUSED)

    async def refuse(*_: object) -> None:
        raise GenerationRefused("essay e-3 cannot be loaded.")

    monkeypatch.setattr(world.client, "reload", refuse)
    asked = await carol.slash(world.channel, "model promote", style=style.key)
    assert "1.51" in said(asked)
    promote = f"gwv:promote:essay:{style.id}:{run.version}"
    refused = await carol.click(asked.response, custom_id=promote)
    assert f"{run.version} cannot be used" in said(refused)
    assert style.live not in aliases(world)
    failed = await ended(world, await train(world, carol, style, "promote"), RunState.FAILED)
    assert "cannot be used" in str(failed.sentence)
    assert style.live not in aliases(world), "a first version that fails must leave nobody behind"


async def stopped(world: World, carol: Any, style: Style) -> Any:
    """Start a run, stop it by its button, and give its card."""
    run = await train(world, carol, style, "wait")
    message = await card(world, run.id, "▰")
    pressed = await carol.click(message, custom_id=f"gwt:stop:essay:{run.id}")
    assert "Stopping it" in said(pressed)
    run = await ended(world, run, RunState.STOPPED)
    return run, await card(world, run.id, "Stopped at step 3.")


async def test_a_stopped_run_goes_on_where_it_was(world: World, carol: Any) -> None:
    style = await made(world, carol)
    run, message = await stopped(world, carol, style)
    for command in ("train resume", "train log"):
        offered = await carol.autocomplete(world.channel, command, "run", "")
        assert offered == [{"name": f"#{run.id} essays", "value": run.id}]
        assert await carol.autocomplete(world.channel, command, "run", "77") == []
    script(world.settings, "promote")
    again = await carol.click(message, custom_id=f"gwt:resume:essay:{run.id}")
    assert not again.ephemeral, said(again)
    second = (await world.store.runs.history("essay", limit=1))[0]
    second = await ended(world, second, RunState.PROMOTED)
    assert (second.resumes, second.run_dir) == (run.id, run.run_dir)
    twice = await carol.slash(world.channel, "train resume", run=run.id)
    assert twice.ephemeral and "no checkpoint" in said(twice)
    assert await carol.autocomplete(world.channel, "train resume", "run", "") == []
    other = world.env.create_guild("Elsewhere")
    dora = manager(world, "dora", other)
    place = other.create_text_channel("general")
    assert await dora.autocomplete(place, "train log", "run", "") == []


async def test_a_crashed_run_says_its_last_words_and_goes_on(world: World, carol: Any) -> None:
    style = await made(world, carol)
    run = await ended(world, await train(world, carol, style, "crash"), RunState.FAILED)
    message = await card(world, run.id, "deep inside")
    assert "broke off" in str(message.embeds[0].description)
    script(world.settings, "promote")
    again = await carol.slash(world.channel, "train resume")
    assert not again.ephemeral, said(again)
    second = (await world.store.runs.history("essay", limit=1))[0]
    await ended(world, second, RunState.PROMOTED)


async def test_a_run_does_not_go_on_with_other_documents(world: World, carol: Any) -> None:
    style = await made(world, carol)
    run, message = await stopped(world, carol, style)
    laid_out = Path(str(run.run_dir)) / "corpus"
    assert len((laid_out / "documents.jsonl").read_text().splitlines()) == 30
    await carol.slash(world.channel, "style remove", style=style.key, document=1)
    assert not laid_out.exists()
    again = await carol.click(message, custom_id=f"gwt:resume:essay:{run.id}")
    assert again.ephemeral and "documents have changed" in said(again)


@pytest.mark.parametrize(
    ("what", "sentence"),
    [
        ("nan", "numbers blew up"),
        ("say", "No essay has a mark."),
    ],
)
async def test_each_bad_end_of_a_style_is_one_sentence(
    world: World, carol: Any, service: FakeService, what: str, sentence: str
) -> None:
    style = await made(world, carol)
    before = aliases(world)
    run = await ended(world, await train(world, carol, style, what), RunState.FAILED)
    message = await card(world, run.id, sentence)
    assert str(message.embeds[0].description).count(".") == 1
    assert aliases(world) == before and service.reloaded == []


async def test_too_little_is_said_before_anything_starts(world: World, carol: Any) -> None:
    empty = await made(world, carol, name="Empty", essays=0)
    refused = await carol.slash(world.channel, "train start", style=empty.key)
    assert refused.ephemeral and "0 documents count, 20 is the least" in said(refused)
    small = await made(world, carol, name="Small", essays=12)
    refused = await carol.slash(world.channel, "train start", style=small.key)
    assert "12 documents count, 20 is the least" in said(refused)
    both = await carol.slash(world.channel, "train start", style=small.key, model="essay")
    assert "either a style or a model" in said(both)
    long = await carol.slash(world.channel, "train start", style=small.key, minutes=999)
    assert "120 minutes at the most" in said(long)
    assert await world.store.runs.history() == []


async def test_a_style_in_training_cannot_be_deleted(world: World, carol: Any) -> None:
    style = await made(world, carol)
    run = await train(world, carol, style, "wait")
    await card(world, run.id, "▰")
    asked = await carol.slash(world.channel, "style delete", style=style.key)
    refused = await carol.click(asked.response, custom_id=f"gws:sure:{style.id}")
    assert "is being trained" in said(refused)
    await carol.slash(world.channel, "train stop")
    await ended(world, run, RunState.STOPPED)


async def test_deleting_a_style_lets_go_of_its_versions(world: World, carol: Any) -> None:
    style = await made(world, carol)
    await ended(world, await train(world, carol, style, "promote"), RunState.PROMOTED)
    asked = await carol.slash(world.channel, "style delete", style=style.key)
    await carol.click(asked.response, custom_id=f"gws:sure:{style.id}")
    assert aliases(world) == {"live": "e-1"}
    history = (world.settings.registry_dir / "essay" / "history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["to"] is None


async def test_the_shared_model_is_moved_by_who_runs_the_bot(
    world: World, carol: Any, service: FakeService
) -> None:
    listed = await carol.slash(world.channel, "model list", model="essay")
    assert "e-1" in said(listed) and "(live)" in said(listed)
    for command in ("model rollback", "model promote"):
        refused = await carol.slash(world.channel, command, model="essay")
        assert refused.ephemeral and "Only the owner of this bot" in said(refused)
    crown(world, carol)
    nothing = await carol.slash(world.channel, "model promote", model="essay")
    assert "no candidate" in said(nothing)
    unknown = await carol.slash(world.channel, "model promote", model="essay", version="../x")
    assert "no version called" in said(unknown)
    assert service.reloaded == []


async def test_what_would_be_refused_is_not_offered_and_not_logged_as_an_error(
    world: World, carol: Any, caplog: pytest.LogCaptureFixture
) -> None:
    assert await carol.autocomplete(world.channel, "model card", "version", "") == []
    assert await carol.autocomplete(world.channel, "style remove", "document", "", style="?") == []
    typed = {"model": "essay"}
    offered = await carol.autocomplete(world.channel, "model card", "version", "e-1", **typed)
    assert [choice["value"] for choice in offered] == ["e-1"]
    assert not caplog.records
