from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from simcord.env import Env
from simcord.http import router

from bot import limits
from bot.settings import Settings
from bot.store import Store
from tests.flow.fake_service import FakeService
from tests.flow.world import World


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Quick heartbeats, so that a crash is noticed at once."""
    return settings.model_copy(update={"heartbeat_seconds": 0.1, "stale_seconds": 0.3})


@pytest.fixture(autouse=True)
def limit_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse what Discord would refuse and discord.py lets pass."""
    dispatch = router.dispatch

    def checked(backend: Any, method: str, path: str, **more: Any) -> Any:
        check(method, path, more.get("json"))
        return dispatch(backend, method, path, **more)

    monkeypatch.setattr(router, "dispatch", checked)


def check(method: str, path: str, body: Any) -> None:
    if method == "PUT" and path.endswith("/commands"):
        limits.check_commands(body)
    elif re.fullmatch(r"/interactions/\d+/[^/]+/callback", path):
        data = body.get("data") or {}
        if body["type"] == 9:
            limits.check_modal(data)
        elif body["type"] == 8:
            limits.check_choices(data.get("choices", []))
        else:
            limits.check_message(data)
    elif method in ("POST", "PATCH") and ("/messages" in path or path.startswith("/webhooks/")):
        limits.check_message(body or {})


@pytest.fixture
def service() -> FakeService:
    """The generation service, with faults to choose."""
    return FakeService()


@pytest.fixture
async def world(
    settings: Settings, sqlite_store: Store, service: FakeService
) -> AsyncIterator[World]:
    """The bot, connected and at work."""
    made = World(settings, sqlite_store, service)
    await made.start()
    yield made
    await made.stop()
    made.env.raise_errors()


@pytest.fixture
def env(world: World) -> Iterator[Env]:
    """The simulated Discord; its presence gives the test its clock."""
    yield world.env
