from __future__ import annotations

import asyncio
import errno
import hashlib
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bot import files
from bot.frontend import Undeliverable
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import Artifact, Request, State, Store
from bot.worker import Worker
from models.client import GenerationBusy, GenerationRefused, GenerationUnavailable
from tests.bot.doubles import Listener, Script, ScriptedClient
from tests.bot.store.rows import album, beat, essay


@pytest.fixture
def quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings under which nothing takes long."""
    monkeypatch.setattr("bot.worker.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("bot.worker.POLL_SECONDS", 0.02)
    monkeypatch.setattr("bot.announcer.PAUSE_SECONDS", 0.01)
    return settings.model_copy(
        update={"workers": 2, "heartbeat_seconds": 0.05, "stale_seconds": 2.0}
    )


@asynccontextmanager
async def working(
    store: Store, client: ScriptedClient, front: Listener, settings: Settings
) -> AsyncIterator[Worker]:
    worker = Worker(store, client, {"discord": front}, settings)
    running = asyncio.create_task(worker.run())
    try:
        yield worker
    finally:
        await worker.stop(3.0)
        await running


async def ended(store: Store, request: Request, seconds: float = 30.0) -> Request:
    async with asyncio.timeout(seconds):
        while True:
            row = await store.requests.get(request.id)
            assert row is not None
            if row.is_final:
                return row
            await asyncio.sleep(0.01)


async def until(true: Callable[[], bool], seconds: float = 30.0) -> None:
    async with asyncio.timeout(seconds):
        while not true():
            await asyncio.sleep(0.005)


async def test_an_essay_is_written_kept_and_delivered(store: Store, quick: Settings) -> None:
    front, client = Listener(), ScriptedClient()
    made = await store.requests.create(essay(1))
    async with working(store, client, front, quick):
        row = await ended(store, made)
    assert (row.state, row.message_id, row.model_version) == (
        State.DONE,
        9000 + made.id,
        "essay-1",
    )
    assert front.texts[made.id] == "One two three. "
    result = front.results[made.id]
    assert result.essay is not None and result.essay.seed == made.seed
    artifacts = await store.artifacts.of(made.id)
    assert artifacts == result.artifacts
    assert {artifact.kind for artifact in artifacts} == {"md", "docx"}
    for artifact in artifacts:
        data = artifact.path.read_bytes()
        assert hashlib.sha256(data).hexdigest() == artifact.sha256 and len(data) == artifact.size
        assert artifact.path.parent == quick.artifacts_dir / str(made.id)
        assert not list(artifact.path.parent.glob(".*"))


async def test_a_beat_is_delivered_with_its_files(store: Store, quick: Settings) -> None:
    front = Listener()
    made = await store.requests.create(replace(beat(1), upload_limit=12345))
    client = ScriptedClient()
    async with working(store, client, front, quick):
        row = await ended(store, made)
    assert row.state is State.DONE
    result = front.results[made.id]
    assert result.take is not None and (result.take.audio, result.take.midi) == (None, "")
    files = {a.kind: a.path.read_bytes() for a in result.artifacts}
    assert files == {"mp3": b"sound", "mid": b"notes", "png": b"pixels"}
    assert client.asked[0].model_dump()["max_bytes"] == 12345


async def test_as_many_at_once_as_workers(sqlite_store: Store, quick: Settings) -> None:
    holds = [Script(hold=True) for _ in range(5)]
    client = ScriptedClient(*holds)
    made = [await sqlite_store.requests.create(essay(user)) for user in range(1, 6)]
    async with working(sqlite_store, client, Listener(), quick) as worker:
        await until(lambda: client.open == 2)
        await asyncio.sleep(0.1)
        assert client.open == worker.busy == 2
        for hold in holds:
            hold.gate.set()
        for request in made:
            assert (await ended(sqlite_store, request)).state is State.DONE
    assert client.most_open == 2 and client.open == 0


async def test_the_waiting_are_told_their_place(sqlite_store: Store, quick: Settings) -> None:
    holds = [Script(hold=True) for _ in range(3)]
    client, front = ScriptedClient(*holds), Listener()
    made = [await sqlite_store.requests.create(essay(user)) for user in (1, 2, 3, 4)]
    async with working(sqlite_store, client, front, quick) as worker:
        worker.kick()
        await until(lambda: front.places.get(made[3].id, [])[-1:] == [1])
        await until(lambda: front.places.get(made[2].id, [])[-1:] == [0])
        holds[0].gate.set()
        await until(lambda: front.places[made[3].id][-1] == 0)
        for hold in holds:
            hold.gate.set()
        for request in made:
            await ended(sqlite_store, request)
    places = front.places[made[3].id]
    assert places == sorted(set(places), reverse=True)
    order = [request_id for what, request_id in front.told if what == "started"]
    assert order == [request.id for request in made]


async def test_albums_that_have_to_wait_hold_nobody_else_up(
    sqlite_store: Store, quick: Settings
) -> None:
    client = ScriptedClient(Script(error=GenerationBusy("full", 60.0), at_once=True))
    record = await sqlite_store.requests.create(album(1))
    async with working(sqlite_store, client, Listener(), quick):
        await until(lambda: bool(client.asked))
        other = await sqlite_store.requests.create(beat(2))
        assert (await ended(sqlite_store, other)).state is State.DONE
    waiting = await sqlite_store.requests.get(record.id)
    assert waiting is not None and waiting.state is State.QUEUED and waiting.attempts == 0


async def test_a_full_service_is_waited_for_without_counting(
    sqlite_store: Store, quick: Settings
) -> None:
    busy = [Script(error=GenerationBusy(retry_after=0.02), at_once=True) for _ in range(4)]
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(*busy), Listener(), quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.attempts) == (State.DONE, 1)


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


@pytest.mark.parametrize(
    "text", ["One two three.", "One two ＴＨＲÉE.", "One two thre\u0301\u200be!"]
)
async def test_a_blocked_text_is_neither_shown_nor_kept(
    sqlite_store: Store, quick: Settings, text: str
) -> None:
    await sqlite_store.guilds.change(7, blocked_words=["three"])
    made, front = await sqlite_store.requests.create(replace(essay(1), guild_id=7)), Listener()
    async with working(sqlite_store, ScriptedClient(Script(text=text)), front, quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.outcome) == (State.REFUSED, None)
    assert front.sentences[made.id] == Sentence("filtered_output")
    assert made.id not in front.results and await sqlite_store.artifacts.of(made.id) == ()


async def test_a_blocked_word_is_not_shown_while_it_is_written_either(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.maker.LOOK_SECONDS", 0.0)
    await sqlite_store.guilds.change(7, blocked_words=["three"])
    made, front = await sqlite_store.requests.create(replace(essay(1), guild_id=7)), Listener()
    client = ScriptedClient(Script(text="One two three four."))
    async with working(sqlite_store, client, front, quick):
        assert (await ended(sqlite_store, made)).state is State.REFUSED
    assert front.texts[made.id] == "One two "


async def test_a_word_that_only_began_like_a_blocked_one_passes(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.maker.LOOK_SECONDS", 0.0)
    await sqlite_store.guilds.change(7, blocked_patterns=["two $"])
    made, front = await sqlite_store.requests.create(replace(essay(1), guild_id=7)), Listener()
    async with working(sqlite_store, ScriptedClient(), front, quick):
        assert (await ended(sqlite_store, made)).state is State.DONE
    assert front.texts[made.id] == "One two three. "


async def test_files_found_after_a_crash_are_checked_where_nobody_waits(
    sqlite_store: Store, quick: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[threading.Thread] = []
    whole = files._is_whole

    def watched(artifact: Artifact) -> bool:
        seen.append(threading.current_thread())
        return whole(artifact)

    monkeypatch.setattr(files, "_is_whole", watched)
    front = Listener()
    front.trouble = lambda request: RuntimeError("away") if request.attempts == 1 else None
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, ScriptedClient(), front, quick):
        assert (await ended(sqlite_store, made)).state is State.DONE
    assert seen and threading.main_thread() not in seen


async def test_cancelling_closes_the_stream(store: Store, quick: Settings) -> None:
    client, front = ScriptedClient(Script(hold=True)), Listener()
    made = await store.requests.create(essay(1))
    async with working(store, client, front, quick) as worker:
        await until(lambda: client.open == 1)
        assert await worker.cancel(made.id) is not None
        row = await ended(store, made)
        assert client.open == 0
    assert row.state is State.CANCELLED and ("cancelled", made.id) in front.told


async def test_cancelling_from_another_process_is_noticed(
    sqlite_store: Store, quick: Settings
) -> None:
    client = ScriptedClient(Script(hold=True))
    made = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, client, Listener(), quick):
        await until(lambda: client.open == 1)
        await sqlite_store.requests.request_cancel(made.id)
        assert (await ended(sqlite_store, made)).state is State.CANCELLED
        assert client.open == 0


async def test_cancelling_a_waiting_one(sqlite_store: Store, quick: Settings) -> None:
    client, front = ScriptedClient(Script(hold=True)), Listener()
    first = await sqlite_store.requests.create(essay(1))
    second = await sqlite_store.requests.create(essay(1))
    async with working(sqlite_store, client, front, quick) as worker:
        await until(lambda: client.open == 1)
        await worker.cancel(second.id)
        assert ("cancelled", second.id) in front.told
        assert await worker.cancel(second.id) is None
        await worker.cancel(first.id)
        await ended(sqlite_store, first)
    assert len(client.asked) == 1


async def test_nowhere_to_answer_expires_with_the_result_kept(
    sqlite_store: Store, quick: Settings
) -> None:
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    front.trouble = lambda request: Undeliverable("Nowhere.")
    async with working(sqlite_store, ScriptedClient(), front, quick):
        row = await ended(sqlite_store, made)
    assert (row.state, row.error) == (State.EXPIRED, "Nowhere.")
    assert row.outcome is not None and await sqlite_store.artifacts.of(made.id)


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


async def test_stopping_finishes_what_it_can_and_hands_back_the_rest(
    sqlite_store: Store, quick: Settings
) -> None:
    slow, stuck = Script(hold=True), Script(hold=True)
    client = ScriptedClient(slow, stuck)
    made = [await sqlite_store.requests.create(essay(user)) for user in (1, 2, 3)]
    worker = Worker(sqlite_store, client, {"discord": Listener()}, quick)
    running = asyncio.create_task(worker.run())
    await until(lambda: client.open == 2)
    asyncio.get_running_loop().call_later(0.05, slow.gate.set)
    await worker.stop(4.0)
    await running
    rows = [await sqlite_store.requests.get(request.id) for request in made]
    assert [row and row.state for row in rows] == [State.DONE, State.QUEUED, State.QUEUED]
    assert rows[1] is not None and rows[1].attempts == 0
    assert client.open == 0


async def test_stopping_waits_for_a_delivery(sqlite_store: Store, quick: Settings) -> None:
    front = Listener()
    front.delivering = asyncio.Event()
    made = await sqlite_store.requests.create(essay(1))
    worker = Worker(sqlite_store, ScriptedClient(), {"discord": front}, quick)
    running = asyncio.create_task(worker.run())
    await until(lambda: ("deliver", made.id) in front.told)
    asyncio.get_running_loop().call_later(1.9, front.delivering.set)  # after the interruption
    await worker.stop(3.0)
    await running
    row = await sqlite_store.requests.get(made.id)
    assert row is not None and row.state is State.DONE


async def test_a_crashed_worker_is_recovered_by_the_next(store: Store, quick: Settings) -> None:
    made = await store.requests.create(essay(1))
    dead = await store.requests.claim({"discord"}, "dead")
    assert dead is not None
    front = Listener()
    async with working(store, ScriptedClient(), front, quick):
        row = await ended(store, made)
    assert (row.state, row.attempts) == (State.DONE, 2)
    assert not await store.requests.finish(dead, 1)


def crash(request: Request) -> Exception:
    """End the task that delivers, as the end of its process would."""
    raise asyncio.CancelledError


async def test_a_crash_after_making_delivers_the_same_again(
    sqlite_store: Store, quick: Settings
) -> None:
    """The result was recorded, then the process died: nothing is written a second time."""
    made, client = await sqlite_store.requests.create(essay(1)), ScriptedClient()
    first, second = Listener(), Listener()
    first.trouble = crash
    async with working(sqlite_store, client, first, quick):
        await until(lambda: ("deliver", made.id) in first.told)
        async with working(sqlite_store, client, second, quick):
            row = await ended(sqlite_store, made)
    assert row.state is State.DONE and len(client.asked) == 1
    assert second.results[made.id].artifacts == await sqlite_store.artifacts.of(made.id)
    assert ("started", made.id) not in second.told


async def test_a_crash_twice_is_said_once(sqlite_store: Store, quick: Settings) -> None:
    made, front = await sqlite_store.requests.create(essay(1)), Listener()
    for _ in range(2):
        claimed = await sqlite_store.requests.claim({"discord"}, "dead")
        assert claimed is not None
        if claimed.attempts == 1:
            await sqlite_store.requests.hand_back(claimed)
    async with working(sqlite_store, ScriptedClient(), front, quick):
        row = await ended(sqlite_store, made)
        await asyncio.sleep(0.3)
    assert (row.state, row.error) == (State.FAILED, Sentence("lost"))
    assert front.told.count(("failed", made.id)) == 1


async def test_a_lost_claim_is_let_go(sqlite_store: Store, quick: Settings) -> None:
    client, front = ScriptedClient(Script(hold=True)), Listener()
    made = await sqlite_store.requests.create(essay(1))
    alone = quick.model_copy(update={"workers": 1})
    async with working(sqlite_store, client, front, alone):
        await until(lambda: client.open == 1)
        mine = await sqlite_store.requests.get(made.id)
        assert mine is not None
        await sqlite_store.requests.hand_back(mine)
        thief = await sqlite_store.requests.claim({"discord"}, "thief")
        assert thief is not None
        await until(lambda: client.open == 0)
        assert await sqlite_store.requests.finish(thief, 5)
    assert made.id not in front.results


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


async def test_files_damaged_after_a_crash_are_made_again(
    sqlite_store: Store, quick: Settings
) -> None:
    made, client, front = await sqlite_store.requests.create(essay(1)), ScriptedClient(), Listener()
    troubles: list[Exception | None] = [OSError("connection lost"), None]

    def trouble(request: Request) -> Exception | None:
        for path in (quick.artifacts_dir / str(request.id)).iterdir():
            if len(troubles) == 2:
                path.write_bytes(b"half")
        return troubles.pop(0)

    front.trouble = trouble
    async with working(sqlite_store, client, front, quick):
        assert (await ended(sqlite_store, made)).state is State.DONE
    assert len(client.asked) == 2
    assert all(a.path.read_bytes() != b"half" for a in front.results[made.id].artifacts)
