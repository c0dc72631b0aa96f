from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import NoReturn

import pytest

from models.contract import Problem
from models.pool import NICEST, Pool, step_back


def niceness() -> int:
    return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())


@pytest.mark.skipif(sys.platform != "linux", reason="threads have no number of their own there")
def test_a_thread_steps_back_from_where_its_process_is() -> None:
    """In a service that is nice itself, records must still wait behind beats."""
    with ThreadPoolExecutor(1, initializer=step_back, initargs=(3,)) as service:
        behind = ThreadPoolExecutor(1, initializer=step_back, initargs=(4,))
        start = niceness()
        # The inner pool starts its thread from the outer one's, as a service's pools do.
        inner = service.submit(lambda: behind.submit(niceness).result()).result()
        assert service.submit(niceness).result() == min(NICEST, start + 3)
        assert inner == min(NICEST, start + 7)
        behind.shutdown()
    assert niceness() == start


async def test_memory_goes_back_when_nobody_waits_for_it(monkeypatch: pytest.MonkeyPatch) -> None:
    done: list[str] = []
    monkeypatch.setattr("models.pool.give_back", lambda: done.append("memory"))
    pool = Pool("beat", threads=1, queue_limit=1, guess=1.0)

    def named(name: str, others: int) -> Callable[..., NoReturn]:
        def work(*_: object) -> NoReturn:
            while len(pool.waiting) > others:  # until the loop knows that this one has begun
                time.sleep(0.001)
            done.append(name)
            raise ValueError("No such beat.")

        return work

    streams = [pool.open(named("first", 1)), pool.open(named("second", 0))]
    for stream in streams:
        assert isinstance([event async for event in stream][-1], Problem)
    pool.stop()
    assert done == ["first", "second", "memory"]
