from __future__ import annotations

import pytest

from bot.outage import Outage


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [100.0]
    monkeypatch.setattr("bot.outage.monotonic", lambda: now[0])
    return now


def failures(outage: Outage, clock: list[float], *moments: float) -> list[bool]:
    found = []
    for moment in moments:
        clock[0] = 100 + moment
        found.append(outage.lasts_beyond(10))
    return found


def test_an_outage_is_as_long_as_its_failures_go_on(clock: list[float]) -> None:
    assert failures(Outage(), clock, 0, 5, 9.5, 10, 14) == [False, False, False, True, True]


def test_an_answer_ends_an_outage(clock: list[float]) -> None:
    outage = Outage()
    assert failures(outage, clock, 0, 9) == [False, False]
    outage.over()
    assert failures(outage, clock, 11, 20, 21) == [False, False, True]


def test_an_outage_whose_end_nobody_saw_is_another_one(clock: list[float]) -> None:
    assert failures(Outage(), clock, 0, 9, 60, 69) == [False, False, False, False]
