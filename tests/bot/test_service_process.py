"""The keeper of the local service: with a quick stand-in, and once with the real service."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from pathlib import Path

import psutil
import pytest

from bot import priority, service_process
from bot.app import GRACE_SECONDS
from bot.service_process import LocalService, ServiceFailed, generation_url
from bot.settings import SECRETS, Settings
from models.client import GenerationClient, GenerationUnavailable
from models.contract import EssayDelta, EssayDone, EssayRequest

STAND_IN = (str(Path(__file__).with_name("stand_in_server.py")),)


@pytest.fixture
async def local(settings: Settings) -> AsyncIterator[LocalService]:
    service = LocalService(
        settings, check_seconds=0.1, answer_seconds=0.3, misses=2, module=STAND_IN
    )
    yield service
    await service.stop()


async def replaced(service: LocalService, pid: int | None, seconds: float = 60) -> None:
    """Wait until another child serves."""
    async with asyncio.timeout(seconds):
        while service.pid == pid or not await service.wait_ready(1):
            await asyncio.sleep(0.02)


async def healthy(url: str) -> bool:
    async with GenerationClient(url) as client:
        return (await client.health()).ok


async def test_a_killed_child_is_back_at_the_same_address(local: LocalService) -> None:
    url = await local.start()
    for _ in range(2):
        pid = local.pid
        assert pid is not None
        os.kill(pid, signal.SIGKILL)
        psutil.wait_procs([psutil.Process(pid)], 5) if psutil.pid_exists(pid) else None
        await replaced(local, pid)
        assert local.base_url == url
        assert await healthy(url)
    assert local.restarts == 2


async def test_the_child_makes_way_for_the_bot_and_its_threads_inherit_that(
    local: LocalService,
) -> None:
    await local.start()
    assert local.pid is not None
    threads = [int(task.name) for task in Path(f"/proc/{local.pid}/task").iterdir()]
    assert len(threads) > 1
    wanted = min(priority.NICEST, os.nice(0) + priority.SERVICE)
    assert {os.getpriority(os.PRIO_PROCESS, thread) for thread in threads} == {wanted}
    session = Path(f"/proc/{local.pid}/autogroup")
    if session.exists():  # not every kernel groups sessions
        assert session.read_text().split()[-1] == str(wanted)


async def test_the_child_knows_no_secrets(
    local: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DISCORD_TOKEN", "very.secret.token")
    monkeypatch.setenv("DATABASE_URL", "postgresql://somebody:password@somewhere/db")
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    await local.start()
    assert local.pid is not None
    known = psutil.Process(local.pid).environ()
    assert not known.keys() & set(SECRETS) and known["OMP_NUM_THREADS"] == "3"


async def test_a_child_that_hangs_does_not_hold_up_a_stop(
    local: LocalService, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert GRACE_SECONDS + 1 + service_process.STOP_SECONDS <= 10
    monkeypatch.setattr(local, "_stop_seconds", 0.1)
    await local.start()
    pid = local.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await local.stop()
    assert not psutil.pid_exists(pid)


async def test_a_child_that_hangs_is_replaced(local: LocalService) -> None:
    url = await local.start()
    pid = local.pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)
    await replaced(local, pid)
    assert await healthy(url)
    assert not psutil.pid_exists(pid)


async def test_a_child_that_says_it_is_stuck_is_replaced(
    local: LocalService, settings: Settings
) -> None:
    await local.start()
    pid = local.pid
    sick = settings.data_dir / "run" / "sick"
    sick.touch()
    async with asyncio.timeout(60):
        while local.pid == pid:
            await asyncio.sleep(0.02)
    sick.unlink()
    await replaced(local, pid)


async def test_a_child_that_cannot_start_is_an_error_with_its_last_words(
    local: LocalService, settings: Settings
) -> None:
    (settings.data_dir / "run").mkdir(parents=True)
    (settings.data_dir / "run" / "broken").touch()
    log_path = settings.data_dir / "logs" / "service.log"
    log_path.parent.mkdir()
    log_path.write_text("yesterday was fine\n")
    with pytest.raises(ServiceFailed, match="cannot start") as caught:
        await local.start()
    assert "eaten by mice" in str(caught.value) and "yesterday" not in str(caught.value)


async def test_a_child_that_cannot_start_again_is_tried_until_it_can(
    local: LocalService, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(service_process, "BACK_OFF", (0.0, 0.05))
    await local.start()
    broken = settings.data_dir / "run" / "broken"
    broken.touch()
    pid = local.pid
    assert pid is not None
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(60):
        while local.restarts < 3:
            await asyncio.sleep(0.02)
    assert not await local.wait_ready(0)
    broken.unlink()
    assert await local.wait_ready(60)


async def test_stopping_leaves_nothing_behind(local: LocalService, settings: Settings) -> None:
    await local.start()
    pid = local.pid
    assert pid is not None
    begun = time.monotonic()
    await local.stop()
    assert time.monotonic() - begun < 5
    assert not psutil.pid_exists(pid)
    assert list((settings.data_dir / "run").iterdir()) == []


async def test_a_configured_service_is_used_instead(settings: Settings) -> None:
    settings = settings.model_copy(update={"generation_url": "http://models.example"})
    async with generation_url(settings) as url:
        assert url == "http://models.example"


async def test_a_killed_service_costs_a_retry_not_a_request(
    own_registry: Path, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert own_registry == settings.registry_dir
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    service = LocalService(settings)
    request = EssayRequest(request_id="1", topic="rivers", words=300, seed=7)
    try:
        async with GenerationClient(await service.start()) as client:
            with pytest.raises(GenerationUnavailable):
                async with aclosing(client.essay(request)) as events:
                    async for event in events:
                        if isinstance(event, EssayDelta) and service.pid is not None:
                            os.kill(service.pid, signal.SIGKILL)
            with pytest.raises(GenerationUnavailable):
                await anext(client.essay(request))
            await asyncio.sleep(0.5)
            assert await service.wait_ready(120)
            last = [event async for event in client.essay(request)][-1]
            assert isinstance(last, EssayDone)
            assert last.seed == 7
    finally:
        await service.stop()
