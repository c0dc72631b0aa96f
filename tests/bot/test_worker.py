"""What becomes of a request at the worker: made, blocked, cancelled, or handed back at a stop."""

from __future__ import annotations

import asyncio
import hashlib
from dataclasses import replace

import pytest

from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import State, Store
from bot.worker import Worker
from models.client import GenerationBusy
from tests.bot.doubles import Listener, Script, ScriptedClient
from tests.bot.shift import ended, until, working
from tests.bot.store.rows import album, beat, essay


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
