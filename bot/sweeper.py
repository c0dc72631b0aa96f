"""What is not kept for ever: old files, and what is left of those who were forgotten.

The requests stay, and their results can be made again from them.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta

import structlog

from bot.files import Shelf
from bot.store import Store, utc_now

log = structlog.get_logger(__name__)

SWEEP_SECONDS = 6 * 3600.0
#: How soon something goes that was still being delivered when its person was forgotten.
LATE_SECONDS = 30.0


class Sweeper:
    """Goes over the shelf of finished files now and then."""

    def __init__(self, store: Store, shelf: Shelf, days: int) -> None:
        """Keep files for so many days; for ever with 0."""
        self._store = store
        self._shelf = shelf
        self._days = days

    async def run(self) -> None:
        """Sweep for ever; what goes wrong once may go well the next time."""
        while True:
            try:
                await self._store.requests.drop_forgotten()
                if self._days:
                    await self.sweep()
            except Exception:
                log.exception("sweeping failed")
            await asyncio.sleep(min(SWEEP_SECONDS, _until_midnight(utc_now())))

    async def forget_the_late(self) -> None:
        """Delete for ever, soon after it ends, what could not be deleted when that was wished."""
        while True:
            try:
                for number in await self._store.requests.forget_the_late():
                    await asyncio.to_thread(self._shelf.clear, number)
            except Exception:
                log.exception("forgetting failed")
            await asyncio.sleep(LATE_SECONDS)

    async def sweep(self) -> int:
        """Clear away the files of requests that are over and old; return of how many."""
        before = utc_now() - timedelta(days=self._days)
        cleared = 0
        for number in await asyncio.to_thread(self._shelf.untouched_since, before):
            request = await self._store.requests.get(number)
            if request is not None and not request.is_final:
                continue
            await self._store.artifacts.forget(number)
            await asyncio.to_thread(self._shelf.clear, number)
            cleared += 1
        if cleared:
            log.info("old files cleared away", requests=cleared)
        return cleared


def _until_midnight(now: datetime) -> float:
    """Count the seconds of a day that are left: what is kept for a day goes when it is over."""
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    return (tomorrow - now).total_seconds() + 1
