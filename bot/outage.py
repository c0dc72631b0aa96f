"""How long the generation service has been away, so that its requests are given up in the end."""

from __future__ import annotations

from time import monotonic


class Outage:
    """A clock that starts with a failure and is set back by any answer."""

    def __init__(self) -> None:
        self._began: float | None = None
        self._last = 0.0

    def over(self) -> None:
        """Note that the service answered, whatever it said."""
        self._began = None

    def lasts_beyond(self, seconds: float) -> bool:
        """Note a failure; say whether this outage is longer than that by now."""
        now = monotonic()
        # An old outage whose end nobody saw, because nothing was asked meanwhile, is another one.
        if self._began is None or now - self._last > seconds:
            self._began = now
        self._last = now
        return now - self._began >= seconds
