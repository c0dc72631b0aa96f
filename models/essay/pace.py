"""How fast essays are written, and how long that lets others wait."""

from __future__ import annotations

import time
from collections import deque

RATE_WINDOW = 20.0  # seconds over which the rate is measured
TOKENS_A_WORD = 1.3
FIRST_GUESS = 300.0  # tokens a second, before anything was measured


class Pace:
    """The tokens drawn lately; whoever shares it between threads guards it."""

    def __init__(self) -> None:
        self._drawn: deque[tuple[float, int]] = deque()  # when, and how many

    def count(self, tokens: int) -> None:
        """Count tokens that were drawn now."""
        self._drawn.append((time.monotonic(), tokens))

    def rate(self) -> float | None:
        """Measure tokens a second over the recent past; None when nothing was written."""
        now = time.monotonic()
        while self._drawn and self._drawn[0][0] < now - RATE_WINDOW:
            self._drawn.popleft()
        if not self._drawn:
            return None
        tokens = sum(count for _, count in self._drawn)
        return tokens / max(now - self._drawn[0][0], 1.0)

    def wait(self, words: int) -> float:
        """Estimate the seconds until as many words are written, from the measured rate."""
        return max(1.0, words * TOKENS_A_WORD / (self.rate() or FIRST_GUESS))
