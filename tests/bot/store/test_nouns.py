"""Guilds, ratings, runs, and the questions about requests."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError
from sqlalchemy import event

from bot.store import (
    Artifact,
    GuildSettings,
    NewRun,
    RunState,
    Standing,
    State,
    Store,
    StoreError,
    Tally,
    utc_now,
)
from bot.store.guilds import Changes
from tests.bot.store.rows import album, beat, essay
from tests.bot.store.test_queue import claim, done


async def test_guild_settings_change_bit_by_bit(store: Store) -> None:
    assert await store.guilds.get(5) == await store.guilds.get(None) == GuildSettings()
    await store.guilds.change(5, allowed_channels=[2**62], locale="de")
    changed = await store.guilds.change(5, words_max=300)
    assert changed == await store.guilds.get(5)
    assert changed == GuildSettings(allowed_channels=(2**62,), locale="de", words_max=300)
    with pytest.raises(ValidationError):
        await store.guilds.change(5, words_max=3)
    assert await store.guilds.get(5) == changed
    assert await store.guilds.get(6) == GuildSettings()
    await store.guilds.forget(5)
    assert await store.guilds.get(5) == GuildSettings()


async def test_each_user_has_one_opinion(store: Store) -> None:
    first, second = [await store.requests.create(essay(user)) for user in (1, 2)]
    await store.ratings.rate(first.id, 1, -1, "v1")
    await store.ratings.rate(first.id, 1, 1, "v1")
    await store.ratings.rate(first.id, 2, 1, "v1")
    await store.ratings.rate(second.id, 1, -1, "v2")
    assert await store.ratings.of(first.id) == Tally(2, 0)
    assert await store.ratings.of(999) == Tally(0, 0)
    assert await store.ratings.by_version() == {"v1": Tally(2, 0), "v2": Tally(0, 1)}
    with pytest.raises(ValueError, match="rating"):
        await store.ratings.rate(first.id, 1, 5, "v1")
    await store.ratings.forget(1)
    assert await store.ratings.by_version() == {"v1": Tally(1, 0)}


async def test_one_opinion_given_twice_at_once_is_one(store: Store) -> None:
    made = await store.requests.create(essay(1))
    for _ in range(10):
        await asyncio.gather(*(store.ratings.rate(made.id, 1, 1, "v1") for _ in range(3)))
        assert await store.ratings.of(made.id) == Tally(1, 0)
        await store.ratings.forget(1)


async def test_two_first_choices_at_once_are_both_kept(store: Store) -> None:
    for guild in range(1, 11):
        await asyncio.gather(
            store.guilds.change(guild, locale="de"), store.guilds.change(guild, words_max=300)
        )
        assert await store.guilds.get(guild) == GuildSettings(locale="de", words_max=300)


async def test_a_list_is_revised_as_it_is_by_then(store: Store) -> None:
    def added(word: str) -> Changes:
        return lambda now: {"blocked_words": (*now.blocked_words, word)}

    words = [str(n) for n in range(8)]
    await asyncio.gather(*(store.guilds.revise(5, added(word)) for word in words))
    assert sorted((await store.guilds.get(5)).blocked_words) == words


async def test_a_family_has_one_waiting_and_one_running(store: Store) -> None:
    new = NewRun(family="essay", minutes=5, requested_by=1, guild_id=2)
    first = await store.runs.create(new)
    assert first is not None and first.state is RunState.WAITING
    assert await store.runs.create(new) is None
    assert await store.runs.create(replace(new, family="music")) is not None
    assert await store.runs.start(first.id, "dir", 123)
    second = await store.runs.create(new)
    assert second is not None
    assert not await store.runs.start(second.id, "other")
    assert not await store.runs.start(first.id, "again")
    assert await store.runs.report(first.id, {"step": 3})
    assert await store.runs.finish(first.id, RunState.PROMOTED, "Better.", "v2")
    assert not await store.runs.finish(first.id, RunState.FAILED, "Late.")
    assert not await store.runs.report(first.id, {"step": 4})
    row = await store.runs.get(first.id)
    assert row is not None
    assert (row.state, row.progress, row.version, row.sentence, row.run_dir, row.pid) == (
        RunState.PROMOTED,
        {"step": 3},
        "v2",
        "Better.",
        "dir",
        None,
    )
    assert await store.runs.start(second.id, "other")
    assert [run.id for run in await store.runs.open("essay")] == [second.id]
    assert [run.id for run in await store.runs.history("essay")] == [second.id, first.id]


async def test_stopping_a_run(store: Store) -> None:
    new = NewRun(family="essay", minutes=5, requested_by=1)
    waiting = await store.runs.create(new)
    assert waiting is not None
    stopped = await store.runs.request_stop(waiting.id)
    assert stopped is not None and stopped.state is RunState.STOPPED
    assert await store.runs.request_stop(waiting.id) is None
    running = await store.runs.create(new)
    assert running is not None
    await store.runs.start(running.id, "dir")
    asked = await store.runs.request_stop(running.id)
    assert asked is not None and (asked.state, asked.stop_requested) == (RunState.RUNNING, True)


async def test_history_is_of_one_user_and_one_guild(store: Store) -> None:
    for guild in (5, 5, 6):
        await store.requests.create(replace(essay(1), guild_id=guild))
    await store.requests.create(replace(beat(1), guild_id=5))
    await store.requests.create(replace(essay(2), guild_id=5))
    everything = await store.requests.history(1)
    assert [r.id for r in everything.requests] == [4, 3, 2, 1] and everything.total == 4
    here = await store.requests.history(1, guild_id=5, kind="essay", size=1, page=1)
    assert [r.id for r in here.requests] == [1] and here.total == 2


async def test_counting(store: Store) -> None:
    for user in (1, 1, 2):
        await store.requests.create(replace(essay(user), guild_id=5))
    await store.requests.finish(await claim(store), None)
    assert await store.requests.running() == 0
    assert await store.requests.depth() == {State.QUEUED: 2, State.DONE: 1}
    before, after = (utc_now() + timedelta(minutes=n) for n in (-1, 1))
    now = await store.requests.standing("discord", 1, 5, before)
    assert (now.queued, now.open, now.today, now.today_here, now.guild_today) == (2, 1, 2, 2, 3)
    assert now.last_asked is not None and before < now.last_asked < after
    elsewhere = await store.requests.standing("console", 2, 6, before)
    assert elsewhere == replace(elsewhere, queued=0, open=1, today=1, today_here=0, guild_today=0)
    nobody = await store.requests.standing("discord", 3, None, before)
    assert nobody == Standing(2, 0, 0, 0, 0, None)
    later = await store.requests.standing("discord", 1, 5, after)
    assert (later.today, later.today_here, later.guild_today) == (0, 0, 0)
    ((size, seconds),) = await store.requests.durations("essay")
    assert (size, round(seconds)) == (50, 0)
    assert await store.requests.durations("beat") == []


async def test_a_record_counts_as_many_times_as_it_has_tracks(store: Store) -> None:
    long_ago = datetime(2000, 1, 1, tzinfo=UTC)
    for new in (album(1, tracks=8), beat(1), essay(1), album(2, tracks=3)):
        await store.requests.create(replace(new, guild_id=7))
    now = await store.requests.standing("discord", 1, 7, long_ago)
    assert (now.today, now.today_here, now.guild_today) == (10, 10, 13)


async def test_what_people_wait_for_never_reads_every_row(sqlite_store: Store) -> None:
    """There may be millions of old requests; each question has an index for its answer."""
    asked: list[tuple[str, Any]] = []
    engine = sqlite_store._db.engine.sync_engine

    def note(_: Any, __: Any, statement: str, parameters: Any, ___: Any, ____: Any) -> None:
        if statement.startswith(("SELECT", "UPDATE")):
            asked.append((statement, parameters))

    event.listen(engine, "before_cursor_execute", note)
    requests = sqlite_store.requests
    await requests.standing("discord", 1, 5, utc_now())
    await requests.running()
    await requests.durations("essay")
    await requests.line("discord")
    await requests.waiting(["discord"], 25)
    await requests.claim(["discord"], "worker")
    await requests.recover(timedelta(seconds=30))
    event.remove(engine, "before_cursor_execute", note)
    assert len(asked) == 7
    async with sqlite_store._db.read() as db:
        for statement, parameters in asked:
            found = await db.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", parameters)
            steps = [row["detail"] for row in found.mappings()]
            assert steps and not any(step.startswith("SCAN requests") for step in steps), steps


async def test_a_failure_of_ours_makes_nobody_wait(store: Store) -> None:
    first = await store.requests.create(essay(1))
    await store.requests.fail(await claim(store), "Broken.")
    midnight = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    assert (await store.requests.standing("discord", 1, None, midnight)).last_asked is None
    second = await store.requests.create(essay(1))
    assert second.created_at > first.created_at
    standing = await store.requests.standing("discord", 1, None, midnight)
    assert standing.last_asked == second.created_at


async def test_places_follow_the_order_of_service(store: Store) -> None:
    made = [await store.requests.create(essay(user)) for user in (1, 1, 2)]
    assert [await store.requests.place(r.id) for r in made] == [0, 1, 2]
    await claim(store)
    assert await store.requests.place(made[0].id) is None
    assert await store.requests.place(made[2].id) == 0  # user 1 has just had a turn


async def test_the_line_is_in_the_order_of_service(store: Store) -> None:
    made = [await store.requests.create(new) for new in (essay(1), essay(1), beat(2))]
    await claim(store)
    await store.requests.create(replace(essay(3), origin="console"))
    line = await store.requests.line("discord")
    assert line == [(made[2].id, "beat", 4), (made[1].id, "essay", 50)]
    assert [n for n, *_ in line] == [r.id for r in await store.requests.waiting(["discord"])]


async def test_ones_own_ratings_can_be_listed(store: Store) -> None:
    made = await store.requests.create(essay(1))
    await store.ratings.rate(made.id, 2, 1, "v1")
    await store.ratings.rate(made.id, 3, -1, "v1")
    assert [(r.request_id, r.value) for r in await store.ratings.by(2)] == [(made.id, 1)]


async def test_files_that_are_gone_leave_no_record(store: Store, tmp_path: Path) -> None:
    await store.requests.create(essay(1))
    mine = await claim(store)
    await store.requests.keep(mine, done(), [Artifact("md", tmp_path / "a", "a", "0" * 64, 1)])
    assert len(await store.artifacts.of(mine.id)) == 1
    await store.artifacts.forget(mine.id)
    assert await store.artifacts.of(mine.id) == ()


async def test_messages_are_remembered(store: Store) -> None:
    made = await store.requests.create(essay(1))
    await store.requests.set_message(made.id, 2**61, 2**62)
    row = await store.requests.get(made.id)
    assert row is not None and (row.channel_id, row.message_id) == (2**61, 2**62)
    assert [r.id for r in await store.requests.unfinished("discord")] == [made.id]


@pytest.mark.parametrize(
    "url", ["postgresql+asyncpg://u@127.0.0.1:1/x", "sqlite+aiosqlite:////proc/nowhere/x.db"]
)
async def test_a_database_out_of_reach_is_one_sentence(url: str) -> None:
    with pytest.raises(StoreError, match="database cannot be reached"):
        await Store.open(url)


@pytest.mark.parametrize("url", ["nonsense", "oracle+what://x/y", "mysql://x/y"])
async def test_an_unknown_address_is_named(url: str) -> None:
    with pytest.raises(StoreError, match="DATABASE_URL"):
        await Store.open(url)
