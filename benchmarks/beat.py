"""Measure how long a beat takes, stage by stage, and what callers of the service get.

    python -m benchmarks.beat [models/checkpoints/music/<version>] [--bars 16] [--style S]
                              [--repeat 3] [--callers 1,8,32] [--every-style] [--album 8] [--json]

Wall seconds are what a caller waits for; processor seconds say what an idle machine would need,
also when the machine is busy with something else. ``first`` is a beat with an empty cache of drum
sounds and tones, the stages are measured warm. Real time is the length of the music. Callers ask
a real server process over HTTP, as the bot does, all at the same time; one who is told to come
back does so. FluidSynth, where it is installed, plays the same notes with the same SoundFont.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import torch
import typer
from rich.console import Console
from rich.table import Table

from benchmarks.callers import measure_service
from models.music import encoding, mixer, picture, stems
from models.music.arranger import Wish, compose
from models.music.encoding import Tags
from models.music.gan import Generator, load_generator
from models.music.song import to_midi
from models.music.voices import DEFAULT_SOUNDFONT, Players
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

    def middle(self) -> dict[str, float]:
        """Give the medians."""
        return {
            "wall": statistics.median(self.wall), "processor": statistics.median(self.processor)
        }  # fmt: skip


def _processor() -> float:
    """Count processor seconds of this process and of the encoders it has run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def main(
    folder: Annotated[Path | None, typer.Argument(help="Default: the live version")] = None,
    bars: int = 16,
    style: str = "",
    repeat: int = 3,
    callers: Annotated[str, typer.Option(help="How many at once; empty: no service")] = "1,8,32",
    album: Annotated[int, typer.Option(help="Tracks of the record; 0: none")] = 8,
    every_style: Annotated[bool, typer.Option(help="One caller for each style, too")] = False,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run the measurement and print a table, or one JSON object."""
    version = _version(folder)
    generator = load_generator(version.path)
    styles = list(generator.config.masks or generator.config.styles)
    style = style or styles[0]
    wish, players = Wish(style, 1, bars), Players()
    stages = {name: Stage() for name in STAGES}
    first = Stage()
    with first.timed():
        _beat(generator, players, wish, {name: Stage() for name in STAGES})
    seconds = [_beat(generator, players, wish, stages) for _ in range(repeat)]
    result = {
        "version": version.name, "style": style, "bars": bars, "threads": torch.get_num_threads(),
        "music_seconds": seconds[0],
        "first": first.middle(),
        "stages": {name: stage.middle() for name, stage in stages.items()},
        "fluidsynth": _fluidsynth(generator, wish, repeat),
    }  # fmt: skip
    crowds = [int(count) for count in callers.split(",") if count]
    if crowds or album or every_style:
        asked = styles if every_style else []
        result["service"] = asdict(measure_service(version, style, bars, crowds, album, asked))
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


def _fluidsynth(generator: Generator, wish: Wish, repeat: int) -> dict[str, float] | str:
    """Let FluidSynth play the same song; say why not where it cannot."""
    program = shutil.which("fluidsynth")
    if program is None:
        return "skipped: fluidsynth is not installed"
    stage = Stage()
    with tempfile.TemporaryDirectory() as folder:
        notes, sound = Path(folder, "song.mid"), Path(folder, "song.wav")
        notes.write_bytes(to_midi(compose(generator, wish), "benchmark"))
        command = [program, "-ni", "-q", "-r", "44100", "-F", str(sound)]
        for _ in range(repeat):
            with stage.timed():
                subprocess.run(
                    [*command, str(DEFAULT_SOUNDFONT), str(notes)], check=True, capture_output=True
                )
    return stage.middle()


def _table(result: Mapping[str, Any]) -> Table:
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
    rival, synth = result["fluidsynth"], result["stages"]["synth"]
    if isinstance(rival, str):
        table.add_row("FluidSynth", rival, "", "")
    else:
        row("FluidSynth", rival["wall"], rival["processor"])
        ratio = rival["processor"] / max(synth["processor"], 1e-9)
        table.add_row("FluidSynth / synth", "", f"{ratio:.2f}", "")
    _service_rows(table, result.get("service"))
    return table


def _service_rows(table: Table, service: Mapping[str, Any] | None) -> None:
    if service is None:
        table.add_row("service", "skipped: neither callers nor a record were asked for", "", "")
        return
    for crowd in service["crowds"]:
        table.add_row(
            f"{crowd['callers']} callers", f"{crowd['longest_wait']:.2f} the last",
            f"{60 * crowd['callers'] / crowd['seconds']:.1f} beats a minute",
            f"{crowd['music_seconds'] / crowd['seconds']:.0f}",
        )  # fmt: skip
    waits = sorted((seconds, name) for name, seconds in service["styles"].items())
    if waits:
        middle = statistics.median(seconds for seconds, _ in waits)
        table.add_row(
            "every style, alone",
            f"{middle:.2f} the median",
            f"{waits[-1][0]:.2f} {waits[-1][1]}",
            "",
        )
    if service["album"]:
        record = service["album"]
        table.add_row(
            f"record of {record['tracks']}", f"{record['seconds']:.2f}", "",
            f"{record['music_seconds'] / record['seconds']:.0f}",
        )  # fmt: skip
        table.add_row("record cancelled", f"{max(service['cancels']):.2f} the longest", "", "")


if __name__ == "__main__":
    typer.run(main)
