"""Training run to live model, everything real: child, gate, registry, server, and its readers."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from pathlib import Path

from bot.run_ground import training_command
from bot.runs import RunKeeper
from bot.settings import Settings
from bot.store import Run, RunState, Store, utc_now
from bot.training_process import TrainingProcess
from models.client import GenerationClient
from models.contract import EssayDone, EssayRequest, Family
from models.registry import Registry
from tests.service_fixtures import served
from tests.training.essays.made_up import write_corpus
from tests.training.essays.short import shortly


class Board:
    """An announcer that remembers the steps it was told."""

    def __init__(self) -> None:
        self.steps: list[object] = []
        self.ended: list[Run] = []

    async def progress(self, run: Run, curve: Path | None) -> None:
        self.steps.append(run.progress.get("step"))

    async def finished(self, run: Run, curve: Path | None, last_lines: tuple[str, ...]) -> None:
        assert not last_lines, last_lines
        assert curve is not None
        self.ended.append(run)


def tiny_command(run: Run, folder: Path, settings: Settings) -> list[str]:
    return [*shortly(training_command(run, folder, settings)), "--preset", "tiny"]


class Readers:
    """People who ask for essays without a pause, and count what they get."""

    def __init__(self, client: GenerationClient) -> None:
        self.client = client
        self.versions: list[str] = []

    async def read(self, seed: int) -> str:
        request = EssayRequest(request_id=str(seed), topic="Rainy days", words=60, seed=seed)
        async with aclosing(self.client.essay(request)) as events:
            async for event in events:
                if isinstance(event, EssayDone):
                    return event.model_version
        raise AssertionError("an essay has no end")

    async def read_on(self, first: int) -> None:
        for seed in range(first, first + 10_000):
            self.versions.append(await self.read(seed))
            await asyncio.sleep(0.05)


async def test_a_run_trains_passes_the_gate_and_is_served_without_a_failed_request(
    trainable_registry: Path, settings: Settings, sqlite_store: Store, tmp_path: Path
) -> None:
    assert trainable_registry == settings.registry_dir
    write_corpus(settings.corpus_dir("essay"))
    board = Board()
    (tmp_path / "service").mkdir()
    with served(settings.registry_dir, tmp_path / "service") as url:
        async with GenerationClient(url) as client:
            keeper = RunKeeper(
                sqlite_store,
                client,
                settings,
                board,
                look_seconds=0.2,
                card_seconds=0.2,
                command=tiny_command,
            )
            working = asyncio.create_task(keeper.run())
            readers = Readers(client)
            reading = [asyncio.create_task(readers.read_on(10_000 * n)) for n in range(2)]
            run = await keeper.start(Family.ESSAY, 1, by=1)
            async with asyncio.timeout(480):
                while not board.ended:
                    assert not any(task.done() for task in reading)
                    await asyncio.sleep(0.1)
            seen = len(readers.versions)
            version = await readers.read(99_999)
            for task in (*reading, working):
                task.cancel()
            failures = await asyncio.gather(*reading, return_exceptions=True)
    done = await sqlite_store.runs.get(run.id)
    assert done is not None
    assert done.state is RunState.PROMOTED, done.sentence
    assert all(isinstance(failure, asyncio.CancelledError) for failure in failures)
    assert seen > 0
    assert set(readers.versions) <= {"base", done.version}
    assert readers.versions[0] == "base"
    assert version == done.version == Registry(settings.registry_dir, None).resolve("essay").name
    assert Registry(settings.registry_dir, None).aliases("essay")["previous"] == "base"
    assert any(board.steps)
    assert "live" in str(done.sentence)


async def test_the_real_child_refuses_an_empty_collection_in_one_sentence(
    settings: Settings, tmp_path: Path
) -> None:
    settings.corpus_dir("music").mkdir(parents=True)
    run = Run(
        id=1,
        family="music",
        minutes=1,
        requested_by=1,
        state=RunState.RUNNING,
        created_at=utc_now(),
    )
    child = await TrainingProcess.spawn(tmp_path, tiny_command(run, tmp_path, settings))
    async with asyncio.timeout(480):
        while child.alive():
            await child.wait(1)
    ending = child.ending()
    assert ending.outcome is not None, ending.last_lines
    assert ending.outcome["state"] == "failed"
    assert str(ending.outcome["sentence"]).endswith(".")
