"""What a worker finds that another left behind, and when it must let go itself."""

from __future__ import annotations

import asyncio
import threading

import pytest

from bot import files
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import Artifact, Request, State, Store
from tests.bot.doubles import Listener, Script, ScriptedClient
from tests.bot.shift import ended, until, working
from tests.bot.store.rows import essay


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
