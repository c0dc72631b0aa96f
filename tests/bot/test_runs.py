"""The keeper of training runs, with real child processes and a real store."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import psutil
import pytest

from bot import priority
from bot.corpus import Corpus
from bot.intake import read
from bot.run_ground import RunRefused, training_command
from bot.settings import Settings
from bot.store import NewStyle, Run, RunState, Store
from bot.training_process import TrainingProcess
from models.client import GenerationRefused, GenerationUnavailable
from models.contract import Family
from models.registry import Registry
from tests.bot.classroom import essay_text, essays_zip
from tests.bot.office import Office

Erase = Callable[[Corpus], Awaitable[object]]


@pytest.fixture
async def office(
    sqlite_store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Office]:
    monkeypatch.setenv("DISCORD_TOKEN", "secret")
    made = tmp_path / "made"
    made.mkdir()
    (made / "config.json").write_text("{}")
    registry = Registry(settings.registry_dir, None)
    registry.publish("essay", "e-1", made, parent=None)
    registry.move_alias("essay", "live", "e-1")
    office = Office(sqlite_store, settings)
    yield office
    await office.close()


def live(office: Office) -> str:
    return Registry(office.settings.registry_dir, None).resolve("essay").name


async def test_a_better_model_goes_live_and_the_service_takes_it(office: Office) -> None:
    run = await office.end_of(await office.begin("promote"))
    assert (run.state, run.version, run.sentence) == (
        RunState.PROMOTED,
        "e-2",
        "It is 3 % better.",
    )
    assert office.service.reloads == [Family.ESSAY]
    assert (run.progress["step"], run.progress["loss"], run.progress["held_out"]) == (
        3,
        0.0,
        {"score": 1.25},
    )
    assert office.board.ended[0][0] == run
    assert live(office) == "e-2"


async def test_the_child_is_modest_and_knows_no_secrets(office: Office) -> None:
    run = await office.end_of(await office.begin("say"))
    log = office.board.ended[0][1]
    threads = max(1, (os.cpu_count() or 2) // 2)
    nice = min(priority.NICEST, os.nice(0) + priority.TRAINING)
    assert log == (f"threads {threads} nice {nice}", "token None")
    assert run.run_dir is not None
    assert Path(run.run_dir).is_relative_to(office.settings.runs_dir.resolve())


@pytest.mark.parametrize(
    ("script", "state", "part"),
    [
        ("refuse", RunState.REFUSED, "It is 2 % worse."),
        ("say", RunState.FAILED, "No essay has a mark."),
        ("memory", RunState.FAILED, "out of memory"),
        ("disk", RunState.FAILED, "room on the disk"),
        ("killed", RunState.FAILED, "memory ran out"),
        ("crash", RunState.FAILED, "broke off"),
    ],
)
async def test_each_bad_end_is_one_sentence_and_leaves_the_live_model_alone(
    office: Office, script: str, state: RunState, part: str
) -> None:
    run = await office.end_of(await office.begin(script))
    assert run.state is state
    assert run.sentence is not None
    assert part in run.sentence
    assert run.sentence.endswith(".")
    assert office.service.reloads == []
    assert live(office) == "e-1"
    if script == "crash":
        assert office.board.ended[0][1][-1] == "ZeroDivisionError: deep inside"


async def test_one_runs_one_waits_and_a_third_is_refused(office: Office) -> None:
    first = await office.begin("wait")
    await office.process_of(first)
    second = await office.begin("wait")
    with pytest.raises(RunRefused, match="waiting already"):
        await office.begin("wait")
    assert (await office.until(second, lambda run: True)).state is RunState.WAITING
    office.teach("refuse")
    await office.store.runs.request_stop(first.id)
    assert (await office.until(first, lambda run: run.finished_at)).state is RunState.STOPPED
    assert (await office.until(second, lambda run: run.finished_at)).state is RunState.REFUSED


async def test_a_message_starts_one_run(office: Office) -> None:
    office.teach("wait")
    both = await asyncio.gather(
        *(office.keeper.start(Family.ESSAY, 5, by=1, message_id=7) for _ in range(2)),
        return_exceptions=True,
    )
    assert [type(one) for one in both] == [Run, RunRefused]
    assert len(await office.store.runs.open()) == 1


async def test_stopping_is_graceful(office: Office) -> None:
    run = await office.begin("wait")
    await office.process_of(run)
    waiting = await office.begin("wait")
    assert {asked.id for asked in await office.keeper.stop(Family.ESSAY)} == {run.id, waiting.id}
    run = await office.until(run, lambda now: now.finished_at)
    assert (run.state, run.sentence) == (RunState.STOPPED, "Stopped at step 3.")
    assert (await office.until(waiting, lambda now: True)).state is RunState.STOPPED
    assert await office.keeper.stop(Family.ESSAY) == []


async def test_a_child_that_does_not_listen_is_killed(office: Office) -> None:
    run = await office.begin("deaf")
    process = await office.process_of(run)
    await office.keeper.stop(Family.ESSAY)
    run = await office.end_of(run)
    assert run.state is RunState.STOPPED
    assert not process.is_running()


async def test_a_new_bot_adopts_the_child_of_the_old_one(office: Office) -> None:
    run = await office.begin("wait")
    process = await office.process_of(run)
    await office.close()
    assert process.is_running()
    office.open()
    await asyncio.sleep(0.2)
    await office.keeper.stop(Family.ESSAY)
    run = await office.end_of(run)
    assert (run.state, run.sentence) == (RunState.STOPPED, "Stopped at step 3.")


async def test_a_new_bot_tells_how_a_run_ended_while_it_was_away(office: Office) -> None:
    runs = []
    for script in ("wait", "deaf"):
        office.board.ended.clear()
        run = await office.begin(script)
        process = await office.process_of(run)
        await office.close()
        if script == "wait":
            TrainingProcess.adopt(Path(str(run.run_dir or await folder(office, run)))).ask_to_stop()
            await asyncio.to_thread(psutil.wait_procs, [process], 5)
        else:
            os.killpg(process.pid, signal.SIGKILL)
            await asyncio.to_thread(psutil.wait_procs, [process], 5)
        office.open()
        runs.append(await office.end_of(run))
    assert [run.state for run in runs] == [RunState.STOPPED, RunState.FAILED]
    assert "while I was away" in str(runs[1].sentence)
    assert office.board.ended[-1][1][-1] == "deaf"


async def folder(office: Office, run: Run) -> str:
    now = await office.until(run, lambda now: now.run_dir)
    return str(now.run_dir)


async def test_a_run_that_ended_while_recordings_were_heard_goes_on(office: Office) -> None:
    run = await office.end_of(await office.begin("crash"))
    (Path(str(run.run_dir)) / "own" / "checkpoint.json").unlink()
    with pytest.raises(RunRefused, match="no checkpoint"):
        await office.keeper.resume(run, by=1)
    (Path(str(run.run_dir)) / "corpus" / "heard").mkdir(parents=True)
    again = await office.keeper.resume(run, by=1)
    again = await office.until(again, lambda now: now.finished_at)
    assert (again.resumes, again.run_dir) == (run.id, run.run_dir)
    assert "--resume" in training_command(again, Path(str(again.run_dir)), office.settings)


async def test_nothing_starts_on_an_empty_corpus_or_outside_the_limits(office: Office) -> None:
    with pytest.raises(RunRefused, match="nothing to learn from"):
        await office.keeper.start(Family.MUSIC, 5, by=1)
    office.teach("wait")
    with pytest.raises(RunRefused, match="1 to 1440 minutes"):
        await office.keeper.start(Family.ESSAY, 0, by=1)
    assert await office.store.runs.open() == []


async def test_a_new_model_the_service_cannot_use_is_taken_back(office: Office) -> None:
    office.service.errors = [GenerationRefused("essay e-2 is damaged: config.json is missing.")]
    run = await office.end_of(await office.begin("promote"))
    assert run.state is RunState.FAILED
    assert "e-2 cannot be used" in str(run.sentence)
    assert live(office) == "e-1"


async def test_a_service_that_is_away_does_not_take_the_new_model_back(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.versions.RELOAD_PAUSES", (0.01, 0.01))
    office.service.errors = [GenerationUnavailable("away")] * 3
    run = await office.end_of(await office.begin("promote"))
    assert run.state is RunState.PROMOTED
    assert len(office.service.reloads) == 3
    assert live(office) == "e-2"


async def test_a_card_that_cannot_be_shown_disturbs_nothing(office: Office) -> None:
    office.board.rude = True
    run = await office.end_of(await office.begin("promote"))
    assert run.state is RunState.PROMOTED


async def nothing(_: Corpus) -> None:
    """Take no document away."""


async def remove_one(corpus: Corpus) -> None:
    document = await corpus._store.documents.get(1)
    assert document is not None and await corpus.remove(document)


async def forget_who_gave_one(corpus: Corpus) -> None:
    await corpus.forget(7)


@pytest.mark.parametrize(
    ("take_away", "kept"), [(nothing, True), (remove_one, False), (forget_who_gave_one, False)]
)
async def test_what_is_taken_away_during_a_run_leaves_no_copy_when_it_ends(
    office: Office, sqlite_store: Store, take_away: Erase, kept: bool
) -> None:
    new = NewStyle(guild_id=2, family="essay", name="Ours", created_by=1)
    style = await sqlite_store.styles.create(new)
    assert style is not None
    corpus = office.keeper.corpus
    await corpus.add(style, [read("class.zip", essays_zip(8))], by=1)
    await corpus.add(style, [read("given.txt", essay_text(99).encode())], by=7, request_id=3)
    office.teach("wait")
    run = await office.keeper.start(Family.ESSAY, 5, by=1, style=style, preset="tiny")
    run = await office.until(run, lambda now: now.pid and now.record)
    copied = Path(str(run.run_dir)) / "corpus"
    await take_away(corpus)
    assert copied.exists(), "it is being read"
    await office.keeper.stop(Family.ESSAY, run.id)
    await office.until(run, lambda now: now.finished_at and not office.keeper._watches)
    assert copied.exists() is kept


async def test_a_style_is_trained_on_its_documents_from_its_own_version(
    office: Office, sqlite_store: Store
) -> None:
    new = NewStyle(guild_id=2, family="essay", name="Ours", created_by=1)
    style = await sqlite_store.styles.create(new)
    assert style is not None
    with pytest.raises(RunRefused, match="0 documents count, 8 is the least"):
        await office.keeper.start(Family.ESSAY, 5, by=1, style=style, preset="tiny")
    await office.keeper.corpus.add(style, [read("class.zip", essays_zip(9))], by=1)
    office.teach("wait")
    run = await office.keeper.start(Family.ESSAY, 5, by=1, style=style, preset="tiny")
    run = await office.until(run, lambda now: now.pid and now.record)
    command = " ".join(training_command(run, Path(str(run.run_dir)), office.settings))
    for part in (
        f"--corpus {run.run_dir}/corpus",
        "--continue-from e-1",
        f"--alias {style.live}",
        "--preset tiny",
    ):
        assert part in command
    assert "--resume" not in command
    assert not await office.keeper.drop_style(style)
    checkpoint = Path(str(run.run_dir)) / "own" / "checkpoint.json"
    await office.until(run, lambda _: checkpoint.is_file())
    await office.keeper.stop(Family.ESSAY, run.id)
    run = await office.until(run, lambda now: now.finished_at)
    Registry(office.settings.registry_dir, None).move_alias("essay", style.live, "e-1")
    again = await office.keeper.resume(run, by=1)
    again = await office.until(again, lambda now: now.pid and now.record)
    assert "--resume" in training_command(again, Path(str(again.run_dir)), office.settings)
    with pytest.raises(RunRefused, match="no checkpoint"):
        await office.keeper.resume(run, by=1)
    await office.keeper.stop(Family.ESSAY, again.id)
    await office.until(again, lambda now: now.finished_at)
    assert await office.keeper.drop_style(style)
    assert Registry(office.settings.registry_dir, None).aliases("essay") == {"live": "e-1"}
    with pytest.raises(RunRefused, match="has been deleted"):
        await office.keeper.resume(again, by=1)
