"""Random lives of requests: whatever happens in whatever order, each ends once."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bot.store import FINAL, MAX_ATTEMPTS, Request, State, Store
from bot.store.states import TRANSITIONS, may_move
from models.contract import EssayDone, EssayPlan
from tests.bot.store.rows import Clock, essay

T = TypeVar("T")
STALE = timedelta(seconds=30)
USERS = st.integers(1, 3)
PICK = st.integers(0, 10**6)


def made_by(request: Request, attempt: str) -> EssayDone:
    """Make a result that shows which claim wrote it."""
    return EssayDone(
        text=f"{request.id} {attempt}",
        plan=EssayPlan(title="t", paragraphs=()),
        words=60,
        seed=request.seed,
        style="general",
        model_version="v1",
        tokens=1,
        seconds=0.1,
    )


class Lives(RuleBasedStateMachine):
    """Users, workers, crashes and late comers, against a real database."""

    url = ""

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = Clock()
        self.store = self.do(Store.open(self.url, clock=self.clock))
        self.do(self.empty())
        self.created: list[int] = []
        #: Claims of workers that live, and of workers that have lost or ended theirs.
        self.held: list[Request] = []
        self.old: list[Request] = []
        #: What the message of each request shows; there is one message a request.
        self.shown: dict[int, str] = {}
        self.ends: dict[int, list[State]] = {}

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.runner.run(work)

    def teardown(self) -> None:
        try:
            self.settle()
            for request_id in self.created:
                self.check_life(request_id)
        finally:
            self.do(self.store.close())
            self.runner.close()

    async def empty(self) -> None:
        """Forget the lives before."""
        for user in (1, 2, 3):
            for request in (await self.store.requests.history(user, size=10**6)).requests:
                await self.store.requests.request_cancel(request.id)
                await self.store.requests.cancel(request)
            await self.store.requests.forget(user)

    # What may happen.

    @rule(user=USERS)
    def ask(self, user: int) -> None:
        self.created.append(self.do(self.store.requests.create(essay(user))).id)

    @rule()
    def claim(self) -> None:
        request = self.do(self.store.requests.claim({"discord"}, "w"))
        if request is not None:
            assert request.id not in {held.id for held in self.held if self.is_alive(held)}
            self.held.append(request)
        self.nobody_has_two_running()

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def make(self, pick: int) -> None:
        request = self.held[pick % len(self.held)]
        self.show(request)

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def finish(self, pick: int) -> None:
        request = self.take(pick)
        if self.show(request):
            self.ended(request, State.DONE, self.do(self.store.requests.finish(request, 1)))

    @precondition(lambda self: self.held)
    @rule(pick=PICK, new=st.sampled_from(["fail", "refuse", "expire", "cancel"]))
    def end(self, pick: int, new: str) -> None:
        request = self.take(pick)
        work = {
            "fail": (State.FAILED, self.store.requests.fail(request, "No.")),
            "refuse": (State.REFUSED, self.store.requests.refuse(request, "No.")),
            "expire": (State.EXPIRED, self.store.requests.expire(request, "No.")),
            "cancel": (State.CANCELLED, self.store.requests.cancel(request)),
        }
        state, call = work.pop(new)
        for _, unused in work.values():
            unused.close()
        self.ended(request, state, self.do(call))

    @precondition(lambda self: self.held)
    @rule(pick=PICK, counted=st.booleans(), delay=st.sampled_from([0.0, 10.0]))
    def hand_back(self, pick: int, counted: bool, delay: float) -> None:
        self.do(self.store.requests.hand_back(self.take(pick), counted=counted, delay=delay))

    @precondition(lambda self: self.held)
    @rule(pick=PICK)
    def crash(self, pick: int) -> None:
        self.take(pick)

    @rule(seconds=st.sampled_from([1, 20, 40, 1000]))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)

    @rule()
    def heartbeat(self) -> None:
        claims = [held.claim for held in self.held if held.claim is not None]
        pulse = self.do(self.store.requests.heartbeat(claims))
        lost = [held for held in self.held if held.claim not in pulse.held]
        self.held = [held for held in self.held if held.claim in pulse.held]
        self.old += lost

    @rule()
    def recover(self) -> None:
        for request in self.do(self.store.requests.recover(STALE)):
            if request.is_final:
                self.ends.setdefault(request.id, []).append(request.state)

    @precondition(lambda self: self.created)
    @rule(pick=PICK)
    def press_cancel(self, pick: int) -> None:
        request_id = self.created[pick % len(self.created)]
        request = self.do(self.store.requests.request_cancel(request_id))
        if request is not None and request.state is State.CANCELLED:
            self.ends.setdefault(request_id, []).append(State.CANCELLED)

    @precondition(lambda self: self.created)
    @rule(pick=PICK)
    def show_later(self, pick: int) -> None:
        request_id = self.created[pick % len(self.created)]
        if self.do(self.store.requests.revive(request_id, 1, 2)):
            assert self.ends[request_id] == [State.EXPIRED]
            self.ends[request_id] = [State.DONE]

    @precondition(lambda self: self.old)
    @rule(pick=PICK)
    def a_ghost_comes_back(self, pick: int) -> None:
        """A worker that was thought dead tries to end what it lost."""
        ghost = self.old[pick % len(self.old)]
        row = self.do(self.store.requests.get(ghost.id))
        assert row is not None
        still = row.state is State.RUNNING and row.claim == ghost.claim
        won = self.do(self.store.requests.finish(ghost, 1))
        assert won == still  # silent, but nobody has taken it yet: it may still end it
        self.ended(ghost, State.DONE, won)

    # What must hold.

    def nobody_has_two_running(self) -> None:
        open_rows = self.do(self.store.requests.unfinished("discord"))
        running = [row.user_id for row in open_rows if row.state is State.RUNNING]
        assert len(running) == len(set(running))

    def check_life(self, request_id: int) -> None:
        row = self.do(self.store.requests.get(request_id))
        assert row is not None and row.is_final and row.finished_at is not None
        assert self.ends[request_id] == [row.state]
        events = self.do(self.store.requests.events(request_id))
        assert all(e.old is None or may_move(e.old, e.new) for e in events)
        assert [e.old for e in events[1:]] == [e.new for e in events[:-1]]
        finals = [e.new for e in events if e.new in FINAL]
        assert finals in ([row.state], [State.EXPIRED, State.DONE])

    # How it is done.

    def take(self, pick: int) -> Request:
        request = self.held.pop(pick % len(self.held))
        self.old.append(request)
        return request

    def is_alive(self, held: Request) -> bool:
        row = self.do(self.store.requests.get(held.id))
        return row is not None and row.state is State.RUNNING and row.claim == held.claim

    def show(self, request: Request) -> bool:
        """Make the result unless it was made, and edit the message; False when it is lost."""
        made = request.outcome or made_by(request, request.claim or "")
        assert isinstance(made, EssayDone)
        if not self.do(self.store.requests.keep(request, made, [])):
            return False
        # A second delivery, after a crash between showing and committing, changes nothing.
        assert self.shown.setdefault(request.id, made.text) == made.text
        row = self.do(self.store.requests.get(request.id))
        assert row is not None
        if request in self.held:
            self.held[self.held.index(request)] = replace(request, outcome=row.outcome)
        return True

    def ended(self, request: Request, state: State, won: bool) -> None:
        if won:
            self.ends.setdefault(request.id, []).append(state)

    def settle(self) -> None:
        """Let time pass and a healthy worker do its work."""
        self.old += self.held
        self.held = []
        for _ in range(100):
            self.clock.advance(60)
            self.recover()
            request = self.do(self.store.requests.claim({"discord"}, "healthy"))
            if request is None:
                if not self.do(self.store.requests.unfinished("discord")):
                    return
                continue
            assert self.show(request)
            self.ended(request, State.DONE, self.do(self.store.requests.finish(request, 1)))
        raise AssertionError("some requests never end")


def test_each_request_ends_once_and_shows_one_result(database_url: str) -> None:
    examples = 12 if database_url.startswith("sqlite") else 4

    class Here(Lives):
        url = database_url

    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=examples,
            stateful_step_count=30,
            deadline=None,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )


def test_the_table_of_states_is_complete() -> None:
    assert set(TRANSITIONS) == set(State)
    for state in FINAL - {State.EXPIRED}:
        assert not TRANSITIONS[state]
    assert TRANSITIONS[State.EXPIRED] == {State.DONE}
    assert MAX_ATTEMPTS == 2
