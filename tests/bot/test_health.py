from __future__ import annotations

import asyncio
import os
import time
from pathlib import Path

import aiohttp
import discord
import pytest
from pydantic import SecretStr

from bot import metrics
from bot.health import (
    Finding,
    Health,
    HealthServer,
    LoopWatch,
    doctor,
    examine,
    service_check,
    store_check,
)
from bot.settings import Settings, SettingsError
from bot.store import Store
from models.client import GenerationClient


async def well() -> str | None:
    return None


async def ill() -> str | None:
    return "It is ill."


async def stuck() -> str | None:
    await asyncio.sleep(60)
    return None


async def broken() -> str | None:
    raise RuntimeError("boom")


async def test_each_part_that_fails_is_named_and_a_stuck_one_is_not_waited_for() -> None:
    health = Health({"a": well, "b": ill, "c": stuck, "d": broken}, seconds=0.1)
    began = time.monotonic()
    failing = await health.failures()
    assert time.monotonic() - began < 2
    assert set(failing) == {"b", "c", "d"}
    assert failing["b"] == "It is ill." and "has not answered" in failing["c"]
    assert metrics.REGISTRY.get_sample_value("ghostwriter_failing", {"part": "b"}) == 1
    assert metrics.REGISTRY.get_sample_value("ghostwriter_failing", {"part": "a"}) == 0


async def test_health_is_answered_with_a_status_a_machine_understands(settings: Settings) -> None:
    states = {"ok": True}

    async def check() -> str | None:
        return None if states["ok"] else "It is ill."

    async def measure() -> None:
        metrics.DEPTH.labels("queued").set(3)

    server = HealthServer(Health({"part": check}), measure, settings)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            async with session.get("/healthz") as answer:
                assert answer.status == 200 and await answer.json() == {"ok": True, "failing": {}}
            states["ok"] = False
            async with session.get("/healthz") as answer:
                assert answer.status == 503
                assert (await answer.json())["failing"] == {"part": "It is ill."}
            async with session.get("/metrics") as answer:
                text = await answer.text()
        assert 'ghostwriter_requests{state="queued"} 3.0' in text
        assert 'ghostwriter_failing{part="part"} 1.0' in text
    finally:
        await server.stop()
    assert server.port == 0


async def test_metrics_are_there_while_the_database_is_away(settings: Settings) -> None:
    metrics.DEPTH.labels("queued").set(3)
    faults: list[Exception] = [OSError("away"), TimeoutError(), RuntimeError("closed")]

    async def measure() -> None:
        if faults:
            raise faults.pop()

    server = HealthServer(Health({}), measure, settings)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
            for measured in (0, 0, 0, 1):
                async with session.get("/metrics") as answer:
                    text = await answer.text()
                assert answer.status == 200 and f"ghostwriter_measured {measured}.0" in text
                assert 'ghostwriter_requests{state="queued"} 3.0' in text
    finally:
        await server.stop()


async def test_a_stop_does_not_wait_for_who_asks_about_a_stuck_part(settings: Settings) -> None:
    asked = asyncio.Event()

    async def hang() -> str | None:
        asked.set()
        return await stuck()

    server = HealthServer(Health({"part": hang}, seconds=30), lambda: asyncio.sleep(0), settings)
    await server.start()
    async with aiohttp.ClientSession(f"http://127.0.0.1:{server.port}") as session:
        asking = asyncio.create_task(session.get("/healthz"))
        await asyncio.wait_for(asked.wait(), 30)
        await asyncio.wait_for(server.stop(), 10)
        with pytest.raises(aiohttp.ClientError):
            await asking


async def test_a_port_that_is_taken_is_named(settings: Settings) -> None:
    first = HealthServer(Health({}), lambda: asyncio.sleep(0), settings)
    await first.start()
    second = HealthServer(
        Health({}),
        lambda: asyncio.sleep(0),
        settings.model_copy(update={"health_port": first.port}),
    )
    try:
        with pytest.raises(SettingsError, match=r"HEALTH_PORT name .*: Address already in use"):
            await second.start()
    finally:
        await second.stop()
        await first.stop()


async def test_a_lost_database_and_a_lost_service_are_found(sqlite_store: Store) -> None:
    assert await store_check(sqlite_store)() is None
    async with GenerationClient("http://127.0.0.1:9", connect_timeout=0.2) as client:
        assert await service_check(client)() == "The model service does not answer at the moment."


async def test_a_blocked_loop_is_measured() -> None:
    watch = LoopWatch(every=0.01)
    task = asyncio.create_task(watch.run())
    await asyncio.sleep(0.03)
    time.sleep(0.2)
    await asyncio.sleep(0.03)
    task.cancel()
    assert watch.worst > 0.15


async def found(settings: Settings) -> dict[str, Finding]:
    return {finding.part: finding for finding in await examine(settings)}


async def test_the_doctor_says_what_is_missing_and_what_to_do(settings: Settings) -> None:
    findings = await found(settings)
    assert not findings["token"].ok and "DISCORD_TOKEN" in findings["token"].sentence
    assert not findings["database"].ok and "migrate" in findings["database"].sentence
    assert findings["service"].ok and findings["disk"].ok


@pytest.mark.usefixtures("sqlite_store")
async def test_the_doctor_finds_everything_in_order(
    settings: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discord.http.Route, "BASE", "http://127.0.0.1:9")
    given = settings.model_copy(update={"discord_token": SecretStr("a.b.c")})
    findings = await found(given)
    assert findings["token"].ok and findings["database"].ok
    assert findings["discord"].sentence.startswith("Discord cannot be reached")
    code = await doctor(settings)
    lines = capsys.readouterr().out.splitlines()
    assert code == 1 and any(line.startswith("FAIL  token: ") for line in lines)
    assert any(line.startswith("ok    database: ") for line in lines)


async def test_the_doctor_names_the_variable_of_a_file_that_is_missing(
    settings: Settings, tmp_path: Path
) -> None:
    wrong = {
        "database_url": "postgresql://me@127.0.0.1:1/nothing",
        "database_password_file": tmp_path / "gone",
        "soundfont": tmp_path / "gone.sf2",
    }
    findings = await found(settings.model_copy(update=wrong))
    assert not findings["database"].ok and not findings["service"].ok
    assert findings["database"].sentence.startswith("DATABASE_PASSWORD_FILE: ")
    assert findings["service"].sentence.startswith("SOUNDFONT names ")


async def test_the_doctor_asks_a_service_elsewhere(settings: Settings) -> None:
    away = settings.model_copy(update={"generation_url": "http://127.0.0.1:9"})
    finding = (await found(away))["service"]
    assert not finding.ok and "GENERATION_URL" in finding.sentence


async def test_the_doctor_notices_a_full_disk(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bot.health.DISK_NEEDED", 10**18)
    finding = (await found(settings))["disk"]
    assert not finding.ok and finding.sentence.startswith("Only ")


async def test_the_doctor_finds_what_is_in_the_way_of_the_files(
    settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken = tmp_path / "taken"
    taken.touch()
    for data_dir in (taken, taken / "below"):
        finding = (await found(settings.model_copy(update={"data_dir": data_dir})))["disk"]
        said = f"DATA_DIR needs a folder, and {taken} is a file."
        assert (finding.ok, finding.sentence) == (False, said)
    access = os.access  # what the tests may do says nothing: they may be root's
    settings.data_dir.mkdir(exist_ok=True)
    monkeypatch.setattr(
        "os.access", lambda path, mode: path != settings.data_dir and access(path, mode)
    )
    finding = (await found(settings))["disk"]
    assert not finding.ok and finding.sentence.endswith("change DATA_DIR.")


async def test_the_doctor_survives_a_broken_list_of_aliases(settings: Settings) -> None:
    folder = settings.registry_dir / "essay"
    folder.mkdir(parents=True)
    (folder / "aliases.json").write_text("{")
    findings = await found(settings)
    assert not findings["essay model"].ok and findings["music model"].ok
    assert str(folder) in findings["essay model"].sentence


async def test_the_doctor_knows_what_a_soundfont_is(settings: Settings, tmp_path: Path) -> None:
    font = tmp_path / "font.sf2"
    given = settings.model_copy(update={"soundfont": font})
    font.write_text("no sounds")
    assert "not an .sf2 or .sf3" in (await found(given))["service"].sentence
    font.write_bytes(b"RIFF\x00\x00\x00\x00sfbk")
    assert (await found(given))["service"].ok
