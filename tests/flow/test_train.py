"""/train from Discord, with real child processes in the place of training."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import discord
import pytest

from bot.settings import Settings
from bot.store import Run, RunState
from models.registry import Registry
from tests.bot.office import trainee_command
from tests.flow.fake_service import FakeService
from tests.flow.styles import crown, manager, publish_first, quicken
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


@pytest.fixture(autouse=True)
def quick_keeper(monkeypatch: pytest.MonkeyPatch) -> None:
    quicken(monkeypatch, trainee_command)


@pytest.fixture(autouse=True)
def first_version(settings: Settings, tmp_path: Path) -> None:
    publish_first(settings, tmp_path)


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Nobody is an admin yet."""
    return settings.model_copy(update={"admin_ids": frozenset()})


@pytest.fixture
def carol(world: World) -> Any:
    """A manager of the guild, to whom Discord shows the command."""
    return manager(world, "carol")


@pytest.fixture
def chief(world: World, carol: Any) -> Any:
    """The same manager, made an admin of the bot."""
    crown(world, carol)
    return carol


def teach(world: World, script: str) -> None:
    corpus = world.settings.corpus_dir("essay")
    corpus.mkdir(parents=True, exist_ok=True)
    (corpus / "script").write_text(script)


BASE = {"model": "essay", "minutes": 5, "preset": "tiny"}
GO = "gwt:go:essay:0:5:tiny"


async def press_start(asked: Any, member: Any) -> Any:
    """Press the button under the question whether a run may start."""
    assert asked.response is not None
    assert not asked.ephemeral, asked.response.content
    assert "Shall I start" in str(asked.response.message.embeds[0].description)
    return await member.click(asked.response.message, custom_id=GO)


async def begin(world: World, chief: Any, script: str) -> Run:
    teach(world, script)
    await press_start(await chief.slash(world.channel, "train start", **BASE), chief)
    return (await world.store.runs.history(limit=1))[0]


async def until(world: World, run: Run, state: RunState) -> Run:
    async def reached() -> bool:
        now = await world.store.runs.get(run.id)
        return now is not None and now.state is state

    await world.until_async(reached)
    found = await world.store.runs.get(run.id)
    assert found is not None
    return found


async def under_way(world: World, run: Run) -> Run:
    """Wait until the run's child lives: the row says that it runs before the child is there."""

    async def reached() -> bool:
        now = await world.store.runs.get(run.id)
        return now is not None and now.pid is not None

    await world.until_async(reached)
    return await until(world, run, RunState.RUNNING)


def card(world: World, run: Run) -> discord.Message:
    return next(m for m in world.messages() if m.id == run.message_id)


async def shows(world: World, run: Run, text: str) -> discord.Message:
    def there() -> bool:
        embed = card(world, run).embeds[0]
        return text in str(embed.to_dict())

    await world.until(there)
    return card(world, run)


async def test_a_better_model_is_told_in_the_channel_and_served(
    world: World, chief: Any, service: FakeService
) -> None:
    run = await begin(world, chief, "promote")
    run = await until(world, run, RunState.PROMOTED)
    message = await shows(world, run, "It is 3 % better.")
    fields = {field.name: field.value for field in message.embeds[0].fields}
    assert fields["Step"] == "3 of 3"
    assert fields["New model"] == "e-2"
    assert str(chief.id) in str(fields["Asked for"])
    assert service.reloaded == ["essay"]
    assert Registry(world.settings.registry_dir, None).resolve("essay").name == "e-2"


async def test_the_card_moves_and_shows_the_curve_while_the_run_goes_on(
    world: World, chief: Any
) -> None:
    run = await begin(world, chief, "wait")
    run = await until(world, run, RunState.RUNNING)
    await shows(world, run, "▰")
    await world.until(lambda: len(card(world, run).attachments) == 1)
    assert card(world, run).attachments[0].filename == "loss.png"
    stopped = await chief.slash(world.channel, "train stop")
    assert stopped.ephemeral
    run = await until(world, run, RunState.STOPPED)
    await shows(world, run, "Stopped at step 3.")


@pytest.mark.parametrize(
    ("script", "sentence"),
    [
        ("refuse", "It is 2 % worse."),
        ("crash", "The training run broke off; the model in use stays."),
        ("memory", "The training run ran out of memory; the model in use stays."),
    ],
)
async def test_a_bad_run_is_one_sentence_and_changes_nothing(
    world: World, chief: Any, service: FakeService, script: str, sentence: str
) -> None:
    run = await begin(world, chief, script)
    run = await until(world, run, RunState.REFUSED if script == "refuse" else RunState.FAILED)
    message = await shows(world, run, sentence)
    last = {field.name: str(field.value) for field in message.embeds[0].fields}.get(
        "Its last words"
    )
    assert (script == "crash") == ("deep inside" in str(last))
    assert service.reloaded == []
    assert Registry(world.settings.registry_dir, None).resolve("essay").name == "e-1"


async def test_status_shows_what_runs_and_what_waits(world: World, chief: Any) -> None:
    empty = await chief.slash(world.channel, "train status")
    assert empty.ephemeral
    assert "none yet" in empty.response.content
    first = await begin(world, chief, "wait")
    await until(world, first, RunState.RUNNING)
    await begin(world, chief, "wait")
    third = await press_start(await chief.slash(world.channel, "train start", **BASE), chief)
    assert third.ephemeral
    assert "waiting already" in third.response.content
    told = await chief.slash(world.channel, "train status")
    texts = [embed.description or "" for embed in told.response.message.embeds]
    assert len(texts) == 2
    assert "Waiting for the run before it" in texts[1]
    await chief.slash(world.channel, "train stop", model="essay")
    await until(world, first, RunState.STOPPED)
    nothing = await chief.slash(world.channel, "train stop")
    assert nothing.ephemeral


async def test_a_servers_admins_do_not_train_what_all_share(world: World, carol: Any) -> None:
    teach(world, "promote")
    dora = manager(world, "dora")
    crown(world, dora)
    refused = await carol.slash(world.channel, "train start", **BASE)
    assert refused.ephemeral
    assert "Only the owner of this bot and its admins" in refused.response.content
    asked = await dora.slash(world.channel, "train start", **BASE)
    pressed = await carol.click(asked.response.message, custom_id=GO)
    assert "Only the owner of this bot and its admins" in pressed.response.content
    assert await world.store.runs.history() == []
    await press_start(asked, dora)
    assert len(await world.store.runs.history()) == 1
    for command in ("train status", "train stop", "train list", "train resume"):
        result = await carol.slash(world.channel, command)
        assert result.ephemeral and "training run" in result.response.content
    hidden = await carol.slash(world.channel, "train log", run=1)
    assert "no training run number 1" in hidden.response.content


@pytest.mark.parametrize("command", ["train start", "train status", "train stop", "train list"])
async def test_nobody_else_may(world: World, chief: Any, command: str) -> None:
    teach(world, "promote")
    asked = await chief.slash(world.channel, "train start", **BASE)
    pressed = await world.alice.click(asked.response.message, custom_id=GO)
    assert "manage this server" in pressed.response.content
    known = {one.name: one for one in await world.bot.tree.fetch_commands()}
    world.guild.set_command_permissions(known["train"].id, {world.alice: True})
    result = await world.alice.slash(
        world.channel, command, **(BASE if command == "train start" else {})
    )
    assert result.ephemeral and "manage this server" in result.response.content
    assert await world.store.runs.history() == []


async def test_an_empty_corpus_is_said_before_anything_starts(world: World, chief: Any) -> None:
    result = await chief.slash(world.channel, "train start", model="music", minutes=5)
    assert result.ephemeral
    assert "nothing to learn from" in result.response.content


async def test_the_card_is_found_again_after_a_restart(world: World, chief: Any) -> None:
    run = await under_way(world, await begin(world, chief, "wait"))
    await world.crash()
    assert run.run_dir is not None
    (Path(run.run_dir) / "stop").touch()
    run = await until(world, run, RunState.STOPPED)
    await shows(world, run, "Stopped at step 3.")


async def test_a_deleted_card_is_posted_anew_at_the_end(world: World, chief: Any) -> None:
    run = await begin(world, chief, "wait")
    run = await until(world, run, RunState.RUNNING)
    old = run.message_id
    world.env.inject_error("PATCH", "/channels/*/messages/*", status=404, code=10008, times=None)
    await chief.slash(world.channel, "train stop")
    run = await until(world, run, RunState.STOPPED)

    async def moved() -> bool:
        now = await world.store.runs.get(run.id)
        return now is not None and now.message_id != old

    await world.until_async(moved)
    now = await world.store.runs.get(run.id)
    assert now is not None
    await shows(world, now, "Stopped at step 3.")
