from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from bot.sentences import Sentence
from bot.store import MAX_DELIVERIES, SAMPLE, Artifact, NewRequest, Request, State, Store
from bot.store.shapes import utc_now
from models.contract import AlbumRequest, AlbumTake, BeatRequest, EssayDone, EssayPlan
from tests.bot.doubles import album_take, beat_take
from tests.bot.store.rows import Clock, album, beat, essay

HERE = frozenset({"discord"})
ASKED = BeatRequest(request_id="1", seed=2)


def done(words: int = 3) -> EssayDone:
    plan = EssayPlan(title="A title", paragraphs=(("one",),))
    return EssayDone(
        text="One two three.",
        plan=plan,
        words=words,
        seed=1,
        style="general",
        model_version="v1",
        tokens=5,
        seconds=0.1,
    )


async def claim(store: Store, worker: str = "w") -> Request:
    request = await store.requests.claim(HERE, worker)
    assert request is not None
    return request


async def test_a_created_request_comes_back_whole(store: Store) -> None:
    big = 2**62 + 7  # Discord's ids do not fit 32 bits
    made = await store.requests.create(
        replace(essay(big), guild_id=big, channel_id=big, token_expires_at=utc_now(), locale="de")
    )
    assert made == await store.requests.get(made.id)
    assert (made.state, made.user_id, made.attempts) == (State.QUEUED, big, 0)
    assert made.created_at.utcoffset() == timedelta(0)
    assert made.parameters == essay(1).parameters
    assert (await store.requests.create(beat(1))).parameters == beat(1).parameters


async def test_the_oldest_is_claimed_first_and_once(store: Store) -> None:
    made = [await store.requests.create(essay(user)) for user in (1, 2, 3)]
    taken = [(await claim(store)).id for _ in made]
    assert taken == [request.id for request in made]
    assert await store.requests.claim(HERE, "w") is None


async def test_a_user_has_one_running_and_takes_turns(store: Store) -> None:
    for user in (1, 1, 1, 2, 2):
        await store.requests.create(essay(user))
    served = []
    for _ in range(5):
        request = await claim(store)
        served.append(request.user_id)
        assert await store.requests.finish(request, None)
    assert served == [1, 2, 1, 2, 1]


async def test_a_newcomer_never_overtakes_who_has_waited_longer(store: Store) -> None:
    await store.requests.create(essay(1))
    await store.requests.create(essay(1))
    await store.requests.finish(await claim(store), None)
    await store.requests.create(essay(2))
    assert (await claim(store)).user_id == 1


async def test_while_one_runs_the_same_user_waits(store: Store) -> None:
    await store.requests.create(essay(1))
    second = await store.requests.create(essay(1))
    first = await claim(store)
    assert await store.requests.claim(HERE, "w") is None
    await store.requests.finish(first, None)
    assert (await claim(store)).id == second.id


async def test_the_console_runs_many_at_once_and_only_in_its_own_process(store: Store) -> None:
    mine = replace(essay(0), origin="console", reserved_for="me")
    for _ in range(3):
        await store.requests.create(mine)
    assert await store.requests.claim({"console"}, "another") is None
    assert await store.requests.claim(HERE, "me") is None
    for _ in range(3):
        assert await store.requests.claim({"console"}, "me") is not None


async def test_one_record_is_made_at_a_time_and_the_others_pass_by(store: Store) -> None:
    first, second = [await store.requests.create(album(user)) for user in (1, 2)]
    third = await store.requests.create(beat(3))
    running = await claim(store)
    assert running.id == first.id and running.parameters == album(1).parameters
    assert (await claim(store)).id == third.id
    assert await store.requests.claim(HERE, "w") is None
    await store.requests.cancel(running)
    assert (await claim(store)).id == second.id


async def test_many_workers_at_once_take_each_request_once(store: Store) -> None:
    made = {(await store.requests.create(essay(user % 4))).id for user in range(1, 13)}
    seen: list[int] = []
    running: set[int] = set()

    async def work(name: str) -> None:
        idle = 0
        while idle < 20:
            request = await store.requests.claim(HERE, name)
            if request is None:
                idle += 1
                await asyncio.sleep(0.005)
                continue
            idle = 0
            assert request.user_id == 0 or request.user_id not in running
            running.add(request.user_id)
            seen.append(request.id)
            await asyncio.sleep(0.002)
            running.discard(request.user_id)
            assert await store.requests.finish(request, None)

    await asyncio.gather(*(work(f"w{n}") for n in range(6)))
    assert sorted(seen) == sorted(made)


async def test_only_the_holder_of_the_claim_can_end_it(store: Store) -> None:
    await store.requests.create(essay(1))
    first = await claim(store)
    assert await store.requests.hand_back(first)
    second = await claim(store)
    assert not await store.requests.finish(first, 1)
    assert not await store.requests.fail(first, "no")
    assert await store.requests.finish(second, 2)
    assert not await store.requests.cancel(second)
    row = await store.requests.get(first.id)
    assert row is not None
    assert (row.state, row.message_id, row.attempts) == (State.DONE, 2, 2)


async def test_ends_forget_the_token(store: Store) -> None:
    await store.requests.create(replace(essay(1), interaction_token="secret"))
    request = await claim(store)
    assert request.interaction_token == "secret"
    assert "secret" not in repr(request)
    await store.requests.finish(request, None)
    row = await store.requests.get(request.id)
    assert row is not None and row.interaction_token is None


async def test_handing_back_may_wait_and_may_not_count(database_url: str) -> None:
    clock = Clock()
    store = await Store.open(database_url, clock=clock)
    await store.requests.create(essay(1))
    assert await store.requests.hand_back(await claim(store), delay=5, counted=False)
    assert await store.requests.claim(HERE, "w") is None
    clock.advance(6)
    assert (await claim(store)).attempts == 1
    await store.close()


async def test_cancelling_finds_what_is_handed_back_meanwhile(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = await store.requests.create(essay(1))
    running, move = await claim(store), store.requests._move

    async def just_before(*told: Any, **values: Any) -> bool:
        moved = await move(*told, **values)
        monkeypatch.undo()
        assert await store.requests.hand_back(running)
        return moved

    monkeypatch.setattr(store.requests, "_move", just_before)
    gone = await store.requests.request_cancel(made.id)
    assert gone is not None and gone.state is State.CANCELLED


async def test_cancelling_a_waiting_one_is_at_once_and_a_running_one_is_asked(store: Store) -> None:
    waiting = await store.requests.create(essay(1))
    gone = await store.requests.request_cancel(waiting.id)
    assert gone is not None and gone.state is State.CANCELLED
    assert await store.requests.request_cancel(waiting.id) is None
    await store.requests.create(essay(1))
    running = await claim(store)
    asked = await store.requests.request_cancel(running.id)
    assert asked is not None and asked.state is State.RUNNING
    assert running.claim is not None
    pulse = await store.requests.heartbeat([running.claim, "lost"])
    assert pulse.held == pulse.cancelled == {running.claim}
    assert await store.requests.cancel(running)


async def test_a_result_is_kept_before_it_is_delivered(store: Store, tmp_path: Path) -> None:
    await store.requests.create(essay(1))
    request = await claim(store)
    files = [Artifact("md", tmp_path / "a.md", "a.md", "0" * 64, 3)]
    assert await store.requests.keep(request, done(), files)
    assert await store.requests.keep(request, done(), files)  # again: replaced, not doubled
    await store.requests.hand_back(request)
    again = await claim(store)
    assert again.outcome == done() and again.model_version == "v1"
    assert await store.artifacts.of(again.id) == tuple(files)
    assert await store.artifacts.get(again.id, "md") == files[0]
    assert not await store.requests.keep(request, done(), files)


async def test_what_a_person_sent_comes_in_with_the_row_and_outlives_results(
    store: Store, tmp_path: Path
) -> None:
    def file(kind: str) -> Artifact:
        return Artifact(kind, tmp_path / kind, f"beat.{kind}", "0" * 64, 3)

    async def files(request_id: int) -> list[Artifact]:
        return [file(SAMPLE)]

    made = await store.requests.create(beat(1), files)
    request = await claim(store)
    for kind in ("ogg", "mp3"):
        assert await store.requests.keep(request, beat_take(ASKED), [file(kind)])
    assert {a.kind for a in await store.artifacts.of(made.id)} == {SAMPLE, "mp3"}
    for _ in range(2):  # a second one takes the place of the first
        await store.artifacts.add(made.id, file("wav"))
    assert {a.kind for a in await store.artifacts.of(made.id)} == {SAMPLE, "mp3", "wav"}


async def test_a_row_whose_files_cannot_be_written_is_not_there(store: Store) -> None:
    async def files(request_id: int) -> list[Artifact]:
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        await store.requests.create(beat(1), files)
    assert (await store.requests.history(1)).total == 0


async def test_a_record_comes_back_without_its_files(store: Store) -> None:
    made = await store.requests.create(album(1))
    take = album_take(AlbumRequest(request_id="1", title="Night Drive", tracks=3, seed=3))
    assert await store.requests.keep(await claim(store), take, [])
    kept = await store.requests.get(made.id)
    assert kept is not None and isinstance(kept.outcome, AlbumTake)
    assert kept.outcome.tracks == take.tracks and kept.outcome.archive == ""


async def test_an_expired_result_can_be_shown_later_once(store: Store) -> None:
    await store.requests.create(essay(1))
    request = await claim(store)
    assert await store.requests.expire(request, "Nowhere.")
    assert await store.requests.revive(request.id, 5, 6)
    assert not await store.requests.revive(request.id, 7, 8)
    row = await store.requests.get(request.id)
    assert row is not None and (row.state, row.message_id, row.error) == (State.DONE, 6, None)


async def test_every_change_of_state_is_written_down(store: Store) -> None:
    made = await store.requests.create(essay(1))
    await store.requests.hand_back(await claim(store), why="busy")
    await store.requests.fail(await claim(store), "It broke.")
    events = await store.requests.events(made.id)
    assert [event.new for event in events] == ["queued", "running", "queued", "running", "failed"]
    assert [event.old for event in events][1:] == [event.new for event in events][:-1]
    assert events[-1].why == "It broke."


@pytest.mark.parametrize(
    ("claims", "age", "cancelled", "expected"),
    [
        (1, 60, False, State.QUEUED),
        (2, 60, False, State.FAILED),
        (1, 16 * 60, False, State.FAILED),
        (1, 60, True, State.CANCELLED),
    ],
)
async def test_recovery(
    database_url: str, claims: int, age: float, cancelled: bool, expected: State
) -> None:
    clock = Clock()
    store = await Store.open(database_url, clock=clock)
    await store.requests.create(essay(1))
    for _ in range(claims - 1):
        await store.requests.hand_back(await claim(store))
    request = await claim(store)
    if cancelled:
        await store.requests.request_cancel(request.id)
    assert await store.requests.recover(timedelta(seconds=30)) == []
    clock.advance(age)
    (moved,) = await store.requests.recover(timedelta(seconds=30))
    assert moved.state is expected
    assert await store.requests.recover(timedelta(seconds=30)) == []
    assert not await store.requests.finish(request, 1)
    assert (moved.error is not None) == (expected is State.FAILED)
    await store.close()


async def test_the_last_word_is_said_before_it_is_committed_and_again_after_a_crash(
    database_url: str,
) -> None:
    clock = Clock()
    store = await Store.open(database_url, clock=clock)
    await store.requests.create(replace(essay(1), interaction_token="key"))
    await store.requests.hand_back(await claim(store))
    request = await claim(store)
    said: list[tuple[int, State, str | None]] = []

    async def say(told: Request, new: State, why: Sentence | None) -> None:
        row = await store.requests.get(told.id)
        assert row is not None and row.state is State.RUNNING
        assert told.interaction_token == "key"
        said.append((told.id, new, why and why.key))
        if len(said) == 1:
            raise ConnectionError("killed here")

    clock.advance(60)
    with pytest.raises(ConnectionError):
        await store.requests.recover(timedelta(seconds=30), say)
    assert await store.requests.recover(timedelta(seconds=30), say) == []  # it has only begun
    assert not await store.requests.finish(request, 1)  # and the old claim is lost
    clock.advance(60)
    (moved,) = await store.requests.recover(timedelta(seconds=30), say)
    assert moved.state is State.FAILED and moved.interaction_token is None
    assert said == [(request.id, State.FAILED, "lost")] * 2
    await store.close()


async def test_what_was_made_is_delivered_again_and_never_called_failed(
    database_url: str,
) -> None:
    clock = Clock()
    store = await Store.open(database_url, clock=clock)
    await store.requests.create(essay(1))
    await store.requests.hand_back(await claim(store))
    states = []
    for _ in range(MAX_DELIVERIES - 1):
        assert await store.requests.keep(await claim(store), done(), [])
        clock.advance(60)
        (moved,) = await store.requests.recover(timedelta(seconds=30))
        states.append((moved.state, moved.outcome == done()))
    assert states == [(State.QUEUED, True)] * (MAX_DELIVERIES - 2) + [(State.EXPIRED, True)]
    await store.close()


async def test_recovery_leaves_the_living_alone(database_url: str) -> None:
    clock = Clock()
    store = await Store.open(database_url, clock=clock)
    await store.requests.create(essay(1))
    request = await claim(store)
    clock.advance(60)
    assert request.claim is not None
    await store.requests.heartbeat([request.claim])
    clock.advance(20)
    assert await store.requests.recover(timedelta(seconds=30)) == []
    assert await store.requests.finish(request, 1)
    await store.close()


async def test_a_waiting_request_of_a_process_that_is_gone_ends(database_url: str) -> None:
    clock = Clock()
    store = await Store.open(database_url, clock=clock)
    new: NewRequest = replace(essay(0), origin="console", reserved_for="gone")
    await store.requests.create(new)
    await store.requests.create(essay(1))
    clock.advance(16 * 60)
    (moved,) = await store.requests.recover(timedelta(seconds=30))
    assert (moved.origin, moved.state) == ("console", State.FAILED)
    await store.close()
