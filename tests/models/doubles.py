"""Engines small enough to steer by hand, for the tests of what stands around the real ones."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from pathlib import Path

from models.contract import (
    AlbumRequest,
    AlbumTake,
    AlbumTrack,
    BeatRequest,
    BeatTake,
    EngineHealth,
    EssayDelta,
    EssayDone,
    EssayEvent,
    EssayPlan,
    EssayRequest,
    Family,
    ModelInfo,
    Problem,
    Progress,
    StyleInfo,
)
from models.desks import Namer
from models.essay.tickets import EngineBusy
from models.registry import Registry, Version

PLAN = EssayPlan(title="Rivers", paragraphs=(("water",),))
STYLE = StyleInfo(name="plain", description="Plain words.")


def info(family: Family, version: Version | None) -> ModelInfo:
    own = version.manifest.get("styles", []) if version else []
    return ModelInfo(
        family=family,
        version=version.name if version else "none",
        styles=(STYLE, *(StyleInfo(name=name, description="") for name in own)),
        default_style="plain",
        parameters=1,
        licence="MIT",
        device="cpu",
    )


class Ticket:
    def __init__(self) -> None:
        self.cancelled = threading.Event()

    def cancel(self) -> None:
        self.cancelled.set()


class StepEngine:
    """Writes one word at each ``step``; each essay keeps the version it began with."""

    def __init__(self, slots: int = 2) -> None:
        self.slots = slots
        self.version: Version | None = None
        self.held: dict[str, Version] = {}
        self.loading = threading.Event()  # cleared: loading takes until it is set
        self.loading.set()
        self.tickets: list[Ticket] = []
        self.idle = 0.0
        self.running = False
        self._stepped = threading.Semaphore(0)

    def step(self, times: int = 1) -> None:
        self._stepped.release(times)

    def hold(self, version: Version) -> int:
        assert self.loading.wait(60)
        if (version.path / "bad").exists():
            raise ValueError("shapes do not fit")
        self.held[version.name] = version
        return 2**20

    def promote(self, name: str) -> None:
        self.version = self.held[name]

    def drop(self, name: str) -> None:
        del self.held[name]

    def stall(self, since: float) -> float | None:
        return 0.002

    def start(self) -> None:
        self.running = True

    def stop(self, timeout: float = 10) -> None:
        self.running = False

    def submit(self, request: EssayRequest, emit: Callable[[EssayEvent | Problem], None]) -> Ticket:
        if self.health().active >= self.slots:
            raise EngineBusy(2.5)
        assert self.version is not None
        name = self.version.name if request.version is None else self.held[request.version].name
        ticket = Ticket()
        self.tickets.append(ticket)
        work = (request, emit, ticket, name)
        threading.Thread(target=self._write, args=work, daemon=True).start()
        return ticket

    def _write(
        self,
        request: EssayRequest,
        emit: Callable[[EssayEvent | Problem], None],
        ticket: Ticket,
        name: str,
    ) -> None:
        emit(Progress(stage="writing", done=0))
        emit(PLAN)
        for _ in range(3):
            while not self._stepped.acquire(timeout=0.01):
                if ticket.cancelled.is_set():
                    return
            emit(EssayDelta(text="word\u2028 "))
        emit(
            EssayDone(
                text="word\u2028 " * 3,
                plan=PLAN,
                words=3,
                seed=request.seed,
                style="plain",
                model_version=name,
                tokens=3,
                seconds=0.1,
            )
        )
        ticket.cancelled.set()

    def health(self) -> EngineHealth:
        active = sum(not ticket.cancelled.is_set() for ticket in self.tickets)
        return EngineHealth(
            family=Family.ESSAY,
            ok=self.running,
            active=active,
            waiting=0,
            idle_seconds=self.idle,
        )

    def info(self, name: str | None = None) -> ModelInfo:
        return info(Family.ESSAY, self.held[name] if name else self.version)


class HandStudio:
    """Makes a beat when ``go`` is set, checks for cancellation every 10 ms."""

    def __init__(self) -> None:
        self.go = threading.Event()
        self.version: Version | None = None
        self.held: dict[str, Version] = {}
        self.made = 0
        self.given_up = 0

    def hold(self, version: Version) -> int:
        self.held[version.name] = version
        return 2**20

    def promote(self, name: str) -> None:
        self.version = self.held[name]

    def drop(self, name: str) -> None:
        del self.held[name]

    def make(
        self,
        request: BeatRequest,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> BeatTake:
        version = self.version if request.version is None else self.held[request.version]
        report(Progress(stage="playing", done=0.1))
        while not self.go.is_set():
            if cancelled():
                self.given_up += 1
                raise InterruptedError
            time.sleep(0.01)
        if request.seed == 13:
            raise ZeroDivisionError
        if request.seed == 14:
            raise ValueError("The beat is too long.")
        self.made += 1
        assert version is not None
        return BeatTake(
            style="plain",
            bpm=request.bpm or 90,
            bars=request.bars,
            key=request.key or "C minor",
            seed=request.seed,
            model_version=version.name,
            sections=("verse",),
            duration=1.0,
            format=request.format,
            audio="QUJD",
            midi="QUJD",
            picture="QUJD",
            seconds=0.5,
        )

    def press(
        self,
        request: AlbumRequest,
        namer: Namer,
        report: Callable[[Progress], None],
        cancelled: Callable[[], bool],
    ) -> AlbumTake:
        version = self.version if request.version is None else self.held[request.version]
        names = namer("plain", cancelled)
        report(Progress(stage="playing", done=0.1, part=1, parts=request.tracks))
        while not self.go.is_set():
            if cancelled():
                self.given_up += 1
                raise InterruptedError
            time.sleep(0.01)
        if request.seed == 14:
            raise ValueError("The album is too long.")
        self.made += 1
        assert version is not None
        tracks = tuple(
            AlbumTrack(number=n, title=name, bpm=90, key="C minor", bars=32, duration=85.0)
            for n, name in enumerate(names, 1)
        )
        return AlbumTake(
            title=request.title,
            style="plain",
            seed=request.seed,
            model_version=version.name,
            tracks=tracks,
            archive="QUJD",
            medley="QUJD",
            cover="QUJD",
            seconds=0.5,
        )

    def info(self, name: str | None = None) -> ModelInfo:
        return info(Family.MUSIC, self.held[name] if name else self.version)


def publish(
    root: Path, family: str, name: str, *, live: bool = True, bad: bool = False, style: str = ""
) -> Version:
    """Put a small version into a registry."""
    folder = root / "made" / family / name
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"name": name}))
    if bad:
        (folder / "bad").touch()
    registry = Registry(root, None)
    facts = {"styles": [style]} if style else {}
    version = registry.publish(family, name, folder, parent=None, facts=facts)
    if live:
        registry.move_alias(family, "live", name)
    return version
