"""When a request will be ready: its place in the queue, and how long others took."""

from __future__ import annotations

import time
from dataclasses import dataclass
from statistics import fmean

from bot.parameters import KINDS, Kind
from bot.store import Request, State, Store

#: How long measured durations are used before they are asked for again, in seconds.
FRESH_SECONDS = 10.0


@dataclass(frozen=True)
class Outlook:
    """How many are served before a request, and in how many seconds it should be ready."""

    place: int
    eta: float | None


class Forecast:
    """Reckons outlooks from the last finished requests."""

    def __init__(self, store: Store, workers: int) -> None:
        self._store = store
        self._workers = workers
        self._means: dict[Kind, float | None] = dict.fromkeys(KINDS)
        self._asked = float("-inf")

    async def of(self, request: Request) -> Outlook:
        """Reckon for one waiting request."""
        outlooks = await self.all(request.origin)
        return next((o for r, o in outlooks if r.id == request.id), Outlook(0, None))

    async def all(self, origin: str, limit: int | None = None) -> list[tuple[Request, Outlook]]:
        """Reckon for the waiting requests of an origin, or the first, in the order of service."""
        await self._measure()
        running = (await self._store.requests.depth()).get(State.RUNNING, 0)
        ahead = 0.0 if running < self._workers else self._typical() / 2
        found = []
        for place, request in enumerate(await self._store.requests.waiting([origin], limit)):
            own = self._means[request.kind]
            # A free worker begins at once; a busy one after its share of those before.
            wait = 0.0 if place + running < self._workers else ahead
            found.append((request, Outlook(place, None if own is None else wait + own)))
            ahead += (self._typical() if own is None else own) / self._workers
        return found

    def _typical(self) -> float:
        known = [mean for mean in self._means.values() if mean is not None]
        return fmean(known) if known else 0.0

    async def _measure(self) -> None:
        if time.monotonic() - self._asked < FRESH_SECONDS:
            return
        self._asked = time.monotonic()
        for kind in KINDS:
            seconds = await self._store.requests.durations(kind)
            self._means[kind] = fmean(seconds) if seconds else None
