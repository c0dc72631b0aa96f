"""The bot: wires the rooms behind it, starts them and stops them in order."""

from __future__ import annotations

import asyncio
import math
import signal
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager

import discord
import structlog

from bot import metrics
from bot.admission import Admission
from bot.buttons import ResultButton
from bot.commands import all_commands
from bot.commands.about import AboutButton
from bot.commands.common import INTENTS, Interaction, Refusal
from bot.commands.edit import FORM_ID, take_edit
from bot.commands.errors import Tree, guarded
from bot.commands.menu import Translator
from bot.commands.mine import MineButton
from bot.commands.privacy import PrivacyButton
from bot.commands.run_buttons import RunButton, VersionButton
from bot.commands.run_card import RunCards
from bot.commands.style_buttons import LABELS_ID, StyleButton, take_labels
from bot.delivery import DiscordFrontEnd, Messages
from bot.extras import Extras
from bot.files import Shelf
from bot.health import Health, HealthServer, LoopWatch, service_check, store_check
from bot.limits import EDIT_INTERVAL
from bot.outlook import Forecast
from bot.reflexes import settle
from bot.runs import RunKeeper
from bot.service_process import generation_url
from bot.settings import Settings
from bot.store import State, Store
from bot.styles import Styles
from bot.sweeper import Sweeper
from bot.worker import Worker
from models.client import GenerationClient

log = structlog.get_logger(__name__)

ORIGIN = "discord"
#: What work gets after SIGTERM before it is handed back; with the rest it stays below 10 s.
GRACE_SECONDS = 6.0
#: A gateway whose last heartbeat took this long is not answering any more.
LATENCY_SECONDS = 30.0
BUTTONS = (
    ResultButton,
    AboutButton,
    MineButton,
    PrivacyButton,
    StyleButton,
    RunButton,
    VersionButton,
)


class House:
    """The rooms a request goes through behind the bot, wired but not yet at work."""

    def __init__(
        self,
        bot: GhostwriterBot,
        store: Store,
        client: GenerationClient,
        *,
        edit_interval: float = EDIT_INTERVAL,
    ) -> None:
        settings = bot.settings
        forecast = Forecast(store, settings.workers)
        self.settings = settings
        self.store = store
        self.client = client
        self.styles = Styles(client)
        self.admission = Admission(store, self.styles, settings, forecast)
        self.front = DiscordFrontEnd(Messages(bot), interval=edit_interval)
        self.worker = Worker(store, client, {ORIGIN: self.front}, settings, forecast=forecast)
        self.extras = Extras(store, client, Shelf(settings.artifacts_dir))
        self.keeper = RunKeeper(store, client, settings, RunCards(bot))
        self.corpus = self.keeper.corpus
        self.registry = self.keeper.registry
        self.sweeper = Sweeper(store, Shelf(settings.artifacts_dir), settings.artifact_days)
        self.health = Health(
            {
                "gateway": bot.check_gateway,
                "worker": self._check_worker,
                "database": store_check(store),
                "service": service_check(client),
            }
        )
        self.server = HealthServer(self.health, self._measure, settings)
        self.closing = False
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def begin(self) -> None:
        """Set everything to work."""
        await self.server.start()
        for name, work in (
            ("styles", self.styles.keep()),
            ("worker", self.worker.run()),
            ("runs", self.keeper.run()),
            ("sweeper", self.sweeper.run()),
            ("forgetting", self.sweeper.forget_the_late()),
            ("loop watch", LoopWatch().run()),
        ):
            self._tasks[name] = asyncio.create_task(work, name=name)

    async def end(self, grace: float = GRACE_SECONDS) -> None:
        """Take nothing new, finish or hand back what is under way, and rest."""
        self.closing = True
        await self.worker.stop(grace)
        if "worker" in self._tasks:
            # It ends by itself; cancelled between two statements it would leave a transaction.
            await asyncio.wait({self._tasks["worker"]}, timeout=1)
        await cancel(self._tasks.values())
        await self.front.close()
        await self.server.stop()

    async def _check_worker(self) -> str | None:
        for name, task in self._tasks.items():
            if task.done() and not self.closing:
                return f"The part “{name}” has ended."
        return "The worker does not move." if self.worker.stuck else None

    async def _measure(self) -> None:
        metrics.BUSY.set(self.worker.busy)
        counted = await self.store.requests.depth()
        for state in State:  # also those that nothing is in any more
            metrics.DEPTH.labels(state.value).set(counted.get(state, 0))


async def cancel(tasks: Iterable[asyncio.Task[None]]) -> None:
    """Cancel tasks until they have ended.

    Python 3.11's ``wait_for`` loses a cancellation that comes at the moment of its success.
    """
    left = set(tasks)
    while left:
        for task in left:
            task.cancel()
        ended, left = await asyncio.wait(left, timeout=0.5)
        for task in ended:
            if not task.cancelled() and (error := task.exception()) is not None:
                log.error("a task broke", task=task.get_name(), exc_info=error)


@asynccontextmanager
async def open_house(bot: GhostwriterBot) -> AsyncIterator[House]:
    """Open the store, the service and the client, and close them in the other order."""
    async with AsyncExitStack() as stack:
        store = await Store.open(bot.settings.database)
        stack.push_async_callback(store.close)
        url = await stack.enter_async_context(generation_url(bot.settings))
        client = GenerationClient(url)
        stack.push_async_callback(client.aclose)
        yield House(bot, store, client)


class GhostwriterBot(discord.Client):
    """Ghostwriter on Discord. A house given to it is somebody else's to open and close."""

    def __init__(self, settings: Settings) -> None:
        super().__init__(
            intents=INTENTS,
            allowed_mentions=discord.AllowedMentions.none(),
            max_messages=None,
        )
        self.settings = settings
        self.tree = Tree(self)
        self._house: House | None = None
        self._stack = AsyncExitStack()
        for command in all_commands():
            self.tree.add_command(command)

    @property
    def house(self) -> House:
        """The rooms behind; refuse while they are not open."""
        if self._house is None:
            raise Refusal("reply.starting")
        return self._house

    @house.setter
    def house(self, house: House) -> None:
        self._house = house

    @property
    def owner_ids(self) -> frozenset[int]:
        """Who owns the application: one person, or the members of a team who accepted."""
        application = self.application
        if application is None:
            return frozenset()
        if application.team is None:
            return frozenset({application.owner.id})
        accepted = discord.TeamMembershipState.accepted
        members = application.team.members
        return frozenset(m.id for m in members if m.membership_state is accepted)

    async def setup_hook(self) -> None:
        """Wire everything once, before the first connection."""
        self.add_dynamic_items(*BUTTONS)
        await self.tree.set_translator(Translator())
        if self._house is None:
            house = await self._stack.enter_async_context(open_house(self))
            self._stack.push_async_callback(house.end)
            self._house = house
            await house.begin()

    async def on_ready(self) -> None:
        """Log the connection; it comes again after every reconnection, so it does nothing else."""
        log.info("connected", user=str(self.user), guilds=len(self.guilds))

    async def on_interaction(self, interaction: Interaction) -> None:
        """Take in what forms send: they are stateless, so discord.py does not know them."""
        if interaction.type is not discord.InteractionType.modal_submit or not interaction.data:
            return
        form = str(interaction.data.get("custom_id", ""))
        if (match := FORM_ID.fullmatch(form)) is not None:
            number = int(match["id"])
            await guarded(interaction, lambda given: take_edit(given, number))
        elif (match := LABELS_ID.fullmatch(form)) is not None:
            style = int(match["style"])
            await guarded(interaction, lambda given: take_labels(given, style))

    async def on_guild_remove(self, guild: discord.Guild) -> None:
        """Drop the settings of a guild we have left."""
        await self.house.store.guilds.forget(guild.id)

    async def check_gateway(self) -> str | None:
        """Say what is wrong with the connection to Discord."""
        if self.is_closed() or not self.is_ready():
            return "There is no connection to Discord."
        if math.isfinite(self.latency) and self.latency > LATENCY_SECONDS:
            return f"Discord has not answered a heartbeat for {self.latency:.0f} s."
        return None

    async def close(self) -> None:
        """End the work first, while results can still be shown, then the connection."""
        try:
            if not self.is_closed():
                await self._stack.aclose()
        finally:
            await super().close()


async def run(settings: Settings) -> int:
    """Connect and serve until SIGTERM or SIGINT; return the exit code."""
    token = settings.token()
    if token is None:
        return 2
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with GhostwriterBot(settings) as bot:
        settle()
        serving = asyncio.create_task(bot.start(token), name="gateway")
        stopping = asyncio.create_task(stop.wait(), name="signal")
        await asyncio.wait({serving, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        await bot.close()
        await asyncio.wait({serving}, timeout=1)
        serving.cancel()  # it may be waiting for the models still
        try:
            await serving
        except asyncio.CancelledError:
            if not serving.cancelled():
                raise
            log.info("stopped before it was connected")
        except discord.LoginFailure:
            sys.stderr.write("Discord does not accept the token; check DISCORD_TOKEN.\n")
            return 2
    return 0
