from __future__ import annotations

import os
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from models.pool import NICEST, step_back


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
