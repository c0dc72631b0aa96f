"""Claim, make, deliver: the durable queue's only consumer in a process."""

from __future__ import annotations

import asyncio
import os
import secrets
import socket
import time
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta

import structlog

from bot.announcer import Announcer
from bot.files import Shelf
from bot.frontend import FrontEnd, Result, Undeliverable
from bot.job import Interrupted, Job, Reason
from bot.maker import Blocked, Broken, Generator, Lost, Maker, quietly
from bot.outage import Outage
from bot.outlook import Forecast
from bot.sentences import Sentence
from bot.settings import Settings
from bot.store import MAX_ATTEMPTS, Request, State, Store
from models.client import GenerationBusy, GenerationRefused, GenerationUnavailable

log = structlog.get_logger()

#: Longest time until a request that nobody announced by ``kick`` is seen, in seconds.
POLL_SECONDS = 1.0
#: Pause before a request is tried again after the service broke, in seconds.
RETRY_SECONDS = 2.0
#: How long the service may be away until requests are given up, in seconds.
PATIENCE = 120.0


class Worker:
    """Works on up to ``settings.workers`` requests at once."""

    def __init__(
        self,
        store: Store,
        client: Generator,
        frontends: Mapping[str, FrontEnd],
        settings: Settings,
        *,
        name: str | None = None,
        forecast: Forecast | None = None,
    ) -> None:
        self.name = name or f"{socket.gethostname()[:32]}-{os.getpid()}-{secrets.token_hex(3)}"
        self._store = store
        self._frontends = frontends
        self._settings = settings
        self._maker = Maker(store, client, Shelf(settings.artifacts_dir))
        self._announcer = Announcer(
            forecast or Forecast(store, settings.workers), frontends, self._running
        )
        self._jobs: dict[asyncio.Task[None], Job] = {}
        self._kicked = asyncio.Event()
        self._stopping = asyncio.Event()
        self._paused_until = 0.0
        self._outage = Outage()
        self.last_beat = time.monotonic()

    @property
    def busy(self) -> int:
        """How many requests are being worked on."""
        return len(self._jobs)

    @property
    def stuck(self) -> bool:
        """Whether the loop has not moved for so long that something must be wrong."""
        return time.monotonic() - self.last_beat > max(10.0, 3 * self._settings.heartbeat_seconds)

    def kick(self) -> None:
        """Say that a new request waits."""
        self._kicked.set()
        self._announcer.look()

    async def cancel(self, request_id: int) -> Request | None:
        """Cancel a request as its user asked; None when it is over already."""
        request = await self._store.requests.request_cancel(request_id)
        if request is None:
            return None
        if request.state is State.CANCELLED:
            self._announcer.forget(request.id)
            await quietly(self._front(request).cancelled(request))
            self.kick()
        for job in self._jobs.values():
            if job.request.id == request_id:
                job.interrupt(Reason.CANCELLED)
        return request

    async def run(self) -> None:
        """Work until ``stop``; first put right what a crash left behind."""
        await self._steadily(self._recover)
        beats = [
            asyncio.create_task(self._every(self._settings.heartbeat_seconds, self._heartbeat)),
            asyncio.create_task(self._every(self._settings.stale_seconds / 2, self._recover)),
            asyncio.create_task(self._announcer.run()),
        ]
        try:
            while not self._stopping.is_set():
                self.last_beat = time.monotonic()
                if not await self._steadily(self._take):
                    await self._rest()
        finally:
            if self._jobs:  # they end on their own, or ``stop`` ends them
                await asyncio.wait(self._jobs)
            for beat in beats:
                beat.cancel()
            await asyncio.gather(*beats, return_exceptions=True)

    async def stop(self, grace: float = 10.0) -> None:
        """Finish what can be finished in the grace, hand back the rest; take nothing new."""
        self._stopping.set()
        self._kicked.set()
        await self._wait_for_jobs(grace * 0.6)
        for job in self._jobs.values():
            job.interrupt(Reason.STOPPING)
        await self._wait_for_jobs(grace * 0.3)
        for task in self._jobs:
            task.cancel()
        await self._wait_for_jobs(grace * 0.1)

    # Taking.

    async def _take(self) -> bool:
        """Claim one request and begin it; False when there is nothing to do now."""
        if self.busy >= self._settings.workers or time.monotonic() < self._paused_until:
            return False
        request = await self._store.requests.claim(self._frontends.keys(), self.name)
        if request is None:
            return False
        self._begin(request)
        return True

    def _begin(self, request: Request) -> None:
        job = Job(request)
        task = asyncio.create_task(self._serve(job), name=f"request {request.id}")
        self._jobs[task] = job
        task.add_done_callback(self._ended)
        self._announcer.forget(request.id)  # and those behind it have moved up

    def _ended(self, task: asyncio.Task[None]) -> None:
        job = self._jobs.pop(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            # Most likely the database went away; the row goes stale and is recovered.
            log.error("request dropped", request=job.request.id, exc_info=error)
        self.kick()

    async def _rest(self) -> None:
        """Wait for a kick, or a moment."""
        try:
            # Not wait_for: in Python 3.11 it can swallow a cancellation.
            async with asyncio.timeout(POLL_SECONDS):
                await self._kicked.wait()
        except TimeoutError:
            return
        self._kicked.clear()

    # Serving.

    async def _serve(self, job: Job) -> None:
        request = job.request
        front = self._front(request)
        with structlog.contextvars.bound_contextvars(request=request.id, kind=request.kind):
            log.info("request started", attempt=request.attempts, seed=request.seed)
            if request.outcome is None:
                await quietly(front.started(request))
            try:
                result = await job.make(self._maker.make(request, front))
            except Interrupted as stop:
                await self._interrupted(request, stop.reason)
            except Lost:
                log.warning("claim lost")
            except Exception as error:
                await self._failed(request, error)
            else:
                self._outage.over()
                await self._deliver(request, front, result)

    async def _deliver(self, request: Request, front: FrontEnd, result: Result) -> None:
        try:
            message_id = await front.deliver(request, result)
        except Undeliverable as nowhere:
            log.info("nowhere to deliver")
            await self._store.requests.expire(request, nowhere.sentence)
            return
        except Exception:
            log.exception("delivery failed")
            if request.attempts < MAX_ATTEMPTS:
                await self._store.requests.hand_back(
                    request, delay=RETRY_SECONDS, why="delivery failed"
                )
            else:
                await self._store.requests.expire(request, Sentence("nowhere", id=request.id))
            return
        if await self._store.requests.finish(request, message_id):
            log.info("request done", message=message_id)
        else:
            log.warning("claim lost while delivering")

    async def _interrupted(self, request: Request, reason: Reason) -> None:
        log.info("request interrupted", reason=reason)
        if reason is Reason.CANCELLED:
            await quietly(self._front(request).cancelled(request))
            await self._store.requests.cancel(request)
        elif reason is Reason.STOPPING:
            await self._store.requests.hand_back(request, counted=False, why="the bot stopped")

    async def _failed(self, request: Request, error: Exception) -> None:
        hand_back = self._store.requests.hand_back
        if isinstance(error, GenerationBusy | GenerationRefused | Broken | Blocked):
            self._outage.over()  # the service was there
        if isinstance(error, GenerationBusy):
            if request.kind != "album":  # albums have a queue of their own
                # Claiming more would only carry rows to and fro.
                self._paused_until = time.monotonic() + error.retry_after
            await hand_back(request, delay=error.retry_after, counted=False, why="service full")
        elif isinstance(error, GenerationUnavailable):
            log.warning("service away", why=error.sentence)
            if self._wait_for_service():
                await hand_back(request, delay=RETRY_SECONDS, counted=False, why="service away")
            else:
                await self._give_up(request, Sentence("unavailable"))
        elif isinstance(error, Broken):
            log.warning("service broke", why=error.sentence)
            if request.attempts < MAX_ATTEMPTS:
                await hand_back(request, delay=RETRY_SECONDS, why="service broke")
            else:
                await self._give_up(request, Sentence("unavailable"))
        elif isinstance(error, GenerationRefused):
            await self._give_up(request, error.sentence, refused=True)
        elif isinstance(error, Blocked):
            await quietly(self._front(request).failed(request, error.sentence))
            await self._store.requests.refuse(request, error.sentence)
        else:
            reference = secrets.token_hex(4)
            log.error("request failed", reference=reference, exc_info=error)
            await self._give_up(request, Sentence("unexpected", reference=reference))

    def _wait_for_service(self) -> bool:
        """Take nothing for a moment; False when the service has been away for too long."""
        self._paused_until = time.monotonic() + RETRY_SECONDS
        return not self._outage.lasts_beyond(PATIENCE)

    async def _give_up(self, request: Request, sentence: str, *, refused: bool = False) -> None:
        # Said before it is committed: after a crash in between it is tried and said again, by an
        # edit of the same message; the other way round nobody would ever say it.
        await quietly(self._front(request).failed(request, sentence, refused=refused))
        await self._store.requests.fail(request, sentence)

    # Meanwhile.

    async def _heartbeat(self) -> None:
        jobs = {job.request.claim: job for job in self._jobs.values() if job.request.claim}
        pulse = await self._store.requests.heartbeat(list(jobs))
        for claim, job in jobs.items():
            if claim in pulse.cancelled:
                job.interrupt(Reason.CANCELLED)
            elif claim not in pulse.held and job in self._jobs.values():
                job.interrupt(Reason.LOST)

    async def _recover(self) -> None:
        await self._heartbeat()  # or a busy loop could find its own rows silent
        stale = timedelta(seconds=self._settings.stale_seconds)
        for request in await self._store.requests.recover(stale, self._say_last):
            log.warning("request recovered", request=request.id, state=request.state)
            self.kick()

    async def _say_last(self, request: Request, new: State, why: Sentence | None) -> None:
        """Say how a request ends whose worker is gone."""
        front = self._frontends.get(request.origin)
        if front is not None and new is State.CANCELLED:
            await quietly(front.cancelled(request))
        elif front is not None:
            await quietly(front.failed(request, why or Sentence("lost")))

    # Small things.

    def _running(self) -> set[int]:
        return {job.request.id for job in self._jobs.values()}

    def _front(self, request: Request) -> FrontEnd:
        return self._frontends[request.origin]

    async def _wait_for_jobs(self, seconds: float) -> None:
        if self._jobs:
            await asyncio.wait(self._jobs, timeout=seconds)

    async def _every(self, seconds: float, act: Callable[[], Awaitable[None]]) -> None:
        while True:
            await asyncio.sleep(seconds)
            await self._steadily(act)

    async def _steadily(self, act: Callable[[], Awaitable[bool | None]]) -> bool:
        """Act; a database that is away for a while must not end the worker."""
        try:
            return bool(await act())
        except Exception:
            log.exception("worker stumbled")
            return False
