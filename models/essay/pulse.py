"""How steadily the engine steps: the gaps between its steps while there is work."""

from __future__ import annotations

from collections import deque
from statistics import median

REMEMBERED = 4096  # steps
USUAL = 200  # steps before a moment that tell what is usual


class Pulse:
    """The gaps between the latest steps; whoever shares it between threads guards it."""

    def __init__(self) -> None:
        self._gaps: deque[tuple[float, float]] = deque(maxlen=REMEMBERED)  # when it ended, seconds
        self._last: float | None = None

    def beat(self, now: float, *, resting: bool) -> None:
        """Count a step that ended now; a rest after it is no gap."""
        if self._last is not None:
            self._gaps.append((now, now - self._last))
        self._last = None if resting else now

    def stall(self, since: float) -> float | None:
        """Tell by how many seconds the longest gap since a moment exceeds the median before it.

        None when there was no step on one of the two sides.
        """
        before = [gap for end, gap in self._gaps if end <= since][-USUAL:]
        after = [gap for end, gap in self._gaps if end > since]
        if not before or not after:
            return None
        return max(0.0, max(after) - median(before))
