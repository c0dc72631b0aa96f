"""The one place that says how a request may move from state to state."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a request stands."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"
    REFUSED = "refused"
    EXPIRED = "expired"


#: Every change is a compare-and-set on the old state; what is not listed cannot happen.
TRANSITIONS: Mapping[State, frozenset[State]] = {
    State.QUEUED: frozenset({State.RUNNING, State.CANCELLED, State.FAILED}),
    State.RUNNING: frozenset(
        {
            State.QUEUED,
            State.DONE,
            State.FAILED,
            State.CANCELLED,
            State.REFUSED,
            State.EXPIRED,
        }
    ),
    # The result of an expired request exists; showing it somewhere else completes it.
    State.EXPIRED: frozenset({State.DONE}),
    State.DONE: frozenset(),
    State.FAILED: frozenset(),
    State.CANCELLED: frozenset(),
    State.REFUSED: frozenset(),
}

OPEN = frozenset({State.QUEUED, State.RUNNING})
FINAL = frozenset(State) - OPEN


def may_move(old: State, new: State) -> bool:
    """Say whether the table allows a change."""
    return new in TRANSITIONS[old]
