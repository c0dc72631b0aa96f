"""The real server process over the real, tiny models."""

from __future__ import annotations

import asyncio
import base64
from contextlib import aclosing
from pathlib import Path

import pytest

from models.client import GenerationClient, GenerationRefused
from models.contract import (
    AudioFormat,
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayPlan,
    EssayRequest,
    Family,
)
from tests.service_fixtures import start

ESSAY = EssayRequest(request_id="1", topic="rivers and bridges", words=60, seed=7)
BEAT = BeatRequest(request_id="2", bars=4, seed=7)


async def write(client: GenerationClient, request: EssayRequest) -> EssayDone:
    text = ""
    async for event in client.essay(request):
        if isinstance(event, EssayDelta):
            text += event.text
        if isinstance(event, EssayDone):
            assert event.text.split() == text.split()
            return event
    raise AssertionError("there is no end")


async def test_both_families_are_served(service_url: str) -> None:
    async with GenerationClient(service_url) as client:
        assert (await client.health()).ok
        held = {model.family: model for model in (await client.models()).models}
        assert set(held) == set(Family)
        assert all(model.styles and "live" in model.aliases for model in held.values())


async def test_an_essay_is_planned_then_written_and_the_seed_makes_it_again(
    service_url: str,
) -> None:
    async with GenerationClient(service_url) as client:
        kinds = [type(event) async for event in client.essay(ESSAY)]
        assert kinds.index(EssayPlan) < kinds.index(EssayDelta)
        first = await write(client, ESSAY)
        again, other = await asyncio.gather(
            write(client, ESSAY), write(client, ESSAY.model_copy(update={"seed": 8}))
        )
    assert first.text == again.text != other.text
    assert first.model_version == "tiny-essay"


@pytest.mark.parametrize(("form", "magic"), [("mp3", b"ID3"), ("wav", b"RIFF"), ("mid", None)])
async def test_a_beat_arrives_with_its_files(
    service_url: str, form: str, magic: bytes | None
) -> None:
    request = BEAT.model_copy(update={"format": AudioFormat(form)})
    async with GenerationClient(service_url) as client:
        events = [event async for event in client.beat(request)]
    take = events[-1]
    assert isinstance(take, BeatTake)
    assert base64.b64decode(take.midi).startswith(b"MThd")
    assert base64.b64decode(take.picture).startswith(b"\x89PNG")
    if magic is None:
        assert take.audio is None
    else:
        assert take.audio is not None
        assert base64.b64decode(take.audio).startswith(magic)


async def test_a_client_that_goes_frees_its_slot(service_url: str) -> None:
    async with GenerationClient(service_url) as client:
        long = ESSAY.model_copy(update={"words": 1200})
        async with aclosing(client.essay(long)) as events:
            async for event in events:
                if isinstance(event, EssayPlan):
                    break
        async with asyncio.timeout(30):
            while (await client.health()).engines[0].active:
                await asyncio.sleep(0.02)


async def test_more_essays_than_slots_all_end(service_url: str) -> None:
    async with GenerationClient(service_url) as client:
        wanted = [ESSAY.model_copy(update={"seed": n, "words": 50}) for n in range(34)]
        done = await asyncio.gather(*(write(client, request) for request in wanted))
    assert [one.seed for one in done] == list(range(34))


async def test_an_unknown_style_is_refused_with_the_known_ones(service_url: str) -> None:
    async with GenerationClient(service_url) as client:
        with pytest.raises(GenerationRefused, match="baroque"):
            await anext(client.essay(ESSAY.model_copy(update={"style": "baroque"})))
        with pytest.raises(GenerationRefused, match="baroque"):
            await anext(client.beat(BEAT.model_copy(update={"style": "baroque"})))


def test_the_server_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    process = start(tmp_path / "registry", tmp_path)
    assert process.stdin is not None
    process.stdin.close()  # as the system does when the parent dies
    assert process.wait(30) is not None
