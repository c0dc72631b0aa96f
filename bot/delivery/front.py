"""What the worker says, as edits at a pace that Discord allows; then the end, once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from typing import Any, cast

import structlog

from bot import cards, limits, metrics
from bot.cards import Card
from bot.delivery.ladder import TROUBLE, descend, verdict
from bot.delivery.messages import Messages
from bot.files import existing
from bot.frontend import Result, Undeliverable
from bot.sentences import Sentence
from bot.store.shapes import Outcome, Request, utc_now
from bot.store.states import State
from bot.verdicts import Verdict
from bot.words import words
from models.contract import EssayDone, Progress

log = structlog.get_logger(__name__)


@dataclass
class _Line:
    """The state of one status message while its request is open."""

    pending: Callable[[], Card] | None = None
    shown: dict[str, Any] | None = None
    #: Loop time of the last edit; the card that opened it counts as one.
    edited: float = field(default_factory=lambda: asyncio.get_running_loop().time())
    closed: bool = False
    #: Whether text is being shown, which says more than a bar would.
    writing: bool = False
    pump: asyncio.Task[None] | None = None
    lock: asyncio.Lock = field(default_factory=asyncio.Lock)

    def take(self) -> Callable[[], Card] | None:
        """Take the last wish, unless the line was closed meanwhile."""
        wish, self.pending = self.pending, None
        return None if self.closed else wish


class DiscordFrontEnd:
    """Speaks to the people of Discord for the worker."""

    def __init__(self, messages: Messages, *, interval: float = limits.EDIT_INTERVAL) -> None:
        self._messages = messages
        self._interval = interval
        self._lines: dict[int, _Line] = {}

    def acknowledged(self, request_id: int, message_id: int | None) -> None:
        """Take note of the message that acknowledged a request."""
        self._messages.acknowledged(request_id, message_id)

    def withdrawn(self, request_id: int) -> None:
        """Say nothing about a request any more: its person has been answered otherwise."""
        self._messages.withdrawn(request_id)

    def forgotten(self, request_ids: Iterable[int]) -> None:
        """Remember nothing of requests that are deleted."""
        self._messages.forgotten(request_ids)

    async def close(self) -> None:
        """Stop the edits that still wait for their turn."""
        pumps = [line.pump for line in self._lines.values() if line.pump is not None]
        for pump in pumps:
            pump.cancel()
        await asyncio.gather(*pumps, return_exceptions=True)

    # What the worker says.

    async def queued(self, request: Request, place: int, eta: float | None) -> None:
        """Show the place in the queue."""
        self._show(request, lambda: cards.queued(words(request.locale), request, place, eta))

    async def started(self, request: Request) -> None:
        """Show that work has begun, perhaps again."""
        if request.started_at is not None:
            waited = (request.started_at - request.created_at).total_seconds()
            metrics.WAITED.labels(request.kind).observe(waited)
        self._line(request).writing = False
        self._show(request, lambda: cards.started(words(request.locale), request))

    async def progress(self, request: Request, progress: Progress) -> None:
        """Show how far it is; once there is text, the text shows it."""
        if self._line(request).writing:
            return
        self._show(request, lambda: cards.working(words(request.locale), request, progress))

    async def text(self, request: Request, so_far: str) -> None:
        """Show the text so far."""
        self._line(request).writing = True
        self._show(request, lambda: cards.writing(words(request.locale), request, so_far))

    async def deliver(self, request: Request, result: Result) -> int | None:
        """Turn the status message into the result; the same again changes nothing."""
        say = words(request.locale)
        outcome = result.outcome

        def make(room: int) -> Card:
            return cards.result(say, request, outcome, existing(result.artifacts), room=room)

        send = partial(self._messages.send, request)
        room = self._messages.token_room(request)
        line = self._close(request)
        async with line.lock:
            message_id = await descend(say, request, make, send, room=room)
        _measure(request, outcome)
        return message_id

    async def failed(self, request: Request, sentence: str, *, refused: bool = False) -> None:
        """Show why there is no result."""
        metrics.FINISHED.labels(request.kind, "failed").inc()
        reason = sentence.key if isinstance(sentence, Sentence) else "other"
        metrics.FAILED.labels(request.kind, reason).inc()
        await self._end(
            request, cards.ended(words(request.locale), request, State.FAILED, sentence)
        )

    async def cancelled(self, request: Request) -> None:
        """Show that it was stopped."""
        metrics.FINISHED.labels(request.kind, "cancelled").inc()
        await self._end(request, cards.cancelled(words(request.locale), request))

    # How it is said: status first.

    def _show(self, request: Request, make: Callable[[], Card]) -> None:
        """Edit soon; of several wishes within the interval only the last is shown."""
        line = self._line(request)
        if line.closed:
            return
        line.pending = make
        if line.pump is None or line.pump.done():
            line.pump = asyncio.create_task(self._pump(request, line), name=f"card {request.id}")

    def _line(self, request: Request) -> _Line:
        if request.id not in self._lines:
            self._lines[request.id] = _Line()
        return self._lines[request.id]

    async def _pump(self, request: Request, line: _Line) -> None:
        loop = asyncio.get_running_loop()
        while line.pending is not None:
            await asyncio.sleep(max(0.0, line.edited + self._interval - loop.time()))
            async with line.lock:
                make = line.take()
                if make is None:
                    return
                await self._try_status(request, line, make())
                line.edited = loop.time()

    async def _try_status(self, request: Request, line: _Line, card: Card) -> None:
        """Make one status edit; what comes of it must not disturb the request."""
        face = card.embed.to_dict()
        if cast(dict[str, Any], face) == line.shown:
            return
        try:
            await self._messages.edit(request, lambda _: card, 0)
            line.shown = cast(dict[str, Any], face)
        except Undeliverable:
            line.closed = True  # no more status; the result still tries its own way
        except TROUBLE as error:
            found = verdict(error)
            metrics.DISCORD_ERRORS.labels(found.name).inc()
            log.info("status edit failed", request=request.id, verdict=found.name)
            line.closed = found not in (Verdict.AWAY, Verdict.TOO_LARGE)

    # Then the end.

    def _close(self, request: Request) -> _Line:
        line = self._lines.pop(request.id, None) or _Line()
        line.closed, line.pending = True, None
        return line

    async def _end(self, request: Request, card: Card) -> None:
        line = self._close(request)
        async with line.lock:
            try:
                await self._messages.edit(request, lambda _: card, 0)
            except Undeliverable:
                log.info("nowhere to say how it ended", request=request.id)
            except TROUBLE as error:
                log.warning("end not shown", request=request.id, verdict=verdict(error).name)


def _measure(request: Request, outcome: Outcome) -> None:
    metrics.FINISHED.labels(request.kind, "done").inc()
    metrics.MADE.labels(request.kind).observe((utc_now() - request.created_at).total_seconds())
    if isinstance(outcome, EssayDone) and outcome.seconds > 0:
        metrics.RATE.set(outcome.tokens / outcome.seconds)
