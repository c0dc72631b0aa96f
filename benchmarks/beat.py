"""Measure how long a beat takes, stage by stage, and how many callers the studio can serve.

    python benchmarks/beat.py [models/checkpoints/music/<version>] [--bars 16] [--style S]
                              [--repeat 3] [--callers 1,8] [--json]

Wall seconds are what a caller waits for; processor seconds say what an idle machine would need,
also when the machine is busy with something else. ``first`` is a beat with an empty cache of drum
sounds and tones, the stages are measured warm. Real time is the length of the music.
"""

from __future__ import annotations

import json
import os
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from models.contract import BeatRequest
from models.music import encoding, mixer, picture, stems
from models.music.arranger import Wish, compose
from models.music.encoding import Tags
from models.music.gan import Generator, load_generator
from models.music.song import to_midi
from models.music.studio import BeatStudio
from models.music.voices import Players
from models.registry import MANIFEST, Registry, Version

STAGES = ("roll", "arrange", "midi", "picture", "synth", "mix", "master", "encode")


@dataclass
class Stage:
    """Seconds of one stage, one number a run."""

    wall: list[float] = field(default_factory=list)
    processor: list[float] = field(default_factory=list)

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Add a run."""
        wall, processor = time.perf_counter(), _processor()
        yield
        self.wall.append(time.perf_counter() - wall)
        self.processor.append(_processor() - processor)


def _processor() -> float:
    """Count processor seconds of this process and of the encoders it has run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


@dataclass(frozen=True)
class Callers:
    """What several callers at once get."""

    callers: int
    beats: int
    seconds: float
    longest_wait: float

    @property
    def rate(self) -> float:
        """Beats a minute, all together."""
        return 60 * self.beats / self.seconds


def main(
    folder: Annotated[Path | None, typer.Argument(help="Default: the live version")] = None,
    bars: int = 16,
    style: str = "",
    repeat: int = 3,
    callers: str = "1,8",
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run the measurement and print a table, or one JSON object."""
    version = _version(folder)
    generator = load_generator(version.path)
    style = style or next(iter(generator.config.masks or generator.config.styles))
    players = Players()
    stages = {name: Stage() for name in STAGES}
    first = Stage()
    with first.timed():
        _beat(generator, players, Wish(style, 1, bars), {name: Stage() for name in STAGES})
    seconds = [_beat(generator, players, Wish(style, 1, bars), stages) for _ in range(repeat)]
    crowd = [_crowd(version, style, bars, int(count)) for count in callers.split(",") if count]
    result = {
        "version": version.name, "style": style, "bars": bars, "threads": torch.get_num_threads(),
        "music_seconds": seconds[0],
        "first": {"wall": first.wall[0], "processor": first.processor[0]},
        "stages": {
            name: {"wall": statistics.median(s.wall), "processor": statistics.median(s.processor)}
            for name, s in stages.items()
        },
        "callers": [asdict(c) | {"beats_a_minute": c.rate} for c in crowd],
    }  # fmt: skip
    console = Console()
    if as_json:
        console.print_json(json.dumps(result))
    else:
        console.print(_table(result))


def _version(folder: Path | None) -> Version:
    if folder is None:
        return Registry().resolve("music")
    manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    return Version("music", folder.name, folder, manifest)


def _beat(generator: Generator, players: Players, wish: Wish, stages: dict[str, Stage]) -> float:
    """Make a beat step by step; give the seconds of music."""
    with stages["roll"].timed():
        generator.phrases(generator.latent(wish.seed, 8), style=wish.style)
    with stages["arrange"].timed():
        song = compose(generator, wish)
    with stages["midi"].timed():
        to_midi(song, "benchmark")
    with stages["picture"].timed():
        picture.draw(song, "benchmark")
    with stages["synth"].timed():
        parts = stems.record(song, players)
    with stages["mix"].timed():
        balanced = mixer.balance(song, parts)
    with stages["master"].timed():
        mixed = mixer.finish(balanced, song)
    with stages["encode"].timed():
        tags = Tags("benchmark", song.bpm, song.key, song.seed, "none")
        encoding.encode(mixed.audio, "mp3", tags)
    return mixed.seconds


def _crowd(version: Version, style: str, bars: int, count: int) -> Callers:
    """Let ``count`` callers ask for a beat each at the same time."""
    studio = BeatStudio()
    studio.load(version)
    studio.make(_request(style, bars, 0), lambda _: None, lambda: False)
    began = time.perf_counter()

    def ask(number: int) -> float:
        studio.make(_request(style, bars, number), lambda _: None, lambda: False)
        return time.perf_counter() - began

    with ThreadPoolExecutor(count) as pool:
        waits = list(pool.map(ask, range(1, count + 1)))
    return Callers(count, count, time.perf_counter() - began, max(waits))


def _request(style: str, bars: int, seed: int) -> BeatRequest:
    return BeatRequest(request_id="benchmark", style=style, bars=bars, seed=seed)


def _table(result: dict[str, Any]) -> Table:
    music = result["music_seconds"]
    title = f"{result['bars']} bars of {result['style']}, {music:.1f} s of music, mp3"
    table = Table("stage", "wall s", "processor s", "x real time", title=title)

    def row(name: str, wall: float, processor: float) -> None:
        table.add_row(name, f"{wall:.3f}", f"{processor:.3f}", f"{music / max(wall, 1e-9):.0f}")

    for name, seconds in result["stages"].items():
        row(name, seconds["wall"], seconds["processor"])
    # The roll alone is part of arranging.
    counted = [seconds for name, seconds in result["stages"].items() if name != "roll"]
    row("total", *(sum(s[kind] for s in counted) for kind in ("wall", "processor")))
    row("first, cold", result["first"]["wall"], result["first"]["processor"])
    for crowd in result["callers"]:
        table.add_row(
            f"{crowd['callers']} callers", f"{crowd['longest_wait']:.2f} the last",
            f"{crowd['beats_a_minute']:.1f} beats a minute", "",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
