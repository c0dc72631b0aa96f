"""The keeper of training runs, with real child processes and a real store."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import psutil
import pytest

from bot import priority
from bot.intake import read
from bot.run_ground import RunRefused, training_command
from bot.runs import RunKeeper
from bot.settings import Settings
from bot.store import NewStyle, Run, RunState, Store, utc_now
from bot.training_process import Ending, TrainingProcess, judge
from models.client import GenerationRefused, GenerationUnavailable
from models.contract import Family, Reloaded
from models.registry import Registry
from tests.bot.classroom import essays_zip

TRAINEE = Path(__file__).with_name("trainee.py")


class Service:
    """Stands where the client stands: counts reloads, and fails as told."""

    def __init__(self) -> None:
        self.reloads: list[Family] = []
        self.refs: list[str] = []
        self.errors: list[Exception] = []

    async def reload(self, family: Family, ref: str = "live") -> Reloaded:
        self.reloads.append(family)
        self.refs.append(ref)
        if self.errors:
            raise self.errors.pop(0)
        return Reloaded(family=family, before="e-1", now="e-2", seconds=0.1)


class Board:
    """An announcer that remembers; ``rude`` makes it fail every time."""

    def __init__(self) -> None:
        self.progressed: list[Run] = []
        self.ended: list[tuple[Run, tuple[str, ...]]] = []
        self.rude = False

    async def progress(self, run: Run, curve: Path | None) -> None:
        self.progressed.append(run)
        if self.rude:
            raise ConnectionError

    async def finished(self, run: Run, curve: Path | None, last_lines: tuple[str, ...]) -> None:
        self.ended.append((run, last_lines))
        if self.rude:
            raise ConnectionError


class Office:
    """A keeper at work, which a test can end and start again like a bot."""

    def __init__(self, store: Store, settings: Settings) -> None:
        self.store = store
        self.settings = settings
        self.service = Service()
        self.board = Board()
        self.open()

    def open(self) -> None:
        self.keeper = RunKeeper(
            self.store,
            self.service,  # type: ignore[arg-type]
            self.settings,
            self.board,
            look_seconds=0.05,
            card_seconds=0.05,
            stop_grace=0.3,
            command=trainee_command,
        )
        self.task = asyncio.create_task(self.keeper.run())

    async def close(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    def teach(self, script: str) -> None:
        corpus = self.settings.corpus_dir("essay")
        corpus.mkdir(parents=True, exist_ok=True)
        (corpus / "script").write_text(script)

    async def begin(self, script: str) -> Run:
        self.teach(script)
        return await self.keeper.start(Family.ESSAY, 5, by=1, guild_id=2, channel_id=3)

    async def until(self, run: Run, check: Callable[[Run], object], seconds: float = 60) -> Run:
        async with asyncio.timeout(seconds):
            while True:
                now = await self.store.runs.get(run.id)
                assert now is not None
                if check(now):
                    return now
                await asyncio.sleep(0.02)

    async def end_of(self, run: Run) -> Run:
        return await self.until(run, lambda now: now.finished_at and len(self.board.ended) > 0)

    async def process_of(self, run: Run) -> psutil.Process:
        now = await self.until(run, lambda now: now.pid and now.progress.get("held_out"))
        return psutil.Process(now.pid)


def trainee_command(run: Run, folder: Path, settings: Settings) -> list[str]:
    corpus = settings.corpus_dir(run.family)
    return [sys.executable, str(TRAINEE), str(corpus), str(folder), str(settings.registry_dir)]


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


def test_a_process_id_used_again_is_not_adopted(tmp_path: Path) -> None:
    started = psutil.Process().create_time()
    (tmp_path / "process.json").write_text(f'{{"pid": {os.getpid()}, "started": {started}}}')
    assert TrainingProcess.adopt(tmp_path).alive()
    (tmp_path / "process.json").write_text(f'{{"pid": {os.getpid()}, "started": {started - 60}}}')
    assert not TrainingProcess.adopt(tmp_path).alive()


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


def test_the_command_continues_from_the_live_version(settings: Settings, tmp_path: Path) -> None:
    run = Run(
        id=7,
        family="music",
        minutes=9,
        requested_by=1,
        state=RunState.RUNNING,
        created_at=None,  # type: ignore[arg-type]
    )
    words = " ".join(training_command(run, tmp_path, settings))
    for part in ("-m training music", "--continue-from live", "--max-minutes 9", "--promote"):
        assert part in words


def test_an_end_nobody_saw_is_told_from_what_was_written() -> None:
    assert judge(Ending(None, None, ()), stopped=False)[0] is RunState.FAILED
    assert judge(Ending(None, -15, ()), stopped=True)[0] is RunState.STOPPED
    assert judge(Ending({"state": "odd"}, 0, ()), stopped=False)[0] is RunState.FAILED
    nan = judge(Ending(None, 1, ("Loss is nan at step 7",)), stopped=False)
    assert "blew up" in nan[1]


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


async def test_what_a_child_has_started_makes_way_too(tmp_path: Path) -> None:
    child = await TrainingProcess.spawn(tmp_path, ["/bin/sh", "-c", "sleep 60; true"])
    assert child.pid is not None
    while not (below := psutil.Process(child.pid).children()):
        await asyncio.sleep(0.01)
    wanted = min(priority.NICEST, os.nice(0) + priority.TRAINING)
    assert [process.nice() for process in below] == [wanted]
    child.send(signal.SIGKILL)
    await child.wait(5)
    assert not child.alive()


def test_recordings_are_heard_before_a_style_is_trained(settings: Settings, tmp_path: Path) -> None:
    run = Run(
        id=7,
        family="music",
        minutes=9,
        requested_by=1,
        style_id=3,
        state=RunState.RUNNING,
        created_at=utc_now(),
    )
    (tmp_path / "corpus").mkdir()
    assert training_command(run, tmp_path, settings)[:4] == [
        sys.executable,
        "-m",
        "training",
        "music",
    ]
    (tmp_path / "corpus" / "recordings").mkdir()
    shell, flag, script, python, *words = training_command(run, tmp_path, settings)
    told = subprocess.run(
        [
            shell,
            flag,
            script.replace('"$0"', '"$0" -c "import sys; print(sys.argv[2:])"'),
            python,
            *words,
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.splitlines()
    heard = str((tmp_path / "corpus" / "heard").resolve())
    assert told[0].startswith("['training', 'transcribe'") and heard in told[0]
    kept = str((settings.data_dir / "corpus" / "styles" / "3" / "heard").resolve())
    assert f"'--memory', '{kept}', '--watch', '{tmp_path}'" in told[0]
    assert told[1].startswith("['training', 'music', '--corpus'") and "'s3.live'" in told[1]
    stopped = [shell, flag, script.replace('"$0"', '"$0" -c "exit(3)"'), python, *words]
    assert subprocess.run(stopped, check=True).returncode == 0, "no training follows a stop"
