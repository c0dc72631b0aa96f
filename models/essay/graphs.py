"""Work that is done over and over: anew every time, or on a GPU recorded once and played again.

A CUDA graph plays all the small operations of a step with one call. It reads and writes the very
memory that it was recorded with: whoever uses one puts what changes into buffers that never move.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor

log = logging.getLogger(__name__)

Work = Callable[[], Tensor]
WARM_UPS = 3  # times work is done before it is recorded: libraries choose and set up at first


class Recorder(Protocol):
    """Makes of a piece of work one that may be cheaper to repeat."""

    def record(self, work: Work) -> Work: ...  # noqa: D102


class Anew:
    """Does the work every time."""

    def record(self, work: Work) -> Work:
        """Give the work as it is."""
        return work


class Graphs:
    """Records CUDA graphs, all with one store of scratch memory; does work anew where it cannot.

    What one graph gives holds only until another one is played.
    """

    def __init__(self) -> None:
        self._pool: Any = None
        self._able = True

    def record(self, work: Work) -> Work:
        """Record the work; give what plays it."""
        if self._able:
            try:
                return self._played(work)
            except (RuntimeError, AssertionError) as error:
                log.warning("no CUDA graphs, every step is done anew: %s", error)
                self._able = False
        return work

    def _played(self, work: Work) -> Work:
        """Warm the work up beside the usual stream, as recording wants it, and record it."""
        graph = torch.cuda.CUDAGraph()
        aside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        aside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(aside):
            for _ in range(WARM_UPS):
                work()
        torch.cuda.current_stream().wait_stream(aside)
        self._pool = self._pool or torch.cuda.graph_pool_handle()
        # Other threads step other versions meanwhile: only this one's calls may spoil a recording.
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            given = work()

        def play() -> Tensor:
            graph.replay()
            return given

        return play


def recorder_for(device: torch.device) -> Recorder:
    """Choose what a device can do."""
    return Graphs() if device.type == "cuda" else Anew()
