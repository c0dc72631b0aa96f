"""One claimed request in the worker's hands, and the ways its work can be broken off."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from enum import StrEnum
from typing import Any, TypeVar

from bot.store import Request

T = TypeVar("T")


class Reason(StrEnum):
    """Why work is broken off."""

    CANCELLED = "cancelled"
    LOST = "lost"
    STOPPING = "stopping"


class Interrupted(Exception):
    """The work was broken off before there was a result."""

    def __init__(self, reason: Reason) -> None:
        super().__init__(reason)
        self.reason = reason


class Job:
    """A claim being worked on. Only making can be broken off; delivering runs to its end."""

    def __init__(self, request: Request) -> None:
        self.request = request
        self.reason: Reason | None = None
        self._making: asyncio.Task[Any] | None = None

    async def make(self, work: Coroutine[Any, Any, T]) -> T:
        """Run the work; raise Interrupted when it is broken off."""
        if self.reason is not None:
            work.close()
            raise Interrupted(self.reason)
        task: asyncio.Task[T] = asyncio.create_task(work, name=f"make {self.request.id}")
        self._making = task
        try:
            return await task
        except asyncio.CancelledError:
            if self.reason is None:  # our own task was cancelled, not the work
                task.cancel()
                raise
            raise Interrupted(self.reason) from None
        finally:
            self._making = None

    def interrupt(self, reason: Reason) -> None:
        """Break the work off; the first reason counts. Too late while delivering."""
        if self.reason is None:
            self.reason = reason
        if self._making is not None:
            self._making.cancel()
