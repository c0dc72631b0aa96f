"""The ladder down which a result goes: each refusal of Discord's takes something away."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping

import aiohttp
import discord
import structlog

from bot import cards, limits, metrics
from bot.cards import Card
from bot.frontend import Undeliverable
from bot.sentences import Sentence
from bot.store.shapes import Request
from bot.store.states import State
from bot.verdicts import Verdict, judge
from bot.words import Words

log = structlog.get_logger(__name__)

#: Pauses before another try when Discord is away; discord.py has tried five times by then.
AWAY_PAUSES = (1.0, 4.0)
#: What an edit may raise: Discord's answers, or the lack of one.
TROUBLE = (discord.HTTPException, discord.RateLimited, aiohttp.ClientError, OSError, TimeoutError)

#: Makes the card for files of at most so many bytes.
Maker = Callable[[int], Card]


def verdict(error: Exception) -> Verdict:
    """Say what an error means; without an answer, Discord counts as away."""
    if isinstance(error, discord.HTTPException):
        return judge(error.code, error.status)
    return Verdict.AWAY


async def descend(
    say: Words,
    request: Request,
    make: Maker,
    send: Callable[[Maker, int], Awaitable[int | None]],
    *,
    room: int,
) -> int | None:
    """Send a result until it holds; raise Undeliverable when nothing helps.

    ``room`` is what one file may have, in bytes.
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
