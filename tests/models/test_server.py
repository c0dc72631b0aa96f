"""The HTTP face: a real server in this process, engines steered by hand, the real client."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
import uvicorn

from models.client import GenerationBusy, GenerationClient, GenerationRefused, GenerationUnavailable
from models.contract import (
    AlbumRequest,
    AlbumTake,
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayRequest,
    Family,
    Problem,
    Progress,
)
from models.library import Makers
from models.problems import BODY_LIMIT
from models.registry import Registry
from models.server import Server, create_app, main
from models.service import GenerationService
from tests.models.doubles import HandStudio, StepEngine, publish

ESSAY = EssayRequest(request_id="1", topic="rivers", seed=7)
BEAT = BeatRequest(request_id="2", seed=7)
ALBUM = AlbumRequest(request_id="3", title="Night Drive", tracks=3, seed=7)


@dataclass
class House:
    """A served service whose engines a test can reach."""

    root: Path
    engine: StepEngine
    studio: HandStudio
    client: GenerationClient
    http: httpx.AsyncClient


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[House]:
    publish(tmp_path, "essay", "e-1")
    publish(tmp_path, "music", "m-1")
    engine, studio = StepEngine(), HandStudio()
    service = GenerationService(Registry(tmp_path, None), Makers(lambda: engine, lambda: studio))
    bound = socket.create_server(("127.0.0.1", 0))
    config = uvicorn.Config(create_app(service), log_config=None, lifespan="on")
    server = Server(config, tmp_path / "port")
    task = asyncio.create_task(server._serve([bound]))
    async with asyncio.timeout(30):
        while not (tmp_path / "port").exists():
            await asyncio.sleep(0.01)
    url = f"http://127.0.0.1:{(tmp_path / 'port').read_text()}"
    async with (
        GenerationClient(url) as client,
        httpx.AsyncClient(base_url=url, headers={"Content-Type": "application/json"}) as http,
    ):
        yield House(tmp_path, engine, studio, client, http)
    server.should_exit = True
    await asyncio.wait_for(task, 30)
    bound.close()


async def until(check: object, seconds: float = 30.0) -> None:
    assert callable(check)
    async with asyncio.timeout(seconds):
        while not check():
            await asyncio.sleep(0.005)


async def test_an_essay_streams_word_by_word(house: House) -> None:
    texts = []
    async with aclosing(house.client.essay(ESSAY)) as events:
        async for event in events:
            house.engine.step()
            if isinstance(event, EssayDelta):
                texts.append(event.text)
            if isinstance(event, EssayDone):
                assert event.text == "".join(texts)
    assert texts == ["word\u2028 "] * 3


async def test_a_client_that_goes_frees_its_slot(house: House) -> None:
    async with aclosing(house.client.essay(ESSAY)) as events:
        await anext(events)
    await until(house.engine.tickets[0].cancelled.is_set, 5)


async def test_a_full_engine_is_busy_with_a_time(house: House) -> None:
    async with (
        aclosing(house.client.essay(ESSAY)) as one,
        aclosing(house.client.essay(ESSAY)) as two,
    ):
        await anext(one)
        await anext(two)
        with pytest.raises(GenerationBusy) as caught:
            await anext(house.client.essay(ESSAY))
    assert caught.value.retry_after == 2.5


async def test_a_beat_reports_and_arrives(house: House) -> None:
    house.studio.go.set()
    events = [event async for event in house.client.beat(BEAT)]
    assert isinstance(events[-1], BeatTake)
    assert len(events) > 1


async def test_a_beat_is_one_json_answer_without_event_stream(house: House) -> None:
    house.studio.go.set()
    answer = await house.http.post("/v1/beats", content=BEAT.model_dump_json())
    assert BeatTake.model_validate_json(answer.content).seed == BEAT.seed
    broken = BEAT.model_copy(update={"seed": 13}).model_dump_json()
    answer = await house.http.post("/v1/beats", content=broken)
    assert answer.status_code == 500
    assert Problem.model_validate_json(answer.content).sentence.endswith(".")


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_a_beat_nobody_waits_for_is_given_up(house: House, accept: str) -> None:
    task = asyncio.create_task(
        house.http.post("/v1/beats", content=BEAT.model_dump_json(), headers={"Accept": accept})
    )
    await asyncio.sleep(0.1)
    task.cancel()
    await until(lambda: house.studio.given_up == 1)


async def test_a_beat_that_cannot_be_made_is_refused_with_the_reason(house: House) -> None:
    house.studio.go.set()
    impossible = BEAT.model_copy(update={"seed": 14})
    with pytest.raises(GenerationRefused, match="The beat is too long"):
        async for _ in house.client.beat(impossible):
            pass
    answer = await house.http.post("/v1/beats", content=impossible.model_dump_json())
    assert answer.status_code == 422


async def test_a_beat_that_breaks_can_be_tried_again(house: House) -> None:
    house.studio.go.set()
    with pytest.raises(GenerationUnavailable):
        async for _ in house.client.beat(BEAT.model_copy(update={"seed": 13})):
            pass


async def test_an_album_reports_by_track_and_arrives(house: House) -> None:
    house.studio.go.set()
    events = [event async for event in house.client.album(ALBUM)]
    assert [e.part for e in events if isinstance(e, Progress) and e.parts] == [1]
    take = events[-1]
    assert isinstance(take, AlbumTake) and len(take.tracks) == 3
    answer = await house.http.post("/v1/albums", content=ALBUM.model_dump_json())
    assert AlbumTake.model_validate_json(answer.content).tracks == take.tracks


@pytest.mark.parametrize("accept", ["text/event-stream", "application/json"])
async def test_an_album_nobody_waits_for_is_given_up(house: House, accept: str) -> None:
    task = asyncio.create_task(
        house.http.post("/v1/albums", content=ALBUM.model_dump_json(), headers={"Accept": accept})
    )
    await asyncio.sleep(0.1)
    task.cancel()
    await until(lambda: house.studio.given_up == 1)


async def test_a_full_queue_of_albums_is_429(house: House) -> None:
    tasks = [
        asyncio.create_task(house.http.post("/v1/albums", content=ALBUM.model_dump_json()))
        for _ in range(5)
    ]
    await asyncio.sleep(0.2)
    with pytest.raises(GenerationBusy, match="Too many albums"):
        await anext(house.client.album(ALBUM))
    house.studio.go.set()
    assert {answer.status_code for answer in await asyncio.gather(*tasks)} == {200}


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        ('{"topic": "x", "seed": 1}', "request_id is missing."),
        ('{"request_id": "1", "topic": "x"}', "seed is missing."),
        ('{"request_id": "1", "topic": "", "seed": 1}', "topic must not be empty."),
        (
            '{"request_id": "1", "topic": "x", "seed": 1, "words": 9}',
            "words must be at least 50.",
        ),
        (
            '{"request_id": "1", "topic": "x", "seed": 1, "wods": 90}',
            "wods is not a field of this request.",
        ),
        ("{", "The body is not valid JSON."),
        (
            '{"request_id": "1", "topic": "x", "seed": 1, "style": "baroque"}',
            "There is no style called 'baroque'; choose plain.",
        ),
    ],
)
async def test_a_wrong_body_is_one_plain_sentence(house: House, body: str, sentence: str) -> None:
    answer = await house.http.post("/v1/essays", content=body)
    assert answer.status_code == 422
    assert Problem.model_validate_json(answer.content).sentence == sentence


@pytest.mark.parametrize("told", [True, False])
async def test_a_body_larger_than_any_request_is_refused(house: House, told: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(-(-BODY_LIMIT // 2**20) + 1):
            yield b"A" * 2**20

    body = b"A" * (BODY_LIMIT + 1) if told else chunks()
    answer = await house.http.post("/v1/beats", content=body)
    assert answer.status_code == 413
    problem = Problem.model_validate_json(answer.content)
    assert (problem.sentence, problem.again) == ("The body is too large.", False)


async def test_a_wrong_address_is_a_problem_too(house: House) -> None:
    answer = await house.http.get("/v1/nothing")
    assert (answer.status_code, answer.json()["sentence"]) == (404, "Not Found.")
    assert answer.json()["again"] is False
    answer = await house.http.post("/v1/models/poems/reload")
    assert answer.status_code == 422
    assert "family" in answer.json()["sentence"]


async def test_a_reload_swaps_and_a_damaged_version_is_refused(house: House) -> None:
    publish(house.root, "essay", "e-2")
    done = await house.client.reload(Family.ESSAY)
    assert (done.before, done.now) == ("e-1", "e-2")
    broken = publish(house.root, "essay", "e-3")
    (broken.path / "config.json").unlink()
    with pytest.raises(GenerationRefused, match="e-3 is damaged"):
        await house.client.reload(Family.ESSAY)
    listed = [m.version for m in (await house.client.models()).models]
    assert listed == ["e-2", "e-1", "m-1"]


async def test_a_style_is_loaded_beside_and_counted(house: House) -> None:
    publish(house.root, "essay", "mine", live=False)
    Registry(house.root, None).move_alias("essay", "s12.live", "mine")
    done = await house.client.reload(Family.ESSAY, "s12.live")
    assert (done.before, done.now) == (None, "mine")
    with pytest.raises(GenerationRefused, match=r"There is no essay model called s13\.live\."):
        await house.client.reload(Family.ESSAY, "s13.live")
    listed = [m.version for m in (await house.client.models()).models]
    assert listed == ["e-1", "mine", "m-1"]
    page = (await house.http.get("/metrics")).text
    for line in (
        'generation_held_versions{family="essay"} 2.0',
        'generation_held_bytes{family="essay"} 2.097152e+06',
        'generation_loads_total{family="essay",outcome="done"} 2.0',
        'generation_evictions_total{family="essay"} 0.0',
        'generation_reload_stall_seconds{family="essay"} 0.002',
    ):
        assert line in page


async def test_health_fails_when_an_engine_is_stuck(house: House) -> None:
    assert (await house.client.health()).ok
    async with aclosing(house.client.essay(ESSAY)) as events:
        await anext(events)
        house.engine.idle = 1000
        assert (await house.http.get("/healthz")).status_code == 503
        assert not (await house.client.health()).ok


async def test_metrics_count_what_became_of_requests(house: House) -> None:
    house.engine.step(3)
    async for _ in house.client.essay(ESSAY):
        pass
    async with aclosing(house.client.essay(ESSAY)) as events:
        await anext(events)
    with pytest.raises(GenerationRefused):
        await anext(house.client.essay(ESSAY.model_copy(update={"style": "baroque"})))
    await until(house.engine.tickets[1].cancelled.is_set)
    page = (await house.http.get("/metrics")).text
    for line in (
        'generation_requests_total{family="essay",outcome="done"} 1.0',
        'generation_requests_total{family="essay",outcome="cancelled"} 1.0',
        'generation_requests_total{family="essay",outcome="refused"} 1.0',
        'generation_in_flight{family="essay"} 0.0',
        'generation_first_words_seconds_count{family="essay"} 1.0',
        "generation_tokens_total 3.0",
        'generation_engine_ok{family="essay"} 1.0',
    ):
        assert line in page


def test_what_is_not_here_is_one_sentence_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("torch.cuda.is_available", lambda: False)
    with pytest.raises(SystemExit, match="DEVICE asks for a GPU, but torch finds none"):
        main(registry=tmp_path, device="cuda")
    with pytest.raises(SystemExit, match=r"gone\.sf2, and there is no such file"):
        main(registry=tmp_path, soundfont=tmp_path / "gone.sf2")
