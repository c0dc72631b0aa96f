"""The status messages in Discord: edited by the interaction's token, as the bot, or posted anew."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, cast

import discord
from discord.utils import utcnow

from bot import limits
from bot.cards import Card
from bot.delivery.ladder import TROUBLE, Maker, verdict
from bot.frontend import Undeliverable
from bot.sentences import Sentence
from bot.store.shapes import Request
from bot.verdicts import Verdict

#: How long a worker waits for the card that acknowledges a request.
ACK_SECONDS = limits.ACKNOWLEDGE_SECONDS
_REMEMBERED = 1000


class Messages:
    """Knows each request's status message, and the roads that lead to it."""

    def __init__(self, client: discord.Client) -> None:
        self._client = client
        self._acks: OrderedDict[int, asyncio.Future[int | None]] = OrderedDict()
        self._mute: OrderedDict[int, None] = OrderedDict()

    # The acknowledgement, which may come after the worker has begun.

    def acknowledged(self, request_id: int, message_id: int | None) -> None:
        """Take note of the message that acknowledged a request."""
        known = self._ack(request_id)
        if known.done():
            known = self._acks[request_id] = asyncio.get_running_loop().create_future()
        known.set_result(message_id)

    def withdrawn(self, request_id: int) -> None:
        """Say nothing about a request any more: its person has been answered otherwise."""
        self.acknowledged(request_id, None)
        self._mute[request_id] = None
        while len(self._mute) > _REMEMBERED:
            self._mute.popitem(last=False)

    def forgotten(self, request_ids: Iterable[int]) -> None:
        """Remember nothing of requests that are deleted."""
        for number in request_ids:
            self._acks.pop(number, None)
            self._mute.pop(number, None)

    def _ack(self, request_id: int) -> asyncio.Future[int | None]:
        known = self._acks.get(request_id)
        if known is None:
            known = self._acks[request_id] = asyncio.get_running_loop().create_future()
            while len(self._acks) > _REMEMBERED:
                self._acks.popitem(last=False)
        return known

    async def _acknowledgement(self, request: Request) -> int | None:
        # Not wait_for: in Python 3.11 it can swallow a cancellation.
        try:
            async with asyncio.timeout(ACK_SECONDS):
                return await asyncio.shield(self._ack(request.id))
        except TimeoutError:
            return None

    # The roads to a message.

    async def edit(self, request: Request, make: Maker, room: int) -> int | None:
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
        card = make(min(room, self.bot_room(request)))
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

    async def send(self, request: Request, make: Maker, room: int) -> int | None:
        """Edit a message, or post a new one where it cannot be edited any more."""
        try:
            return await self.edit(request, make, room)
        except discord.HTTPException as error:
            if verdict(error) is not Verdict.TOO_OLD:
                raise
            return await self._post_anew(request, make(min(room, self.bot_room(request))))

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

    def token_room(self, request: Request) -> int:
        """Return how many bytes one file may have in an edit by the token."""
        return request.upload_limit or limits.UPLOAD_DEFAULT

    def bot_room(self, request: Request) -> int:
        """Return how many bytes one file may have in what the bot posts by itself.

        The asker's own larger limit does not hold there.
        """
        guild = self._client.get_guild(request.guild_id) if request.guild_id else None
        own = guild.filesize_limit if guild is not None else limits.UPLOAD_DEFAULT
        return min(own, self.token_room(request))


def _changes(card: Card) -> dict[str, Any]:
    return {
        "content": None,
        "embed": card.embed,
        "view": card.view,
        "attachments": card.open_files(),
        "allowed_mentions": discord.AllowedMentions.none(),
    }
