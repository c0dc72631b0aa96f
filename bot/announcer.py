"""Tells those who wait their place in the queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Set

import structlog

from bot.frontend import FrontEnd
from bot.maker import quietly
from bot.outlook import Forecast

log = structlog.get_logger()

#: Shortest time between two announcements, in seconds.
PAUSE_SECONDS = 2.0
#: How many waiting requests are told when their place changes.
ANNOUNCED = 25


class Announcer:
    """Tells each waiting request its place whenever that has changed, and not too often."""

    def __init__(
        self,
        forecast: Forecast,
        frontends: Mapping[str, FrontEnd],
        running: Callable[[], Set[int]],
    ) -> None:
        self._forecast = forecast
        self._frontends = frontends
        self._running = running
        self._changed = asyncio.Event()
        self._told: dict[int, int] = {}
        #: Who has left the queue since the lists at hand were asked for, which may still name them.
        self._left: set[int] = set()

    def look(self) -> None:
        """Say that places may have changed."""
        self._changed.set()

    def forget(self, request_id: int) -> None:
        """Say that a request has left the queue; should it wait again, it is told its place again.

        To be said before anything else is shown about it: a place told later would cover that.
        """
        self._told.pop(request_id, None)
        self._left.add(request_id)
        self.look()

    async def run(self) -> None:
        """Announce until cancelled."""
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self._announce()
            except Exception:  # a database that is away for a while must not end it
                log.exception("announcer stumbled")
            await asyncio.sleep(PAUSE_SECONDS)

    async def _announce(self) -> None:
        self._left.clear()
        waiting: set[int] = set()
        for origin, front in self._frontends.items():
            for request, outlook in await self._forecast.all(origin, ANNOUNCED):
                if request.id in self._left or request.id in self._running():
                    continue
                if request.outcome is not None:
                    continue  # it waits to be delivered again; its card may show the result already
                waiting.add(request.id)
                if self._told.get(request.id) != outlook.place:
                    # Noted first: it may be forgotten while it is being told.
                    self._told[request.id] = outlook.place
                    await quietly(front.queued(request, outlook.place, outlook.eta))
        self._told = {number: at for number, at in self._told.items() if number in waiting}
