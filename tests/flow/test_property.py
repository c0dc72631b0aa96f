"""Random lives of the bot: whatever people, Discord, the service and crashes do, nothing is lost.

Each accepted request ends in exactly one final state, is shown by at most one result, and nobody
sees anything of another guild.
"""

from __future__ import annotations

import asyncio
import itertools
import re
import shutil
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from simcord.backend.errors import SetupError

from bot.delivery import ladder
from bot.settings import Settings
from bot.store import State, Store
from models.client import GenerationBusy, GenerationUnavailable
from tests.flow.fake_service import FakeService
from tests.flow.world import World, acts, buttons, card_number

ACTIONS = (
    *("essay", "beat", "album", "continue", "again", "vary", "edit", "file", "cancel"),
    *("show", "mine", "delete", "rate", "tick"),
)
FAULTS = ("crash", "restart", "service_down", "service_full", "dead_token", "outage", "too_large")
STEPS = st.lists(
    st.tuples(st.sampled_from(ACTIONS + FAULTS), st.integers(0, 3)), min_size=4, max_size=14
)


class Life:
    """Two guilds with two people each, and everything that may happen to them."""

    def __init__(self, world: World, service: FakeService) -> None:
        self.world = world
        self.service = service
        there = world.env.create_guild("Elsewhere")
        place = there.create_text_channel("general")
        carol, dave = (there.add_member(world.env.create_user(n)) for n in ("carol", "dave"))
        self.people = [
            (world.alice, world.channel),
            (world.bob, world.channel),
            (carol, place),
            (dave, place),
        ]
        self.topics = itertools.count()
        #: Messages that /show made.
        self.copies: set[int] = set()
        #: Messages that people wrote.
        self.said: set[int] = set()
        #: Requests whose card somebody deleted.
        self.deleted: set[int] = set()

    async def step(self, what: str, who: int) -> None:
        """Do one thing; a click that no client offers is simply not made."""
        person, channel = self.people[who]
        act: Callable[..., Awaitable[Any]] = getattr(self, f"_{what}", self._click)
        try:
            await act(what, person, channel)
        except SetupError:
            return

    async def _essay(self, _: str, person: Any, channel: Any) -> None:
        # The topic names the guild: if it is ever seen elsewhere, we know.
        topic = f"secret of {channel.id} number {next(self.topics)}"
        await person.slash(channel, "essay", topic=topic, length=200)

    async def _beat(self, _: str, person: Any, channel: Any) -> None:
        await person.slash(channel, "beat", bars=4)

    async def _album(self, _: str, person: Any, channel: Any) -> None:
        title = f"secret of {channel.id} number {next(self.topics)}"
        await person.slash(channel, "album", title=title, tracks=3)

    async def _continue(self, _: str, person: Any, channel: Any) -> None:
        said = f"The secret of {channel.id} number {next(self.topics)} is this."
        message = await person.send(channel, said)
        self.said.add(message.id)
        await person.context_menu(channel, "Continue as essay", message)

    async def _edit(self, _: str, person: Any, channel: Any) -> None:
        form = await self._click("edit", person, channel)
        if form is not None and form.modal is not None:
            fields = [f for row in form.modal["components"] for f in row["components"]]
            await person.submit_modal(form, {f["custom_id"]: f.get("value") or "" for f in fields})

    async def _mine(self, _: str, person: Any, channel: Any) -> None:
        await person.slash(channel, "mine")
        await person.autocomplete(channel, "show", "number", "")

    async def _show(self, _: str, person: Any, channel: Any) -> None:
        for number in range(1, 6):
            result = await person.slash(channel, "show", number=number)
            request = await self.world.store.requests.get(number)
            if request is not None and request.guild_id != person.guild.id:
                assert result.ephemeral and not result.response.embeds
            elif not result.ephemeral:
                self.copies.add(result.response.id)

    async def _click(self, what: str, person: Any, channel: Any) -> Any:
        for message in list(channel.history()):
            act = {"rate": "up"}.get(what, what)
            for custom_id in buttons(message):
                if custom_id.split(":")[1] == act:
                    result = await person.click(message, custom_id=custom_id)
                    if message.id not in {m.id for m in channel.history()}:
                        self.deleted.add(int(custom_id.split(":")[2]))
                    return result
        return None

    async def _tick(self, *_: Any) -> None:
        self.service.go.clear() if self.service.go.is_set() else self.service.go.set()
        await asyncio.sleep(0.1)

    async def _crash(self, *_: Any) -> None:
        await self.world.crash()

    async def _restart(self, *_: Any) -> None:
        await self.world.restart()

    async def _service_down(self, *_: Any) -> None:
        self.service.faults.append(GenerationUnavailable("The model service stopped."))

    async def _service_full(self, *_: Any) -> None:
        self.service.faults.append(GenerationBusy(retry_after=0.2))

    async def _dead_token(self, *_: Any) -> None:
        self._refuse("/webhooks/*", 401, 50027)

    async def _outage(self, *_: Any) -> None:
        self._refuse("*", 503, 0)

    async def _too_large(self, *_: Any) -> None:
        self._refuse("*", 413, 40005)

    def _refuse(self, path: str, status: int, code: int) -> None:
        self.world.env.inject_error("PATCH", path, status=status, code=code, times=2)

    async def settle(self) -> list[Any]:
        """Let everything come to its end; return all requests."""
        self.world.env.backend.faults.clear()
        self.service.faults.clear()
        self.service.go.set()
        found: list[Any] = []
        while await self.world.store.requests.get(len(found) + 1) is not None:
            found.append(await self.world.done(len(found) + 1))
        return found

    def check(self, requests: list[Any]) -> None:
        """Look at every message: each request has one card of its own, and at most one result."""
        own: Counter[int] = Counter()
        finals: Counter[int] = Counter()
        for _, channel in self.people[::2]:
            for message in channel.history():
                if message.id in self.copies | self.said:
                    continue
                own[card_number(message)] += 1
                finals[card_number(message)] += "again" in acts(message)
        assert all(count == 1 for count in own.values())
        assert all(count <= 1 for count in finals.values())
        assert set(own) - self.deleted == {request.id for request in requests} - self.deleted
        told = {State.DONE, State.FAILED, State.CANCELLED, State.REFUSED}
        for request in requests:
            if request.id not in self.deleted and request.state in told:
                assert finals[request.id] == 1, request.state

    def check_walls(self) -> None:
        """Look at all that was ever sent, to whomever: it is of the place it was sent to."""
        backend = self.world.env.backend
        for sent in self.world.env.http_requests:
            token = re.search(r"simcord_interaction_\d+", sent.path)
            if token is None:
                continue
            place = backend.interactions[backend.interaction_tokens[token[0]]].channel_id
            secrets = re.findall(r"secret of (\d+)", str(sent.json))
            assert {int(secret) for secret in secrets} <= {place}, sent.path


async def live(steps: list[tuple[str, int]], template: Path, folder: Path) -> None:
    (folder / "data").mkdir()
    shutil.copy(template, folder / "data" / "ghostwriter.db")
    store = await Store.open(f"sqlite+aiosqlite:///{folder / 'data' / 'ghostwriter.db'}")
    service = FakeService()
    chosen = Settings(
        _env_file=None,  # type: ignore[call-arg]
        data_dir=folder / "data",
        health_port=0,
        heartbeat_seconds=0.2,
        stale_seconds=3.0,
        user_open_limit=20,
    )
    world = World(chosen, store, service)
    await world.start()
    life = Life(world, service)
    try:
        for what, who in steps:
            await life.step(what, who)
        requests = await life.settle()
        life.check(requests)
        life.check_walls()
        for request in requests:
            ends = [
                e.new for e in await store.requests.events(request.id) if e.new == request.state
            ]
            assert request.is_final and len(ends) == 1
    finally:
        await world.stop()
        await store.close()


@given(STEPS)
@settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_nothing_is_lost_doubled_or_seen_elsewhere(
    sqlite_template: Path, monkeypatch: pytest.MonkeyPatch, steps: list[tuple[str, int]]
) -> None:
    monkeypatch.setattr(ladder, "AWAY_PAUSES", (0.0, 0.0))
    monkeypatch.setattr("bot.worker.RETRY_SECONDS", 0.1)
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(live(steps, sqlite_template, Path(folder)))
