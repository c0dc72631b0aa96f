from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from typing import Any
from urllib.parse import unquote

import discord
import pytest
import structlog
from simcord import interactions
from simcord.env import Env
from simcord.http import router

from bot import limits
from bot.commands import submit
from bot.commands.common import Refusal
from bot.sentences import Objection
from bot.settings import Settings
from bot.store import Store
from tests.flow.fake_service import FakeService
from tests.flow.world import World


@pytest.fixture
def settings(settings: Settings) -> Settings:
    """Quick heartbeats, so that a crash is noticed at once."""
    return settings.model_copy(update={"heartbeat_seconds": 0.2, "stale_seconds": 3.0})


@pytest.fixture(autouse=True, scope="session")
def plain_logs() -> None:
    """Log short and plain: pretty tracebacks take seconds."""
    renderer = structlog.dev.ConsoleRenderer(
        colors=False, exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, renderer])


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """Do not say “thinking” just because the machine that tests is slow."""
    monkeypatch.setattr(submit, "ADMISSION_SECONDS", 5.0)


@pytest.fixture(autouse=True)
def limit_checks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Refuse what Discord would refuse and discord.py lets pass."""
    dispatch = router.dispatch

    def checked(backend: Any, method: str, path: str, **more: Any) -> Any:
        path = unquote(path)  # as every web server does
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


@pytest.fixture(autouse=True)
def client_says(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What a person's client sends along: a test may set locale, attachment_size_limit …"""
    said: dict[str, Any] = {}
    build = interactions.base_payload

    def dressed(*args: Any, **more: Any) -> Any:
        record, payload = build(*args, **more)
        payload.update(said)
        return record, payload

    monkeypatch.setattr(interactions, "base_payload", dressed)
    return said


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
    unexpected = [error for error in made.env.errors if not is_refusal(error)]
    assert not unexpected


def is_refusal(error: BaseException) -> bool:
    """Say whether an error is a plain "no" that its person has read, or Discord's own."""
    cause = getattr(error, "original", error)
    own = isinstance(cause, discord.DiscordServerError)
    return own or isinstance(cause, Refusal | Objection) or getattr(cause, "code", None) == 10062


@pytest.fixture
def env(world: World) -> Iterator[Env]:
    """The simulated Discord; its presence gives the test its clock."""
    yield world.env
