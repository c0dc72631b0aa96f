"""Swap the essay model under full load, roll back, and count what the readers notice.

    python -m benchmarks.hot_swap [--registry DIR] [--versions previous,live] [--streams 32]
                                  [--words 300]

A real server process, N essays streaming at once, twice as many in all. While they stream, the live
alias moves from the first version to the second, never loaded before, and the service reloads; a
little later the registry rolls back and the service reloads again. A registry with one version
alone gets a second one that writes otherwise. Reported: failed essays, essays that are not word for
word what their version writes without a swap (mixed), the longest silence between two pieces, by
how much the engine's slowest step exceeded its usual one (stall), and how long swap and rollback
took.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import cycle
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file

from models.client import GenerationClient, GenerationError
from models.contract import EssayDelta, EssayDone, EssayRequest, Family
from models.registry import MANIFEST, SHIPPED, Registry, RegistryError, Version

ROOT = Path(__file__).parents[1]
TOPICS = ("Rivers", "Learning at home", "The price of success", "Friendship", "Cities at night")


@dataclass
class Reading:
    """What one reader saw."""

    seed: int
    version: str = ""
    text: str = ""
    error: str = ""
    pieces: list[float] = field(default_factory=list)  # arrival times, s

    def longest_gap(self, since: float = 0.0) -> float:
        """Longest silence in ms between two pieces, of which the later came after ``since``."""
        pairs = zip(self.pieces, self.pieces[1:], strict=False)
        return 1000 * max((b - a for a, b in pairs if b >= since), default=0.0)


async def read(client: GenerationClient, seed: int, words: int) -> Reading:
    """Read one essay, decoded greedily so that a version can write only one text."""
    topic = TOPICS[seed % len(TOPICS)]
    request = EssayRequest(request_id=str(seed), topic=topic, words=words, seed=seed, greedy=True)
    reading = Reading(seed)
    try:
        async for event in client.essay(request):
            if isinstance(event, EssayDelta):
                reading.pieces.append(time.monotonic())
            elif isinstance(event, EssayDone):
                reading.version, reading.text = event.model_version, event.text
    except GenerationError as error:
        reading.error = error.sentence
    return reading


async def crowd(client: GenerationClient, seeds: range, words: int, at_once: int) -> list[Reading]:
    """Read many essays, ``at_once`` at any time."""
    places = asyncio.Semaphore(at_once)

    async def one(seed: int) -> Reading:
        async with places:
            return await read(client, seed, words)

    return await asyncio.gather(*map(one, seeds))


async def crowd_until(
    over: asyncio.Event, client: GenerationClient, seeds: range, words: int, at_once: int
) -> list[Reading]:
    """Read essays, ``at_once`` at any time, each seed once and then again until it is over."""
    told: list[Reading] = []
    coming = cycle(seeds)

    async def reader() -> None:
        while len(told) < len(seeds) or not over.is_set():
            told.append(await read(client, next(coming), words))

    await asyncio.gather(*(reader() for _ in range(at_once)))
    return told


@dataclass(frozen=True)
class Swap:
    """When the swap was asked for and done; monotonic seconds."""

    begun: float
    ended: float
    stall: float | None  # seconds beyond a usual step, as the engine itself measured it


async def swap(client: GenerationClient, registry: Registry, name: str | None = None) -> Swap:
    """Move the alias to a version, or back to the one before, and reload."""
    begun = time.monotonic()
    if name is None:
        registry.rollback("essay", "hot swap benchmark")
    else:
        registry.move_alias("essay", "live", name, "hot swap benchmark")
    done = await client.reload(Family.ESSAY)
    return Swap(begun, time.monotonic(), done.stall)


async def measure(
    url: str, registry: Registry, names: tuple[str, str], *, streams: int, words: int
) -> dict[str, object]:
    """Read without and with a swap, and compare."""
    first, second = names
    seeds = range(2 * streams)
    async with GenerationClient(url, idle_timeout=600) as client:
        begun = time.monotonic()
        alone = {first: await crowd(client, seeds, words, streams)}
        seconds = time.monotonic() - begun
        over = asyncio.Event()
        readers = asyncio.create_task(crowd_until(over, client, seeds, words, streams))
        await asyncio.sleep(seconds / 4)  # the first half is at its middle
        swapped = await swap(client, registry, second)
        await asyncio.sleep(seconds)  # essays of the new version are done, and others in progress
        rolled = await swap(client, registry)
        over.set()
        told = await readers
        await swap(client, registry, second)
        alone[second] = await crowd(client, seeds, words, streams)
    return report(told, alone, swapped, rolled, (first, second))


def report(
    told: list[Reading],
    alone: dict[str, list[Reading]],
    swapped: Swap,
    rolled: Swap,
    names: tuple[str, str],
) -> dict[str, object]:
    """Put the figures together."""
    texts = {name: {r.seed: r.text for r in readings} for name, readings in alone.items()}
    done = [r for r in told if not r.error]
    mixed = [r.seed for r in done if r.text != texts[r.version][r.seed]]
    first, second = names
    return {
        "essays": len(told),
        "failed": len(told) - len(done),
        "mixed": len(mixed),
        "by_version": {name: sum(r.version == name for r in done) for name in names},
        "versions_differ": sum(texts[first][s] != texts[second][s] for s in texts[first]),
        "longest_gap_ms": round(max(r.longest_gap(swapped.begun) for r in told), 1),
        "longest_gap_without_swap_ms": round(max(r.longest_gap() for r in alone[first]), 1),
        "stall_beyond_a_step_ms": milliseconds(swapped.stall),
        "rollback_stall_beyond_a_step_ms": milliseconds(rolled.stall),
        "swap_s": round(swapped.ended - swapped.begun, 3),
        "rollback_s": round(rolled.ended - rolled.begun, 3),
        "versions": list(names),
    }


def milliseconds(seconds: float | None) -> float | None:
    """Round what was measured; None stays None."""
    return None if seconds is None else round(1000 * seconds, 1)


def prepare(
    source: Registry, root: Path, wanted: Sequence[str] = ()
) -> tuple[Registry, tuple[str, str]]:
    """Make a registry with both versions; where there is one alone, it gets a rival."""
    registry = Registry(root, None)
    alone = len(source.versions("essay")) < 2
    chosen = [] if alone else [source.resolve("essay", name) for name in wanted]
    if len({version.name for version in chosen}) < 2:
        return registry, rivals(source.resolve("essay"), registry, root.parent)
    for version in chosen:
        version.verify()
        publish(registry, version, version.name, version.path)
    registry.move_alias("essay", "live", chosen[0].name)
    return registry, (chosen[0].name, chosen[1].name)


def rivals(live: Version, registry: Registry, beside: Path) -> tuple[str, str]:
    """Publish a version, and a second one like it that writes otherwise."""
    for name, noise in (("swap-a", 0.0), ("swap-b", 0.05)):
        folder = beside / name
        shutil.copytree(live.path, folder, ignore=shutil.ignore_patterns(MANIFEST))
        if noise:
            shake(folder / "model.safetensors", noise)
        publish(registry, live, name, folder)
    registry.move_alias("essay", "live", "swap-a")
    return "swap-a", "swap-b"


def publish(registry: Registry, original: Version, name: str, folder: Path) -> None:
    """Publish a copy with what the manifest of the original says about it."""
    kept = {k: v for k, v in original.manifest.items() if k not in ("files", "version", "parent")}
    registry.publish("essay", name, folder, parent=original.parent, facts=kept)


def shake(weights: Path, noise: float) -> None:
    """Change every floating-point weight a little, in proportion to its tensor."""
    draw = torch.Generator().manual_seed(1)
    tensors = load_file(weights)
    for name, tensor in tensors.items():
        if tensor.is_floating_point() and tensor.numel() > 1:
            scale = noise * tensor.float().std()
            shift = torch.randn(tensor.shape, generator=draw) * scale
            tensors[name] = (tensor.float() + shift).to(tensor.dtype)
    save_file(tensors, weights, metadata={"format": "pt"})


@contextmanager
def served(registry: Path, folder: Path, device: str) -> Iterator[str]:
    """Run the real server."""
    port_file = folder / "port"
    command = [sys.executable, "-m", "models.server", "--registry", str(registry)]
    command += ["--port-file", str(port_file), "--device", device, "--end-with-parent"]
    with (folder / "log.txt").open("wb") as output:
        process = subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=output, stderr=output, cwd=ROOT
        )
    try:
        while not port_file.exists():
            if process.poll() is not None:
                sys.exit((folder / "log.txt").read_text())
            time.sleep(0.1)
        yield f"http://127.0.0.1:{port_file.read_text()}"
    finally:
        process.terminate()
        process.wait()


def main() -> None:
    """Run the benchmark and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--registry", type=Path, default=SHIPPED)
    parser.add_argument("--versions", default="previous,live", help="from,to: names or aliases")
    parser.add_argument("--streams", type=int, default=32)
    parser.add_argument("--words", type=int, default=300)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        source = Registry(args.registry, None)
        try:
            registry, names = prepare(source, root / "registry", args.versions.split(","))
        except RegistryError as error:
            sys.exit(str(error))
        with served(root / "registry", root, args.device) as url:
            figures = asyncio.run(
                measure(url, registry, names, streams=args.streams, words=args.words)
            )
    sys.stdout.write(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
