"""The only voice back to Discord: edits of one status message, from "queued" to the result."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import aiohttp
import discord
import structlog
from discord.utils import utcnow

from bot import cards, limits, metrics
from bot.cards import Card
from bot.frontend import Result, Undeliverable
from bot.sentences import Sentence
from bot.store.shapes import Outcome, Request, utc_now
from bot.store.states import State
from bot.verdicts import Verdict, judge
from bot.words import Words, words
from models.contract import EssayDone, Progress

log = structlog.get_logger(__name__)

#: How long a worker waits for the card that acknowledges a request.
ACK_SECONDS = limits.ACKNOWLEDGE_SECONDS
#: Pauses before another try when Discord is away; discord.py has tried five times by then.
AWAY_PAUSES = (1.0, 4.0)
_REMEMBERED = 1000


#: What an edit may raise: Discord's answers, or the lack of one.
TROUBLE = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError)


#: Makes the card for files of at most so many bytes.
Maker = Callable[[int], Card]


def verdict(error: Exception) -> Verdict:
    """Say what an error means; without an answer, Discord counts as away."""
    if isinstance(error, discord.HTTPException):
        return judge(error.code, error.status)
    return Verdict.AWAY


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

    def __init__(self, client: discord.Client, *, interval: float = limits.EDIT_INTERVAL) -> None:
        self._client = client
        self._interval = interval
        self._lines: dict[int, _Line] = {}
        self._acks: OrderedDict[int, asyncio.Future[int | None]] = OrderedDict()
        self._mute: OrderedDict[int, None] = OrderedDict()

    def acknowledged(self, request_id: int, message_id: int | None) -> None:
        """Take note of the message that acknowledged a request."""
        known = self._ack(request_id)
        if not known.done():
            known.set_result(message_id)

    def withdrawn(self, request_id: int) -> None:
        """Say nothing about a request any more: its person has been answered otherwise."""
        self.acknowledged(request_id, None)
        self._mute[request_id] = None
        while len(self._mute) > _REMEMBERED:
            self._mute.popitem(last=False)

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
            return cards.result(say, request, outcome, cards.existing(result.artifacts), room=room)

        async def send(maker: Maker, room: int) -> int | None:
            try:
                return await self._edit(request, maker, room)
            except discord.HTTPException as error:
                if verdict(error) is not Verdict.TOO_OLD:
                    raise
                return await self._post_anew(request, maker(min(room, self._bot_room(request))))

        line = self._close(request)
        async with line.lock:
            message_id = await descend(say, request, make, send, room=self._token_room(request))
        _measure(request, outcome)
        return message_id

    async def failed(self, request: Request, sentence: str) -> None:
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
            await self._edit(request, lambda _: card, 0)
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
                await self._edit(request, lambda _: card, 0)
            except Undeliverable:
                log.info("nowhere to say how it ended", request=request.id)
            except TROUBLE as error:
                log.warning("end not shown", request=request.id, verdict=verdict(error).name)

    # The two roads to a message.

    async def _edit(self, request: Request, make: Maker, room: int) -> int | None:
        """Edit by the interaction's token while it lives, afterwards as the bot."""
        if request.id in self._mute:
            raise Undeliverable(Sentence("nowhere", id=request.id))
        message_id = request.message_id or await self._acknowledgement(request)
        if request.token_alive(utcnow()):
            try:
                return await self._edit_by_token(request, make(room), message_id)
            except discord.HTTPException as error:
                if verdict(error) is not Verdict.DEAD_TOKEN:
                    raise
        card = make(min(room, self._bot_room(request)))
        return await self._edit_as_bot(request, card, message_id)

    async def _edit_by_token(
        self, request: Request, card: Card, message_id: int | None
    ) -> int | None:
        application, token = self._client.application_id, request.interaction_token
        assert application is not None and token is not None
        webhook = discord.Webhook.partial(application, token, client=self._client)
        # The route takes "@original" as well; discord.py's annotation knows only numbers.
        target = message_id if message_id is not None else cast(int, "@original")
        message = await webhook.edit_message(target, **_changes(card))
        return message.id

    async def _edit_as_bot(
        self, request: Request, card: Card, message_id: int | None
    ) -> int | None:
        channel = self._channel(request)
        if channel is None or message_id is None:
            raise Undeliverable(Sentence("nowhere", id=request.id))
        message = await channel.get_partial_message(message_id).edit(**_changes(card))
        return message.id

    async def _post_anew(self, request: Request, card: Card) -> int | None:
        """Post a message of its own; the nonce lets Discord drop a second one."""
        channel = self._channel(request)
        if channel is None:
            raise Undeliverable(Sentence("nowhere", id=request.id))
        try:
            message = await channel.send(
                embed=card.embed,
                files=card.open_files(),
                view=card.view or discord.utils.MISSING,
                nonce=request.nonce,
            )
        except TROUBLE as error:
            raise Undeliverable(Sentence("nowhere", id=request.id)) from error
        return message.id

    def _channel(self, request: Request) -> discord.PartialMessageable | None:
        """Find the channel if the bot itself may be there: a guild it is in, or a DM."""
        if request.channel_id is None:
            return None
        if request.guild_id is not None and self._client.get_guild(request.guild_id) is None:
            return None
        return self._client.get_partial_messageable(request.channel_id, guild_id=request.guild_id)

    def _token_room(self, request: Request) -> int:
        return request.upload_limit or limits.UPLOAD_DEFAULT

    def _bot_room(self, request: Request) -> int:
        """The asker's own larger limit does not hold for what the bot posts by itself."""
        guild = self._client.get_guild(request.guild_id) if request.guild_id else None
        own = guild.filesize_limit if guild is not None else limits.UPLOAD_DEFAULT
        return min(own, self._token_room(request))

    # The acknowledgement, which may come after the worker has begun.

    def _ack(self, request_id: int) -> asyncio.Future[int | None]:
        known = self._acks.get(request_id)
        if known is None:
            known = self._acks[request_id] = asyncio.get_running_loop().create_future()
            while len(self._acks) > _REMEMBERED:
                self._acks.popitem(last=False)
        return known

    async def _acknowledgement(self, request: Request) -> int | None:
        try:
            return await asyncio.wait_for(asyncio.shield(self._ack(request.id)), ACK_SECONDS)
        except TimeoutError:
            return None


async def descend(
    say: Words,
    request: Request,
    make: Maker,
    send: Callable[[Maker, int], Awaitable[int | None]],
    *,
    room: int,
) -> int | None:
    """Send a result until it holds: each refusal of Discord's takes something away.

    ``room`` is what one file may have, in bytes. Raise Undeliverable when nothing helps.
    """
    pauses = list(AWAY_PAUSES)
    tried: set[Verdict] = set()
    for _ in range(len(Verdict) + limits.FILES):
        try:
            return await send(make, room)
        except TROUBLE as error:
            found = verdict(error)
            metrics.DISCORD_ERRORS.labels(found.name).inc()
            log.warning("delivery refused", request=request.id, verdict=found.name)
            if found is Verdict.AWAY and pauses:
                await asyncio.sleep(pauses.pop(0))
            elif found is Verdict.TOO_LARGE and make(room).files:
                room = max(file.size for file in make(room).files) - 1
            elif found in tried or found not in _INSTEAD:
                break
            else:
                tried.add(found)
                make = _INSTEAD[found](say, request, make)
    raise Undeliverable(Sentence("nowhere", id=request.id))


def _without_files(say: Words, request: Request, make: Maker) -> Maker:
    return lambda _: cards.without_files(say, request, make(0), "card.refused_files")


def _blocked(say: Words, request: Request, _: Maker) -> Maker:
    return lambda _: cards.blocked(say, request)


def _bare(say: Words, request: Request, _: Maker) -> Maker:
    """Say where the result is, in the simplest card there is."""
    sentence = Sentence("nowhere", id=request.id)
    return lambda _: cards.ended(say, request, State.EXPIRED, sentence)


#: What is shown in place of what Discord refused.
_INSTEAD: Mapping[Verdict, Callable[[Words, Request, Maker], Maker]] = {
    Verdict.TOO_LARGE: _without_files,
    Verdict.NO_FILES: _without_files,
    Verdict.BLOCKED: _blocked,
    Verdict.INVALID: _bare,
}


def _measure(request: Request, outcome: Outcome) -> None:
    metrics.FINISHED.labels(request.kind, "done").inc()
    metrics.MADE.labels(request.kind).observe((utc_now() - request.created_at).total_seconds())
    if isinstance(outcome, EssayDone) and outcome.seconds > 0:
        metrics.RATE.set(outcome.tokens / outcome.seconds)


def _changes(card: Card) -> dict[str, Any]:
    return {
        "content": None,
        "embed": card.embed,
        "view": card.view,
        "attachments": card.open_files(),
        "allowed_mentions": discord.AllowedMentions.none(),
    }
