"""Submitted essays, and why one cannot be submitted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass

from models.contract import EssayEvent, EssayRequest, Problem
from models.essay.table import Table

log = logging.getLogger(__name__)


class EngineBusy(Exception):
    """The queue is full."""

    def __init__(self, retry_after: float) -> None:
        super().__init__(f"The queue is full; try again in {retry_after:.0f} seconds.")
        self.retry_after = retry_after


class EngineEmpty(Exception):
    """No version was loaded yet, or not the one asked for."""


@dataclass
class Ticket:
    """One submitted essay."""

    request: EssayRequest
    emit: Callable[[EssayEvent | Problem], None]
    submitted: float
    table: Table | None = None  # of the version asked for; None: the live one when it begins
    cancelled: bool = False
    over: bool = False

    def cancel(self) -> None:
        """Give the slot back at the next step; no event follows."""
        self.cancelled = True

    def send(self, event: EssayEvent | Problem) -> None:
        """Pass an event on; a listener that fails has left."""
        if self.cancelled or self.over:
            return
        try:
            self.emit(event)
        except Exception:
            log.exception("the listener of essay %s failed", self.request.request_id)
            self.cancelled = True
