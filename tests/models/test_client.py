"""The client against a real socket that plays scripted answers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field

import pytest

from models.client import (
    GenerationBusy,
    GenerationClient,
    GenerationError,
    GenerationRefused,
    GenerationUnavailable,
    server_events,
)
from models.contract import (
    BeatRequest,
    BeatTake,
    EssayDelta,
    EssayDone,
    EssayPlan,
    EssayRequest,
    Family,
    Problem,
    Progress,
    Shape,
)

ESSAY = EssayRequest(request_id="1", topic="rivers", seed=7)
BEAT = BeatRequest(request_id="2", seed=7)
PLAN = EssayPlan(title="Rivers", paragraphs=(("water",),))
DONE = EssayDone(
    text="Water runs.",
    plan=PLAN,
    words=2,
    seed=7,
    style="plain",
    model_version="e-1",
    tokens=3,
    seconds=0.1,
)
TAKE = BeatTake(
    style="lofi",
    bpm=90,
    bars=4,
    key="C major",
    seed=7,
    model_version="m-1",
    sections=("intro",),
    duration=10.0,
    format="mp3",  # type: ignore[arg-type]
    audio="QUJD" * 50_000,
    midi="QUJD",
    picture="QUJD",
    seconds=0.5,
)

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Scene:
    """A socket that answers every connection with one script."""

    url: str = ""
    requests: list[bytes] = field(default_factory=list)
    closed: asyncio.Event = field(default_factory=asyncio.Event)


@asynccontextmanager
async def scene(play: Play) -> AsyncIterator[Scene]:
    stage = Scene()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(
            (
                int(v)
                for k, _, v in (h.partition(b":") for h in head.split(b"\r\n"))
                if k.lower() == b"content-length"
            ),
            0,
        )
        stage.requests.append(head + await reader.readexactly(length))
        try:
            await play(reader, writer)
        except ConnectionError:
            pass
        finally:
            stage.closed.set()
            writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    stage.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with server:
        yield stage


def sse(name: str, shape: Shape, end: bytes = b"\r\n") -> bytes:
    data = shape.model_dump_json().encode()
    return b"event: " + name.encode() + end + b"data: " + data + end + end


def stream(*parts: bytes, pause: float = 0.0) -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
        writer.write(b"Connection: close\r\n\r\n")
        for part in parts:
            writer.write(part)
            await writer.drain()
            await asyncio.sleep(pause)

    return play


def answer(status: str, shape: Shape | None = None, *headers: str) -> Play:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        body = shape.model_dump_json().encode() if shape else b"<html>Bad day</html>"
        lines = [
            f"HTTP/1.1 {status}",
            f"Content-Length: {len(body)}",
            "Connection: close",
            *headers,
        ]
        writer.write("\r\n".join(lines).encode() + b"\r\n\r\n" + body)
        await writer.drain()

    return play


async def collect(url: str) -> list[Shape]:
    async with GenerationClient(url) as client:
        return [event async for event in client.essay(ESSAY)]


async def test_an_essay_arrives_as_typed_events_in_order() -> None:
    sent = [
        ("progress", Progress(stage="queued", done=0, ahead=2)),
        ("plan", PLAN),
        ("delta", EssayDelta(text="Water\u2028 runs\x85.")),
        ("essay", DONE),
    ]
    body = b": ping\r\n\r\n" + b"".join(sse(n, s) for n, s in sent)
    async with scene(stream(body)) as stage:
        assert await collect(stage.url) == [shape for _, shape in sent]
    assert b"POST /v1/essays" in stage.requests[0]
    assert stage.requests[0].endswith(ESSAY.model_dump_json().encode())


@pytest.mark.parametrize("size", [1, 2, 3, 7, 4096])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
async def test_events_survive_any_cut_of_the_bytes(size: int, end: bytes) -> None:
    body = sse("delta", EssayDelta(text="naïve – 🎹"), end) + b": ping" + end + end
    body += b"data: one" + end + b"data:two" + end + end

    async def chunks() -> AsyncIterator[bytes]:
        for at in range(0, len(body), size):
            yield body[at : at + size]

    found = [event async for event in server_events(chunks())]
    assert [name for name, _ in found] == ["delta", ""]
    assert EssayDelta.model_validate_json(found[0][1]).text == "naïve – 🎹"
    assert found[1][1] == b"one\ntwo"


async def test_a_big_take_arrives_whole_after_its_progress() -> None:
    mixing = Progress(stage="mixing", done=0.5)
    async with (
        scene(stream(sse("progress", mixing), sse("take", TAKE))) as stage,
        GenerationClient(stage.url) as client,
    ):
        assert [event async for event in client.beat(BEAT)] == [mixing, TAKE]


async def test_kinds_of_events_from_a_newer_service_are_passed_over() -> None:
    async with scene(stream(b'event: mood\ndata: {"x": 1}\n\n', sse("essay", DONE))) as stage:
        assert await collect(stage.url) == [DONE]


async def test_closing_the_generator_closes_the_connection() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await stream(sse("plan", PLAN))(reader, writer)
        await reader.read()  # returns when the other side has closed

    async with scene(play) as stage, GenerationClient(stage.url) as client:
        async with aclosing(client.essay(ESSAY)) as events:
            assert await anext(events) == PLAN
        await asyncio.wait_for(stage.closed.wait(), 30)


async def test_a_full_service_says_when_to_come_back() -> None:
    full = Problem(sentence="Twelve people wait already.", retry_after=3.5)
    async with scene(answer("429 Too Many Requests", full)) as stage:
        with pytest.raises(GenerationBusy) as caught:
            await collect(stage.url)
    assert (caught.value.sentence, caught.value.retry_after) == (full.sentence, 3.5)


async def test_the_header_says_when_to_come_back_if_the_body_does_not() -> None:
    async with scene(answer("429 Too Many Requests", None, "Retry-After: 9")) as stage:
        with pytest.raises(GenerationBusy) as caught:
            await collect(stage.url)
    assert caught.value.retry_after == 9


@pytest.mark.parametrize(
    ("play", "kind", "sentence"),
    [
        (answer("422 No", Problem(sentence="No such style.")), GenerationRefused, "No such style."),
        (answer("500 Oh", None), GenerationUnavailable, None),
        (
            answer("503 Sick", Problem(sentence="It is stuck.")),
            GenerationUnavailable,
            "It is stuck.",
        ),
        (stream(sse("plan", PLAN)), GenerationUnavailable, None),
        (stream(b"event: essay\ndata: {\n\n"), GenerationUnavailable, None),
        (stream(sse("problem", Problem(sentence="It broke."))), GenerationUnavailable, "It broke."),
        (
            stream(sse("problem", Problem(sentence="Too long.", again=False))),
            GenerationRefused,
            "Too long.",
        ),
        (
            stream(sse("problem", Problem(sentence="Full.", retry_after=1))),
            GenerationBusy,
            "Full.",
        ),
    ],
)
async def test_each_failure_says_what_to_do_next(
    play: Play, kind: type[GenerationError], sentence: str | None
) -> None:
    async with scene(play) as stage:
        with pytest.raises(GenerationError) as caught:
            await collect(stage.url)
    assert type(caught.value) is kind
    assert caught.value.sentence.endswith(".")
    if sentence:
        assert caught.value.sentence == sentence


async def test_a_service_that_is_not_there_is_unavailable() -> None:
    async with scene(stream()) as stage:
        pass
    async with GenerationClient(stage.url) as client:
        with pytest.raises(GenerationUnavailable):
            await anext(client.essay(ESSAY))
        with pytest.raises(GenerationUnavailable):
            await client.models()
        with pytest.raises(GenerationUnavailable):
            await client.reload(Family.ESSAY)


async def test_silence_longer_than_the_limit_is_unavailable() -> None:
    async with (
        scene(stream(sse("plan", PLAN), b"", pause=0.5)) as stage,
        GenerationClient(stage.url, idle_timeout=0.2) as client,
    ):
        events = client.essay(ESSAY)
        assert await anext(events) == PLAN
        with pytest.raises(GenerationUnavailable):
            await anext(events)
