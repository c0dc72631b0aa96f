from __future__ import annotations

import pytest

from models.essay.pulse import Pulse


def test_the_stall_is_what_the_slowest_step_took_beyond_the_usual_one() -> None:
    pulse = Pulse()
    for tick in range(11):
        pulse.beat(tick * 0.01, resting=False)
    assert pulse.stall(since=0.1) is None
    for moment in (0.11, 0.25, 0.26):
        pulse.beat(moment, resting=False)
    assert pulse.stall(since=0.1) == pytest.approx(0.13)
    assert pulse.stall(since=0.255) == pytest.approx(0.0)


def test_a_rest_is_no_stall() -> None:
    pulse = Pulse()
    for moment, resting in ((0.0, False), (0.01, True), (9.0, False), (9.01, False)):
        pulse.beat(moment, resting=resting)
    assert pulse.stall(since=0.05) == pytest.approx(0.0)


def test_without_steps_before_there_is_nothing_to_compare_with() -> None:
    pulse = Pulse()
    pulse.beat(1.0, resting=False)
    pulse.beat(2.0, resting=False)
    assert pulse.stall(since=0.0) is None
