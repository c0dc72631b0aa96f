"""What the worker does when the service, the disk, the database or the front end fails."""

from __future__ import annotations

import errno
from pathlib import Path

import pytest

from bot.frontend import Undeliverable
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import Request, State, Store
from models.client import GenerationBusy, GenerationRefused, GenerationUnavailable
from tests.bot.doubles import Listener, Script, ScriptedClient
from tests.bot.shift import ended, working
from tests.bot.store.rows import essay


async def test_a_full_service_is_waited_for_without_counting(
    sqlite_store: Store, quick: Settings
) -> None:
    busy = [Script(error=GenerationBusy(retry_after=0.02), at_once=True) for _ in range(4)]
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(*busy), Listener(), quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.attempts) == (State.DONE, 1)


async def test_a_service_that_is_away_costs_no_attempt(
    sqlite_store: Store, quick: Settings
) -> None:
    away = [Script(error=GenerationUnavailable("Away."), at_once=True) for _ in range(5)]
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(*away), Listener(), quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.attempts) == (State.DONE, 1)


async def test_a_service_that_stays_away_is_given_up(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.worker.PATIENCE", 0.1)
    away = [Script(error=GenerationUnavailable("Away."), at_once=True) for _ in range(500)]
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(*away), Listener(), quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.error) == (State.FAILED, Sentence("unavailable"))


@pytest.mark.parametrize(
    "answer", [GenerationRefused("No such style."), GenerationBusy(retry_after=0.02)]
)
async def test_an_outage_ends_with_any_answer(
    answer: Exception, sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.worker.PATIENCE", 1.0)
    monkeypatch.setattr("bot.worker.RETRY_SECONDS", 0.6)
    away = Script(error=GenerationUnavailable("Away."), at_once=True)
    answered = Script(error=answer, at_once=True)
    client = ScriptedClient(away, away, answered, away)
    first = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, client, Listener(), quick):
        one = await ended(sqlite_store, first)
        other = await ended(sqlite_store, await sqlite_store.requests.create(essay(2)))
    assert Sentence("unavailable") not in (one.error, other.error)


async def test_a_service_that_breaks_is_tried_once_more(
    sqlite_store: Store, quick: Settings
) -> None:
    made = await sqlite_store.requests.create(essay(1))
    client = ScriptedClient(Script(error=GenerationUnavailable("Gone.")))
    async with working(sqlite_store, client, Listener(), quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.attempts) == (State.DONE, 2)
    assert [asked.seed for asked in client.asked] == [made.seed] * 2


async def test_a_service_that_breaks_twice_fails_the_request(
    sqlite_store: Store, quick: Settings
) -> None:
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    broken = [Script(error=GenerationUnavailable("Gone.")) for _ in range(3)]
    client = ScriptedClient(*broken)
    async with working(sqlite_store, client, front, quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.error) == (State.FAILED, Sentence("unavailable"))
    assert front.sentences[made.id] == Sentence("unavailable") and len(client.asked) == 2


async def test_a_refusal_is_said_and_not_tried_again(sqlite_store: Store, quick: Settings) -> None:
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    client = ScriptedClient(Script(error=GenerationRefused("No such style."), at_once=True))
    async with working(sqlite_store, client, front, quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.error) == (State.FAILED, "No such style.")
    assert front.sentences[made.id] == "No such style." and len(client.asked) == 1


async def test_the_unexpected_has_a_reference(sqlite_store: Store, quick: Settings) -> None:
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    client = ScriptedClient(Script(error=ZeroDivisionError("oh")))
    async with working(sqlite_store, client, front, quick):
        row = await ended(sqlite_store, made)
    assert row.state is State.FAILED and row.error == front.sentences[made.id]
    assert "reference is" in row.error and "oh" not in row.error


async def test_a_full_disk_is_one_sentence(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, data: bytes) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr("bot.files.write_whole", full)
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    async with working(sqlite_store, ScriptedClient(), front, quick):
        row = await ended(sqlite_store, made)
    assert row.state is State.FAILED and row.error == front.sentences[made.id]
    assert "reference is" in row.error and "space" not in row.error
    assert await sqlite_store.artifacts.of(made.id) == ()


async def test_a_database_away_for_a_moment_does_not_end_the_worker(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, failures = sqlite_store.requests.claim, [OSError("away"), OSError("away")]

    async def claim(origins: frozenset[str], worker: str) -> Request | None:
        if failures:
            raise failures.pop()
        return await real(origins, worker)

    monkeypatch.setattr(sqlite_store.requests, "claim", claim)
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(), Listener(), quick) as worker:
        assert (await ended(sqlite_store, made)).state is State.DONE
        assert not worker.stuck


async def test_a_front_end_in_trouble_does_not_disturb_the_request(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise OSError("no connection")

    front = Listener()
    for name in ("started", "progress", "text", "queued"):
        monkeypatch.setattr(front, name, broken)
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(), front, quick):
        assert (await ended(sqlite_store, made)).state is State.DONE


async def test_a_delivery_that_fails_is_tried_again_without_writing_again(
    sqlite_store: Store, quick: Settings
) -> None:
    made, front, client = await sqlite_store.requests.create(essay(1)), Listener(), ScriptedClient()
    troubles: list[Exception | None] = [OSError("connection lost"), None]
    front.trouble = lambda request: troubles.pop(0)
    async with working(sqlite_store, client, front, quick):
        row = await ended(sqlite_store, made)
    assert row.state is State.DONE and len(client.asked) == 1
    assert [what for what, _ in front.told].count("deliver") == 2


async def test_nowhere_to_answer_expires_with_the_result_kept(
    sqlite_store: Store, quick: Settings
) -> None:
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    front.trouble = lambda request: Undeliverable("Nowhere.")
    async with working(sqlite_store, ScriptedClient(), front, quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.error) == (State.EXPIRED, "Nowhere.")
    assert row.outcome is not None and await sqlite_store.artifacts.of(made.id)
