"""What several callers of the real service get at once, and how long a record takes."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from pathlib import Path

from benchmarks.hot_swap import served
from models.client import GenerationBusy, GenerationClient
from models.contract import AlbumRequest, AlbumTake, BeatRequest, BeatTake, Progress
from models.registry import MANIFEST, Registry, Version

#: Shares of a record after which somebody no longer wants it.
CANCELS = (0.0, 0.1, 0.3, 0.5, 0.7)


@dataclass(frozen=True)
class Crowd:
    """Callers who asked at the same time; seconds are wall seconds."""

    callers: int
    seconds: float
    longest_wait: float
    sent_away: int  # times the service was full
    music_seconds: float


@dataclass(frozen=True)
class Record:
    """A record that was made."""

    tracks: int
    seconds: float
    music_seconds: float


@dataclass(frozen=True)
class Service:
    """What the service gave."""

    crowds: tuple[Crowd, ...]
    styles: Mapping[str, float]  # seconds of one caller for a beat of every style
    album: Record | None
    cancels: tuple[float, ...]  # seconds until the service has let go of a record


def measure_service(
    version: Version, style: str, bars: int, crowds: Sequence[int], tracks: int,
    styles: Sequence[str] = (),
) -> Service:  # fmt: skip
    """Start the server with a version live, let crowds ask for beats and somebody for a record."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        _publish(version, root)
        with served(root / "registry", root, "cpu") as url:
            return asyncio.run(_measure(url, style, bars, crowds, tracks, styles))


def _publish(version: Version, root: Path) -> None:
    """Make a version live in a registry of its own."""
    files = root / "files"
    shutil.copytree(version.path, files, ignore=shutil.ignore_patterns(MANIFEST))
    registry = Registry(root / "registry")
    facts = {"licence": version.manifest.get("licence", "unknown")}
    registry.publish("music", "measured", files, parent=None, facts=facts)
    registry.move_alias("music", "live", "measured")


async def _measure(
    url: str, style: str, bars: int, crowds: Sequence[int], tracks: int, styles: Sequence[str]
) -> Service:
    async with GenerationClient(url, idle_timeout=900) as client:
        await _ask(client, style, bars, 0)  # fill the cache of sounds
        found = [await _crowd(client, style, bars, count) for count in crowds]
        return Service(
            tuple(found),
            {name: (await _crowd(client, name, bars, 1)).seconds for name in styles},
            await _record(client, style, tracks) if tracks else None,
            tuple([await _cancelled(client, style, tracks, at) for at in CANCELS])
            if tracks
            else (),
        )


async def _crowd(client: GenerationClient, style: str, bars: int, count: int) -> Crowd:
    began = time.perf_counter()

    async def caller(seed: int) -> tuple[float, int, float]:
        music, sent_away = await _ask(client, style, bars, seed)
        return time.perf_counter() - began, sent_away, music

    told = await asyncio.gather(*(caller(seed) for seed in range(1, count + 1)))
    waits, away, music = zip(*told, strict=True)
    return Crowd(count, time.perf_counter() - began, max(waits), sum(away), sum(music))


async def _ask(client: GenerationClient, style: str, bars: int, seed: int) -> tuple[float, int]:
    """Ask until a beat comes; give its seconds of music and how often the service was full."""
    request = BeatRequest(request_id=f"benchmark-{seed}", style=style, bars=bars, seed=seed)
    for sent_away in range(1000):
        try:
            async for event in client.beat(request):
                if isinstance(event, BeatTake):
                    return event.duration, sent_away
        except GenerationBusy as busy:
            await asyncio.sleep(busy.retry_after)
    raise RuntimeError("The service was full a thousand times.")


async def _record(client: GenerationClient, style: str, tracks: int) -> Record:
    began = time.perf_counter()
    request = AlbumRequest(
        request_id="benchmark-record", title="Benchmark", tracks=tracks, style=style, seed=1
    )
    async for event in client.album(request):
        if isinstance(event, AlbumTake):
            music = sum(track.duration for track in event.tracks)
            return Record(tracks, time.perf_counter() - began, music)
    raise RuntimeError("The service ended without a record.")


async def _cancelled(client: GenerationClient, style: str, tracks: int, at: float) -> float:
    """Leave a record when a share of it is done; give seconds until the service makes nothing."""
    request = AlbumRequest(
        request_id=f"benchmark-cancel-{at}", title="Benchmark", tracks=tracks, style=style, seed=2
    )
    async with aclosing(client.album(request)) as events:
        async for event in events:
            if isinstance(event, Progress) and event.done >= at:
                break
    began = time.perf_counter()
    while any(model.in_flight for model in (await client.models()).models):
        await asyncio.sleep(0.02)
    return time.perf_counter() - began
