"""When a request will be ready: its place in the queue, and how fast others were made."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean, linear_regression

from bot.parameters import KINDS, Kind, size_of
from bot.store import Request, Store

#: How long measured durations are used before they are asked for again, in seconds.
FRESH_SECONDS = 10.0


@dataclass(frozen=True)
class Outlook:
    """How many are served before a request, and in how many seconds it should be ready."""

    place: int
    eta: float | None


@dataclass(frozen=True)
class Speed:
    """How long requests of one kind take: a fixed part, and a part for each unit of size."""

    fixed: float
    each: float
    #: Seconds that a usual one took.
    usual: float

    def seconds(self, size: int) -> float:
        """Reckon how long one of this size takes."""
        return self.fixed + self.each * size


def measured(samples: Sequence[tuple[int, float]]) -> Speed | None:
    """Fit a line through sizes and seconds; None without measurements."""
    if not samples:
        return None
    sizes, seconds = zip(*samples, strict=True)
    usual = fmean(seconds)
    if len(set(sizes)) > 1:
        each, fixed = linear_regression(sizes, seconds)
        if each < 0:  # too few, and some of them were held up
            return Speed(usual, 0.0, usual)
        if fixed >= 0:
            return Speed(fixed, each, usual)
    return Speed(0.0, usual / fmean(sizes), usual)


class Forecast:
    """Reckons outlooks from the last finished requests."""

    def __init__(self, store: Store, workers: int) -> None:
        self._store = store
        self._workers = workers
        self._speeds: dict[Kind, Speed | None] = dict.fromkeys(KINDS)
        self._asked = float("-inf")

    async def of(self, request: Request) -> Outlook:
        """Reckon for one waiting request; the others are only counted, for they may be many."""
        line = await self._store.requests.line(request.origin)
        outlooks = await self._reckon([(kind, size) for _, kind, size in line])
        for (number, *_), outlook in zip(line, outlooks, strict=True):
            if number == request.id:
                return outlook
        return Outlook(0, None)

    async def all(self, origin: str, limit: int | None = None) -> list[tuple[Request, Outlook]]:
        """Reckon for the waiting requests of an origin, or the first, in the order of service."""
        waiting = await self._store.requests.waiting([origin], limit)
        sizes = [(one.kind, size_of(one.kind, one.parameters)) for one in waiting]
        return list(zip(waiting, await self._reckon(sizes), strict=True))

    async def _reckon(self, line: Sequence[tuple[Kind, int]]) -> list[Outlook]:
        await self._measure()
        running = await self._store.requests.running()
        ahead = 0.0 if running < self._workers else self._typical() / 2
        found = []
        for place, (kind, size) in enumerate(line):
            speed = self._speeds[kind]
            own = None if speed is None else speed.seconds(size)
            # A free worker begins at once; a busy one after its share of those before.
            wait = 0.0 if place + running < self._workers else ahead
            found.append(Outlook(place, None if own is None else wait + own))
            ahead += (self._typical() if own is None else own) / self._workers
        return found

    def _typical(self) -> float:
        known = [speed.usual for speed in self._speeds.values() if speed is not None]
        return fmean(known) if known else 0.0

    async def _measure(self) -> None:
        if time.monotonic() - self._asked < FRESH_SECONDS:
            return
        self._asked = time.monotonic()
        for kind in KINDS:
            self._speeds[kind] = measured(await self._store.requests.durations(kind))
