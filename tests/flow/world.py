"""The whole bot against a simulated Discord: real discord.py, real store, real worker."""

from __future__ import annotations

import asyncio
import io
import re
import zipfile
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

import discord
from simcord.env import Env

from bot.app import GhostwriterBot, House, cancel
from bot.commands.sync import register
from bot.settings import Settings
from bot.store import Request, Store, utc_now
from models.client import GenerationClient

#: Long, for a busy machine; nobody waits for it where all is well.
PATIENCE = 60.0


class World:
    """One guild with a channel and two members, and a bot that can be killed and started."""

    def __init__(self, settings: Settings, store: Store, client: Any) -> None:
        self.settings = settings
        self.store = store
        self.client = client
        self.edit_interval = 0.05
        #: For how long the bot was dead, all in all; the store's clock went on.
        self.away = timedelta()
        store._db.clock = lambda: utc_now() + self.away
        self.bot = self._new_bot()
        self.env: Any = Env(self.bot, settle_timeout=30.0)

    @property
    def house(self) -> House:
        return self.bot.house

    async def start(self) -> None:
        await self.env.start()
        await register(self.bot.tree, None)
        # Any: what a test asserts is there, it need not narrow first.
        self.guild: Any = self.env.create_guild()
        self.channel: Any = self.guild.create_text_channel("general")
        self.alice: Any = self.guild.add_member(self.env.create_user("alice"))
        self.bob: Any = self.guild.add_member(self.env.create_user("bob"))
        await self._begin()

    async def stop(self) -> None:
        await self.house.end(grace=0.5)
        await self.env.shutdown()

    async def crash(self) -> None:
        """Die as by SIGKILL: nothing is finished, handed back or said; then start anew."""
        # The jobs first: the worker waits for them even when it is cancelled itself.
        await cancel([*self.house.worker._jobs, *self.house._tasks.values()])
        await self.house.front.close()
        await self.house.server.stop()
        self.away += timedelta(seconds=self.settings.stale_seconds + 1)
        self.bot = self._new_bot()
        await self.env.restart_bot(self.bot)
        await self._begin()

    async def restart(self, grace: float = 0.5) -> None:
        """Stop in order, and start anew."""
        await self.house.end(grace=grace)
        self.bot = self._new_bot()
        await self.env.restart_bot(self.bot)
        await self._begin()

    def _new_bot(self) -> GhostwriterBot:
        bot = GhostwriterBot(self.settings)
        client = cast(GenerationClient, self.client)
        bot.house = House(bot, self.store, client, edit_interval=self.edit_interval)
        return bot

    async def _begin(self) -> None:
        # Outside the bot's own scope, so that the simulator does not wait for the worker to rest;
        # inside its clock and transport, so that the worker's edits arrive.
        with self.env.time_context():
            await self.house.begin()
        await self.until(lambda: bool(self.house.styles.of("essay")))

    # Asking and looking.

    async def ask(self, member: Any, command: str, **options: Any) -> int:
        """Give a command and return the number of the request it made."""
        result = await member.slash(self.channel, command, **options)
        return self.number(result)

    def number(self, result: Any) -> int:
        """Read the number of the request off the card a person sees."""
        assert result.response is not None, "there is no answer"
        assert not result.ephemeral, result.response.content
        return card_number(result.response.message)

    async def request(self, number: int) -> Request:
        found = await self.store.requests.get(number)
        assert found is not None
        return found

    async def done(self, number: int) -> Request:
        """Wait until a request is over."""
        await self.until_async(lambda: self._is_over(number))
        return await self.request(number)

    async def _is_over(self, number: int) -> bool:
        return (await self.request(number)).is_final

    def message(self, request: Request) -> discord.Message:
        """Find the message that shows a request, as it is now."""
        found = [m for m in self.messages() if m.id == request.message_id]
        assert found, "the message is gone"
        return found[0]

    def messages(self) -> list[discord.Message]:
        return list(self.channel.history())

    def embed(self, request: Request) -> discord.Embed:
        return self.message(request).embeds[0]

    def has_message(self, request: Request) -> bool:
        return any(m.id == request.message_id for m in self.messages())

    async def until(self, true: Callable[[], bool]) -> None:
        async def ask() -> bool:
            return true()

        await self.until_async(ask)

    async def until_async(self, true: Callable[[], Any]) -> None:
        async with asyncio.timeout(PATIENCE):
            while not await true():
                await asyncio.sleep(0.01)


def card_number(message: discord.Message) -> int:
    footer = message.embeds[0].footer.text or ""
    match = re.search(r"(?:#|Nr\. |n° )(\d+)$", footer)
    assert match is not None, footer
    return int(match[1])


def buttons(message: discord.Message) -> dict[str, discord.Button]:
    """Name the buttons of a message by what they do."""
    found = {}
    for row in message.components:
        for child in cast(discord.ActionRow, row).children:
            assert isinstance(child, discord.Button) and child.custom_id is not None
            found[child.custom_id] = child
    return found


def acts(message: discord.Message) -> set[str]:
    """Name what the buttons of a card do."""
    return {custom_id.split(":")[1] for custom_id in buttons(message)}


async def essay(world: World, **options: Any) -> int:
    """Have an essay written; return its number."""
    number = await world.ask(world.alice, "essay", **{"topic": "the sea", "length": 200, **options})
    await world.done(number)
    return number


async def archive(message: Any) -> zipfile.ZipFile:
    """Open the archive that a message brought."""
    return zipfile.ZipFile(io.BytesIO(await message.attachments[0].read()))
