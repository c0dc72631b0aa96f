"""``run`` itself, over real sockets: from the gateway's hello to SIGTERM."""

from __future__ import annotations

import asyncio
import io
import os
import signal
import socket
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import discord
import pytest
import yarl
from pydantic import SecretStr

from bot import app, limits
from bot.commands import all_commands
from bot.commands.checkup import NEEDED, inspect
from bot.commands.sync import sync
from bot.settings import Settings
from bot.store import Request, State, Store
from tests.flow.fake_service import FakeService
from tests.flow.loopback import GUILD, Loopback, answer

ALL = ", ".join(sorted(command.name for command in all_commands()))
RUN_SYNC = "Run “python -m bot sync”."


@pytest.fixture
async def server(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Loopback]:
    """A Discord of our own, with nobody connected."""
    made = Loopback()
    await made.start()
    monkeypatch.setattr(discord.http.Route, "BASE", f"http://127.0.0.1:{made.port}/api/v10")
    gateway = yarl.URL(f"ws://127.0.0.1:{made.port}/gateway/")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", gateway)
    yield made
    await made.stop()


@pytest.fixture
async def loopback(
    server: Loopback,
    settings: Settings,
    sqlite_store: Store,
    service: FakeService,
    monkeypatch: pytest.MonkeyPatch,
) -> AsyncIterator[Loopback]:
    """The same with a running bot connected to it."""
    monkeypatch.setattr(app, "GenerationClient", lambda _: service)
    settled: list[bool] = []  # it would be for the whole process, and for good
    monkeypatch.setattr(app, "settle", lambda: settled.append(server.identified.is_set()))
    changed = {"discord_token": SecretStr("a.b.c"), "generation_url": "http://unused"}
    changed |= {"health_port": _free_port()}
    given = settings.model_copy(update=changed)
    server.health_port = given.health_port
    running = asyncio.create_task(app.run(given))
    try:
        await asyncio.wait_for(server.identified.wait(), 30)
        assert settled == [False]
        yield server
        os.kill(os.getpid(), signal.SIGTERM)
        began = time.monotonic()
        assert await asyncio.wait_for(running, 30) == 0
        assert time.monotonic() - began < 10
    finally:
        running.cancel()


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not true():
            await asyncio.sleep(0.01)


@pytest.mark.usefixtures("sqlite_store")
async def test_a_stop_while_the_models_are_loaded_is_heard(
    server: Loopback, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    @asynccontextmanager
    async def loading(_: Settings) -> AsyncIterator[str]:
        begun.set()
        try:
            await asyncio.Event().wait()
            yield "http://unused"
        finally:
            ended.set()

    monkeypatch.setattr(app, "generation_url", loading)
    monkeypatch.setattr(app, "settle", lambda: None)
    given = settings.model_copy(update={"discord_token": SecretStr("a.b.c")})
    running = asyncio.create_task(app.run(given))
    await asyncio.wait_for(begun.wait(), 30)
    os.kill(os.getpid(), signal.SIGTERM)
    assert await asyncio.wait_for(running, 10) == 0
    assert ended.is_set() and not server.identified.is_set()


async def test_sync_fills_one_scope_and_clears_the_other(
    server: Loopback, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings.model_copy(update={"discord_token": SecretStr("a.b.c")})
    missing = f"Not registered with Discord: {ALL}. {RUN_SYNC}"
    assert (await inspect("a.b.c"))[0] == ("discord", False, missing)
    assert await sync(given) == 0
    assert (await inspect("a.b.c"))[0][1]
    names = {command["name"] for command in server.commands[None]}
    assert {"essay", "beat", "show", "mine", "about", "privacy", "settings", "train"} <= names
    assert await sync(given, GUILD) == 0
    assert (await inspect("a.b.c"))[0][1]
    assert server.commands[None] == []
    assert {command["name"] for command in server.commands[str(GUILD)]} == names
    assert await sync(given) == 0
    assert server.commands[str(GUILD)] == []
    assert {command["name"] for command in server.commands[None]} == names
    assert "commands are registered everywhere." in capsys.readouterr().err
    essay = next(command for command in server.commands[None] if command["name"] == "essay")
    assert essay["integration_types"] == [0, 1] and essay["contexts"] == [0, 1, 2]
    settings_ = next(each for each in server.commands[None] if each["name"] == "settings")
    assert settings_["integration_types"] == [0] and settings_["contexts"] == [0]
    assert (
        int(settings_["default_member_permissions"]) == discord.Permissions(manage_guild=True).value
    )


async def test_a_wrong_token_is_one_sentence(
    server: Loopback, settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    given = settings.model_copy(update={"discord_token": SecretStr("a.b.c")})
    server.refusals["GET"] = [answer({"code": 0, "message": "401: Unauthorized"}, 401)]
    assert await sync(given) == 2
    server.refusals["GET"] = [answer({"code": 0, "message": "401: Unauthorized"}, 401)]
    ((part, ok, sentence),) = await inspect("a.b.c")
    assert (part, ok) == ("discord", False)
    assert sentence.startswith("Discord does not accept the token")
    assert capsys.readouterr().err == "Discord does not accept the token; check DISCORD_TOKEN.\n"


async def permissions(server: Loopback) -> tuple[bool, str]:
    """Ask the doctor what the bot may do on the one server there is."""
    found = {part: report for part, *report in await inspect("a.b.c")}
    ok, sentence = found["permissions on “Guild”"]
    return bool(ok), str(sentence)


async def test_the_doctor_looks_into_every_server(server: Loopback) -> None:
    ok, sentence = await permissions(server)
    assert not ok and sentence.startswith(
        "I lack View Channels, Send Messages, Embed Links, Attach Files, Read Message History."
    )
    assert f"guild_id={GUILD}" in sentence and f"permissions={NEEDED.value}" in sentence
    server.permissions = NEEDED.value - discord.Permissions(attach_files=True).value
    assert (await permissions(server))[1].startswith("I lack Attach Files. Give my role")
    server.permissions = NEEDED.value
    assert await permissions(server) == (True, "I may do there all that I need.")
    denied = discord.Permissions(send_messages=True).value
    server.overwrites = [{"id": str(GUILD), "type": 0, "allow": "0", "deny": str(denied)}]
    ok, sentence = await permissions(server)
    assert ok and sentence.endswith("all that I need, but not in #general.")
    server.permissions = discord.Permissions(administrator=True).value
    assert await permissions(server) == (True, "I may do there all that I need.")


async def test_the_doctor_compares_intents_with_what_discord_grants(
    server: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def intents() -> tuple[bool, str]:
        found = {part: report for part, *report in await inspect("a.b.c")}
        ok, sentence = found["intents"]
        return bool(ok), str(sentence)

    assert (await intents())[0] is True
    monkeypatch.setattr("bot.commands.checkup.INTENTS", discord.Intents(message_content=True))
    ok, sentence = await intents()
    assert not ok and sentence.endswith("developer portal: message content.")


async def test_a_server_discord_does_not_show_is_told(server: Loopback) -> None:
    server.guilds_hidden = True
    ok, sentence = await permissions(server)
    assert not ok and sentence.startswith("Discord does not show me this server")


async def over(store: Store) -> Request:
    """Wait until the only request is over."""
    async with asyncio.timeout(30):
        while True:
            request = await store.requests.get(1)
            if request is not None and request.is_final:
                return request
            await asyncio.sleep(0.02)


def said(loopback: Loopback, token: str) -> str:
    """Read the small print of a card, if there is one yet."""
    embeds = loopback.messages.get(token, {}).get("embeds") or [{}]
    return str(embeds[0].get("footer", {}).get("text", ""))


async def test_an_essay_goes_over_the_wire_as_discord_wants_it(loopback: Loopback) -> None:
    slow = answer({"message": "slow", "retry_after": 0.2, "global": False}, 429)
    slow.headers["Retry-After"] = "0.2"
    slow.headers["Via"] = "1.1 google"
    loopback.refusals["PATCH"] = [slow, answer({"message": "no"}, 503)]
    token = await loopback.command("essay", locale="de", topic="the sea", length=200, seed=7)
    await until(lambda: "200 Wörter" in said(loopback, token))
    (name,) = loopback.files
    assert name == "essay-1.docx" and zipfile.is_zipfile(io.BytesIO(loopback.files[name]))
    for method, path, body in loopback.requests:
        if method == "PATCH" or path.endswith("/callback"):
            limits.check_message(body.get("data") or body)
    message = loopback.messages[token]
    assert message["attachments"] == [{"id": 0, "filename": "essay-1.docx"}]
    assert message["allowed_mentions"] == {"parse": []}
    labels = [b.get("label") for row in message["components"] for b in row["components"]]
    assert labels[:3] == ["Noch einmal", "Ändern", "Dateien"]


async def test_an_acknowledgement_whose_answer_was_lost_is_looked_up(
    loopback: Loopback, sqlite_store: Store
) -> None:
    loopback.deaf = 1
    token = await loopback.command("beat", seed=7)
    await until(lambda: "music-test" in said(loopback, token))
    assert len(loopback.messages) == 1
    request = await over(sqlite_store)
    assert str(request.message_id) == loopback.messages[token]["id"]
    assert set(loopback.files) == {"beat-1.mp3", "beat-1.png", "beat-1.mid"}


async def test_a_lost_connection_is_resumed(loopback: Loopback) -> None:
    await loopback.sockets[-1].close(code=4000)
    await asyncio.wait_for(loopback.resumed.wait(), 30)
    token = await loopback.command("essay", topic="the sea", length=200)
    await until(lambda: "essay-test" in said(loopback, token))


async def test_health_and_metrics_are_served_and_a_stop_hands_back(
    loopback: Loopback, sqlite_store: Store, service: FakeService
) -> None:
    port = loopback.health_port
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        async with asyncio.timeout(30):
            while (await session.get("/healthz")).status != 200:  # until all guilds are there
                await asyncio.sleep(0.05)
        service.healthy = False
        async with session.get("/healthz") as response:
            assert response.status == 503
            assert (await response.json())["failing"] == {"service": "The essay engine is stuck."}
        service.go.clear()
        await loopback.command("essay", topic="the sea", length=200)
        await until(lambda: bool(service.essays))
        async with session.get("/metrics") as response:
            text = await response.text()
    assert 'ghostwriter_requests{state="running"} 1.0' in text
    assert "ghostwriter_loop_lag_seconds" in text
    request = await sqlite_store.requests.get(1)
    assert request is not None and request.state is State.RUNNING
    os.kill(os.getpid(), signal.SIGTERM)
    async with asyncio.timeout(15):
        while (await sqlite_store.requests.get(1)).state is not State.QUEUED:  # type: ignore[union-attr]
            await asyncio.sleep(0.05)
