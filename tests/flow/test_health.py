"""What an operator sees: health that fails with each part, and logs that keep people's words."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import aiohttp
import pytest
import structlog

from bot import metrics
from bot.logs import set_up_logs
from bot.store import State
from tests.flow.fake_service import FakeService
from tests.flow.world import World

pytestmark = pytest.mark.usefixtures("env")


async def for_ever(*_: Any, **__: Any) -> None:
    await asyncio.Event().wait()


async def health(world: World) -> tuple[int, set[str]]:
    """Ask the page that machines ask."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{world.house.server.port}/healthz") as answer,
    ):
        return answer.status, set((await answer.json())["failing"])


async def figures(world: World) -> str:
    """Ask the page that Prometheus asks."""
    async with (
        aiohttp.ClientSession() as session,
        session.get(f"http://127.0.0.1:{world.house.server.port}/metrics") as answer,
    ):
        return await answer.text()


@pytest.mark.parametrize("part", ["gateway", "worker", "database", "service"])
async def test_each_part_that_is_stuck_fails_the_health_page(
    world: World, service: FakeService, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    monkeypatch.setattr(world.house.health, "_seconds", 0.5)
    assert await health(world) == (200, set())
    match part:
        case "gateway":  # it does not answer heartbeats
            monkeypatch.setattr(type(world.bot), "latency", 31.0)
        case "worker":  # it waits for something that does not come
            monkeypatch.setattr(type(world.house.worker), "stuck", True)
        case "database":
            monkeypatch.setattr(world.store, "ping", for_ever)
        case "service":
            monkeypatch.setattr(service, "health", for_ever)
    assert await health(world) == (503, {part})


async def test_a_worker_that_hangs_in_a_claim_is_stuck(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = asyncio.Event()

    async def hang(*_: Any) -> None:
        begun.set()
        await for_ever()

    monkeypatch.setattr(world.store.requests, "claim", hang)
    world.house.worker.kick()
    await world.until(begun.is_set)
    world.house.worker.last_beat -= 11.0  # as long after
    assert world.house.worker.stuck


async def test_an_essay_moves_the_figures_that_are_watched(world: World) -> None:
    def figure(name: str, **labels: str) -> float:
        return metrics.REGISTRY.get_sample_value(f"ghostwriter_{name}", labels) or 0.0

    def counted() -> list[float]:
        return [
            figure("admitted_total", kind="essay"),
            figure("wait_seconds_count", kind="essay"),
            figure("result_seconds_count", kind="essay"),
            figure("finished_total", kind="essay", end="done"),
        ]

    before = counted()
    await world.done(await world.ask(world.alice, "essay", topic="the sea", length=200))
    await world.until(lambda: counted() == [number + 1 for number in before])
    assert figure("tokens_per_second") > 0
    assert 'ghostwriter_requests{state="done"} 1.0' in await figures(world)


async def test_a_queue_that_has_emptied_is_shown_empty(world: World, service: FakeService) -> None:
    service.go.clear()
    number = await world.ask(world.alice, "essay", topic="the sea")
    await world.until(lambda: world.house.worker.busy == 1)
    assert 'ghostwriter_requests{state="running"} 1.0' in await figures(world)
    service.go.set()
    await world.done(number)
    assert 'ghostwriter_requests{state="running"} 0.0' in await figures(world)


@pytest.fixture
def logs(capsys: pytest.CaptureFixture[str]) -> Iterator[pytest.CaptureFixture[str]]:
    """Logs as in production."""
    before, root = structlog.get_config(), logging.getLogger()
    handlers, level = root.handlers[:], root.level
    set_up_logs("info", as_json=True)
    yield capsys
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.configure(**before)


async def test_what_people_type_and_their_tokens_are_not_in_the_logs(
    world: World, service: FakeService, logs: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "Zanzibar"
    done = await world.done(await world.ask(world.alice, "essay", topic=f"{secret} at dawn"))
    assert done.state is State.DONE
    await world.done(await world.ask(world.alice, "album", title=f"{secret} at night"))
    message = await world.bob.send(world.channel, f"{secret} was here before us.")
    result = await world.alice.context_menu(world.channel, "Continue as essay", message)
    await world.done(world.number(result))
    await world.alice.slash(world.channel, "essay", topic=f"{secret} in style", style=secret)

    async def broken(*_: Any, **__: Any) -> Any:
        raise RuntimeError("boom")

    world.env.inject_error("PATCH", "/webhooks/*", status=401, code=50027, times=2)
    monkeypatch.setattr(world.house.worker._maker, "make", broken)
    failed = await world.done(await world.ask(world.alice, "essay", topic=f"{secret} again"))
    assert failed.state is State.FAILED
    monkeypatch.setattr(world.house.admission, "admit", broken)
    again = f"gw:again:{done.id}"
    told = await world.alice.click(world.message(done), custom_id=again)
    assert "reference" in told.response.content
    _, written = logs.readouterr()
    assert '"admitted"' in written and "boom" in written
    assert secret not in written and "simcord_interaction" not in written
