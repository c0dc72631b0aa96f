"""The generation service over HTTP: ``python -m models.server``.

Essays stream as server-sent events; beats too when the client accepts them. Every refusal is a
``Problem``: one plain sentence.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import logging
import os
import socket
import sys
import threading
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Annotated, Literal

import torch
import typer
import uvicorn
from fastapi import FastAPI, Request, Response
from sse_starlette import EventSourceResponse, ServerSentEvent
from starlette.background import BackgroundTask

from models.acceptance import Unacceptable
from models.contract import (
    EVENTS,
    AlbumRequest,
    AlbumTake,
    BeatRequest,
    BeatTake,
    EssayRequest,
    Family,
    Health,
    Models,
    Problem,
    Reloaded,
)
from models.desks import STOPPING, Event, Full, Stream
from models.library import LIVE, MEMORY_MB, Makers
from models.memory import share_heaps
from models.metrics import Metrics
from models.problems import add_problems, answer
from models.registry import Registry
from models.service import GenerationService

log = logging.getLogger(__name__)

NAMES = {shape: name for name, shape in EVENTS.items()}
PING_SECONDS = 10
#: Eight-bit steps of a small model gain nothing from a second core, and those of one user lose.
THREADS = 1
#: How long streams in flight may go on after SIGTERM.
GRACE_SECONDS = 5


def create_app(service: GenerationService) -> FastAPI:
    """Build the application over a service, which starts and stops with it."""
    metrics = Metrics(lambda: service.health().engines, service.shelf)

    @contextlib.asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await service.start()
        yield
        await service.stop()

    app = FastAPI(title="Ghostwriter generation service", lifespan=lifespan)
    add_problems(app)
    _add_requests(app, service, metrics)

    @app.get("/v1/models")
    async def models() -> Models:
        """List the models held, with their styles."""
        return service.models()

    @app.post("/v1/models/{family}/reload", responses={422: {"model": Problem}})
    async def reload(family: Family, ref: str = LIVE) -> Reloaded:
        """Take up what an alias stands for, without dropping a request.

        ``live`` changes the version that requests get by default; any other alias or name only
        has its version loaded beside.
        """
        try:
            done = await service.reload(family, ref)
        except Unacceptable:
            metrics.reloads.labels(family.value, "refused").inc()
            raise
        metrics.reloads.labels(family.value, "done").inc()
        if done.stall is not None:
            metrics.stall.labels(family.value).set(done.stall)
        return done

    @app.get("/healthz", responses={503: {"model": Health}})
    async def healthz(response: Response) -> Health:
        """Fail when an engine that has work does not move."""
        health = service.health()
        response.status_code = 200 if health.ok else 503
        return health

    @app.get("/metrics")
    async def page() -> Response:
        """Show the counters to Prometheus."""
        return Response(metrics.page(), media_type="text/plain; version=0.0.4; charset=utf-8")

    return app


def _add_requests(app: FastAPI, service: GenerationService, metrics: Metrics) -> None:
    """Add the routes that make things."""
    refusals: dict[int | str, dict[str, object]] = {
        422: {"model": Problem},
        429: {"model": Problem},
    }

    def enter(family: Family, request: EssayRequest | BeatRequest | AlbumRequest) -> Stream:
        try:
            if isinstance(request, EssayRequest):
                return service.essay(request)
            if isinstance(request, AlbumRequest):
                return service.album(request)
            return service.beat(request)
        except Unacceptable:
            metrics.refused(family, "refused")
            raise
        except Full:
            metrics.refused(family, "busy")
            raise

    @app.post("/v1/essays", response_class=EventSourceResponse, responses=refusals)
    async def essays(body: EssayRequest) -> Response:
        """Write an essay; a stream of progress, plan, delta and at last essay or problem."""
        stream = enter(Family.ESSAY, body)
        return _streamed(stream, metrics.watch(Family.ESSAY, stream))

    @app.post("/v1/beats", response_model=BeatTake, responses=refusals)
    async def beats(body: BeatRequest, http: Request) -> Response:
        """Make a beat; a stream when text/event-stream is accepted, else the take alone."""
        return await _played(http, enter(Family.MUSIC, body), metrics)

    @app.post("/v1/albums", response_model=AlbumTake, responses=refusals)
    async def albums(body: AlbumRequest, http: Request) -> Response:
        """Make a record; a stream when text/event-stream is accepted, else the take alone."""
        return await _played(http, enter(Family.MUSIC, body), metrics)


async def _played(http: Request, stream: Stream, metrics: Metrics) -> Response:
    """Answer with a stream when the client accepts one, else with the take alone."""
    events = metrics.watch(Family.MUSIC, stream)
    if "text/event-stream" in http.headers.get("accept", ""):
        return _streamed(stream, events)
    return await _whole(http, stream, events)


def _streamed(stream: Stream, events: AsyncGenerator[Event, None]) -> Response:
    """Send events as they come; the work is given up when the client goes."""

    async def sse() -> AsyncIterator[ServerSentEvent]:
        async with contextlib.aclosing(events):
            async for event in events:
                yield ServerSentEvent(event.model_dump_json(), event=NAMES[type(event)])

    # The task runs however the response ends, even when the client went before the first event.
    return EventSourceResponse(
        sse(),
        ping=PING_SECONDS,
        background=BackgroundTask(stream.cancel),
        shutdown_grace_period=GRACE_SECONDS,
    )


async def _whole(http: Request, stream: Stream, events: AsyncGenerator[Event, None]) -> Response:
    """Wait for the take, or for the client to go."""

    async def last() -> Event | None:
        async with contextlib.aclosing(events):
            async for event in events:
                if isinstance(event, BeatTake | AlbumTake | Problem):
                    return event
        return None

    work = asyncio.ensure_future(last())
    try:
        while not work.done():
            await asyncio.wait([work], timeout=0.25)
            if await http.is_disconnected():
                return Response(status_code=499)
    finally:
        stream.cancel()
        work.cancel()
    event = work.result()
    if isinstance(event, BeatTake | AlbumTake):
        return answer(200, event)
    problem = event if isinstance(event, Problem) else Problem(sentence=STOPPING)
    return answer(500 if problem.again else 422, problem)


class JsonLines(logging.Formatter):
    """One JSON object a line, for machines that read logs."""

    def format(self, record: logging.LogRecord) -> str:
        """Write one record."""
        line = {
            "at": self.formatTime(record),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": record.getMessage(),
        }
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return json.dumps(line)


def _set_up_logs(as_json: bool) -> None:
    handler = logging.StreamHandler()
    plain = logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s")
    handler.setFormatter(JsonLines() if as_json else plain)
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    logging.getLogger("httpx").setLevel(logging.WARNING)


class Server(uvicorn.Server):
    """Writes its port when it is ready, and can end with the process that started it."""

    def __init__(self, config: uvicorn.Config, port_file: Path | None) -> None:
        super().__init__(config)
        self._port_file = port_file

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Open the door; the port file appears when requests are served."""
        await super().startup(sockets)
        if self.started and sockets:
            port = sockets[0].getsockname()[1]
            log.info("listening on port %d", port)
            if self._port_file is not None:
                temporary = self._port_file.with_suffix(".new")
                temporary.write_text(str(port), encoding="utf-8")
                temporary.replace(self._port_file)

    def end_with_parent(self) -> None:
        """Stop when standard input closes: the parent holds its other end and never writes."""

        def wait() -> None:
            while os.read(0, 1024):
                pass
            log.info("the parent process has ended")
            self.should_exit = True
            threading.Event().wait(2 * GRACE_SECONDS)
            os._exit(1)  # a stuck engine must not outlive the bot

        threading.Thread(target=wait, name="parent", daemon=True).start()


def main(
    registry: Annotated[Path | None, typer.Option(help="Versions made here.")] = None,
    host: Annotated[str, typer.Option(help="Loopback unless you say otherwise.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="0: any free one.")] = 0,
    port_file: Annotated[Path | None, typer.Option(help="Written when ready.")] = None,
    device: Annotated[Literal["auto", "cpu", "cuda"], typer.Option()] = "auto",
    soundfont: Annotated[Path | None, typer.Option(help="A .sf2 or .sf3 file.")] = None,
    memory_mb: Annotated[
        float, typer.Option(min=0, help="For versions held at once; unused ones leave.")
    ] = MEMORY_MB,
    threads: Annotated[int, typer.Option(min=1, help="Cores that compute essays.")] = THREADS,
    end_with_parent: Annotated[bool, typer.Option(help="Stop when stdin closes.")] = False,
    log_json: Annotated[bool, typer.Option(help="One JSON object a line.")] = False,
) -> None:
    """Hold the models and make essays and beats for whoever asks on this port."""
    _check_means(device, soundfont)
    _set_up_logs(log_json)
    share_heaps()
    torch.set_num_threads(threads)
    makers = Makers.real(device, soundfont)
    service = GenerationService(Registry(registry), makers, memory_mb=memory_mb)
    config = uvicorn.Config(
        create_app(service),
        host=host,
        port=port,
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=2 * GRACE_SECONDS,
    )
    gc.freeze()  # what was imported stays: looking through it again and again would stall essays
    server = Server(config, port_file)
    try:
        bound = _bind(host, port)
    except OSError as error:
        sys.exit(f"The address {host}:{port} cannot be used: {error.strerror}.")
    if end_with_parent:
        server.end_with_parent()
    server.run(sockets=[bound])


def _check_means(device: str, soundfont: Path | None) -> None:
    """End with one sentence when what was asked for is not here; a request would say less."""
    if device == "cuda" and not torch.cuda.is_available():
        sys.exit("DEVICE asks for a GPU, but torch finds none that it can use here.")
    if soundfont is not None and not soundfont.is_file():
        sys.exit(f"SOUNDFONT names {soundfont}, and there is no such file.")


def _bind(host: str, port: int) -> socket.socket:
    """Take the address without listening, so that nobody waits in line while models load."""
    bound = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    bound.bind((host, port))
    return bound


if __name__ == "__main__":
    typer.run(main)
