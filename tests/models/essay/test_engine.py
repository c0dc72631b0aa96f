"""Essays wait, join, write beside each other and leave; the trouble of one is its own."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from torch import Tensor

from models.contract import EssayDelta, EssayDone, EssayEvent, EssayPlan, Problem, Progress
from models.essay.engine import EssayEngine
from models.essay.tickets import EngineBusy, Ticket
from tests.models.essay import tiny
from tests.models.essay.listener import WAIT, Listener, request, write

pytestmark = pytest.mark.usefixtures("one_thread")


def test_tells_the_story_in_order(make: Callable[..., EssayEngine]) -> None:
    [listener] = write(make(), request(words=120))
    done = listener.done
    kinds = [type(event) for event in listener.events]
    assert kinds[0] is Progress
    assert kinds.count(EssayDone) == kinds.count(EssayPlan) == 1
    assert kinds.index(EssayPlan) < kinds.index(EssayDelta)
    assert "".join(e.text for e in listener.events if isinstance(e, EssayDelta)) == done.text
    assert done.model_version == "one" and done.seed == 1 and done.tokens > 100
    assert len(done.plan.paragraphs) == 2 == len(done.text.split("\n\n"))


def test_same_seed_same_text_other_seed_other_text(make: Callable[..., EssayEngine]) -> None:
    engine = make()
    first, again, other = (write(engine, request(seed=s))[0].done.text for s in (4, 4, 5))
    assert first == again != other


@pytest.mark.parametrize("greedy", [True, False])
def test_batch_mates_never_change_a_text(make: Callable[..., EssayEngine], greedy: bool) -> None:
    engine = make(slots=5)
    asked = [
        request(t, seed=n, greedy=greedy, words=50 + 9 * n) for n, t in enumerate(tiny.THINGS[:7])
    ]
    together = [listener.done for listener in write(engine, *asked)]  # two of them join later
    for one, done in zip(asked, together, strict=True):
        alone = write(engine, one)[0].done
        assert (alone.text, alone.plan) == (done.text, done.plan)


def test_in_fp32_a_greedy_text_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    exact = tiny.publish(tmp_path, "exact", tiny.trained(), candidates=3, precision="fp32")
    engine = EssayEngine(device="cpu", slots=4, queue_limit=8)
    engine.load(exact)
    engine.start()
    try:
        asked = [request(t, words=50 + 20 * n, greedy=True) for n, t in enumerate(tiny.THINGS[:6])]
        together = [listener.done.text for listener in write(engine, *asked)]
        assert [write(engine, one)[0].done.text for one in asked] == together
    finally:
        engine.stop()


def test_waiting_essays_hear_their_place(make: Callable[..., EssayEngine]) -> None:
    engine = make(slots=1)
    listeners = write(engine, *(request(seed=n) for n in range(3)))
    places = [
        e.ahead for e in listeners[2].events if isinstance(e, Progress) and e.stage == "queued"
    ]
    assert places[0] >= 1 and places == sorted(places, reverse=True)


def test_a_full_queue_says_when_to_come_back(make: Callable[..., EssayEngine]) -> None:
    engine = make(start=False, slots=1, queue_limit=2)
    for _ in range(3):
        engine.submit(request(), Listener())
    with pytest.raises(EngineBusy) as busy:
        engine.submit(request(), Listener())
    assert 1 <= busy.value.retry_after < 60
    assert engine.health().waiting == 3


def test_a_cancelled_essay_leaves_the_queue(make: Callable[..., EssayEngine]) -> None:
    engine = make(start=False)
    first, second = Listener(), Listener()
    engine.submit(request(), first).cancel()
    engine.submit(request(), second)
    engine.start()
    assert second.done
    assert [type(e) for e in first.events] == [Progress]


def test_cancelling_frees_the_slot_and_ends_the_events(make: Callable[..., EssayEngine]) -> None:
    engine = make(slots=1)
    listener, second = Listener(), Listener()
    ticket = engine.submit(request(words=1200), listener)
    engine.submit(request(words=50), second)
    assert listener.writing.wait(WAIT)
    ticket.cancel()
    told = len(listener.events)
    assert second.done.words
    assert len(listener.events) == told and not listener.over.is_set()
    assert engine.health().active == 0


def test_a_poisoned_essay_harms_nobody_else(
    make: Callable[..., EssayEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.essay.writer import Draft

    engine = make()
    healthy = write(engine, request(seed=6, words=90))[0].done.text
    original = Draft.condition

    def poisoned(self: Draft, paragraph: int, left: int, *, bare: bool) -> object:
        if self.request.request_id == "poison" and paragraph >= 0:
            raise RuntimeError("a bad step")
        return original(self, paragraph, left, bare=bare)

    monkeypatch.setattr(Draft, "condition", poisoned)
    asked = [request(seed=6, words=90), request(name="poison"), request(seed=7, words=90)]
    first, sick, third = write(engine, *asked)
    assert first.done.text == healthy and third.done
    assert sick.problem.sentence.startswith("Something went wrong")
    assert engine.health().ok and engine.health().active == 0


def test_broken_numbers_are_a_problem_not_a_text(make: Callable[..., EssayEngine]) -> None:
    engine = make()
    kernel = engine._live.table.kernel  # type: ignore[union-attr]
    right = kernel.step

    def broken(ids: Tensor, felt: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        y, after = right(ids, felt, memory)
        return y * math.nan, after

    kernel.step = broken  # type: ignore[method-assign]
    assert write(engine, request())[0].problem
    assert engine.health().ok


def test_a_listener_that_fails_only_loses_its_own_essay(make: Callable[..., EssayEngine]) -> None:
    engine = make()

    def broken(event: EssayEvent | Problem) -> None:
        raise OSError("gone")

    ticket: Ticket = engine.submit(request(), broken)
    assert write(engine, request())[0].done
    assert ticket.cancelled


def test_health_counts_idle_time_only_with_work(make: Callable[..., EssayEngine]) -> None:
    engine = make(start=False)
    time.sleep(0.05)
    assert engine.health().idle_seconds == 0 and not engine.health().ok
    engine.submit(request(), Listener())
    time.sleep(0.05)
    assert engine.health().idle_seconds >= 0.05
    engine.start()
    write(engine, request())
    health = engine.health()
    assert health.ok and health.idle_seconds == 0 and health.rate and health.rate > 0


def test_stopping_tells_everyone(make: Callable[..., EssayEngine]) -> None:
    engine = make(slots=1)
    running, waiting = Listener(), Listener()
    engine.submit(request(words=1200), running)
    engine.submit(request(), waiting)
    assert running.writing.wait(WAIT)
    engine.stop()
    assert running.problem.sentence == waiting.problem.sentence
