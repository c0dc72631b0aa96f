"""The events of one request on their way from a model's thread to the event loop."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable

from models.contract import (
    AlbumTake,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayPlan,
    Problem,
    Progress,
)

log = logging.getLogger(__name__)

#: What ends a stream.
Last = EssayDone | BeatTake | AlbumTake | Problem
Event = Progress | EssayPlan | EssayDelta | Last

BROKEN = "Something broke while this was being made; another try may work."
STOPPING = "The model service is stopping."


class Full(Exception):
    """No request can be taken now; ``retry_after`` is in seconds."""

    def __init__(self, sentence: str, retry_after: float) -> None:
        super().__init__(sentence)
        self.retry_after = retry_after


class Stream:
    """The events of one request, handed from a model's thread to the event loop."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._events: asyncio.Queue[Event] = asyncio.Queue()
        self._ended = False
        self.cancelled = threading.Event()
        self.on_cancel: Callable[[], object] = lambda: None
        self.on_end: Callable[[], object] = lambda: None  # called once, however it ends

    def put(self, event: Event) -> None:
        """Append an event; safe from any thread, also after the service has stopped."""
        try:
            self._loop.call_soon_threadsafe(self._events.put_nowait, event)
        except RuntimeError:  # the loop has closed: nobody listens any more
            log.debug("event after the end: %s", type(event).__name__)

    def cancel(self) -> None:
        """Give the work up; harmless when it has ended."""
        if not self._ended and not self.cancelled.is_set():
            self.cancelled.set()
            self.on_cancel()
            self.on_end()

    def __aiter__(self) -> Stream:
        return self

    async def __anext__(self) -> Event:
        if self._ended:
            raise StopAsyncIteration
        event = await self._events.get()
        self._ended = isinstance(event, Last)
        if self._ended and not self.cancelled.is_set():
            self.on_end()
        return event
