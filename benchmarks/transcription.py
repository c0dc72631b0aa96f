"""Play known MIDI to mp3, transcribe it, and score what comes back.

    python -m benchmarks.transcription [--midi DIR] [--soundfont FILE ...] [--clips 6]
                                       [--seconds 20] [--json]

Every clip is played by every SoundFont as a mix (all parts), solo (one pitched part) and drums
alone, encoded as mp3 at 128 kbit/s, and transcribed. Scores are onset F1 within 50 ms by mir_eval,
pooled over the clips: for pitched notes the pitch must be right too, parts in unison are one note;
for drums kick, snare and hats each are scored as a class of their own. Without --midi the songs are
made by the live beat generator. Real time is audio seconds by wall seconds of transcribing, each
file on one thread, ``--jobs`` files at once.
"""

from __future__ import annotations

import io
import json
import os
import random
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Annotated

import mir_eval
import numpy as np
import pretty_midi
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from models.music.arranger import Wish, compose
from models.music.gan import load_generator
from models.music.midi import roles_of
from models.music.song import to_midi
from models.music.transcriber import Transcription, TranscriptionError, analyse
from models.music.transcriber.drums import SOUNDS
from models.music.voices import DEFAULT_SOUNDFONT
from models.registry import Registry
from training.songs.rendering import Band, excerpt, mp3

WINDOW = 0.05  # seconds an onset may be off
STROKES = ("kick", "snare", "hats")
KINDS = ("mixed", "solo", "drums")
GOALS = {"mixed": 0.75, "solo": 0.90, "drums": 0.90}
_KEYS = {"kick": SOUNDS["kick"], "snare": SOUNDS["snare"],
         "hats": (*SOUNDS["hat"], *SOUNDS["open_hat"])}  # fmt: skip


@dataclass
class Count:
    """Onsets of the truth, of the transcription, and those that are both."""

    true: int = 0
    found: int = 0
    right: int = 0

    def add(self, true: int, found: int, right: int) -> None:
        """Count one clip."""
        self.true, self.found, self.right = (
            self.true + true, self.found + found, self.right + right,
        )  # fmt: skip

    @property
    def f1(self) -> float:
        """Give the harmonic mean of precision and recall."""
        return 2 * self.right / max(self.true + self.found, 1)


@dataclass(frozen=True)
class Task:
    """One clip to transcribe, with what is true of it."""

    font: str
    kind: str
    song: str
    audio: bytes
    truth: tuple[tuple[float, int, bool], ...]  # seconds, pitch, drum?
    bpm: float
    downbeats: tuple[float, ...]


def main(
    midi: Annotated[Path | None, typer.Option(help="Folder of MIDI files.")] = None,
    soundfont: Annotated[list[Path] | None, typer.Option(help="Also several.")] = None,
    clips: int = 6,
    seconds: float = 20.0,
    jobs: int = 2,
    seed: int = 1,
    as_json: Annotated[bool, typer.Option("--json")] = False,
) -> None:
    """Run the round trip and print a table, or one JSON object."""
    songs = list(_songs(midi, clips, seed))
    tasks = [t for font in soundfont or [DEFAULT_SOUNDFONT] for t in _tasks(songs, font, seconds)]
    heard, wall, processor = _heard(tasks, jobs)
    rows = _scores(tasks, heard)
    audio = sum(float(h.seconds) for h in heard if h)
    speed = {
        "audio_seconds": audio, "wall": wall, "processor": processor, "jobs": jobs,
        "x_real_time": audio / wall, "x_real_time_a_core": audio / processor,
    }  # fmt: skip
    pulse = _pulse(tasks, heard)
    console = Console()
    if as_json:
        scores = [
            {"font": font, "kind": kind, "class": name, "f1": c.f1, **asdict(c)}
            for (font, kind, name), c in rows.items()
        ]
        console.print_json(json.dumps({"scores": scores, "speed": speed, "pulse": pulse}))
        return
    console.print(_table(rows))
    console.print(
        f"{audio:.0f} s of audio in {wall:.1f} s with {jobs} files at once on {os.cpu_count()} "
        f"cores: {speed['x_real_time']:.1f} x real time; by processor time alone "
        f"{speed['x_real_time_a_core']:.1f} x a core"
    )
    console.print(
        f"tempo right (4 %) {pulse['tempo']:.2f}, also half or twice {pulse['tempo_octave']:.2f}; "
        f"downbeats F1 (70 ms) {pulse['downbeats']:.2f}"
    )


def _songs(
    folder: Path | None, count: int, seed: int
) -> Iterator[tuple[str, pretty_midi.PrettyMIDI]]:
    """Give songs with drums and at least two pitched parts."""
    if folder is None:
        yield from _own_songs(count, seed)
        return
    files = sorted(p for p in folder.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    random.Random(seed).shuffle(files)
    for path in files:
        try:
            midi = pretty_midi.PrettyMIDI(str(path))
        except Exception:  # the parser raises whatever a broken byte leads it to
            continue
        drums = [i for i in midi.instruments if i.is_drum and i.notes]
        others = [i for i in midi.instruments if not i.is_drum and i.notes]
        if drums and len(others) > 1 and midi.get_end_time() > 10:
            yield path.stem, midi
            count -= 1
        if not count:
            return


def _own_songs(count: int, seed: int) -> Iterator[tuple[str, pretty_midi.PrettyMIDI]]:
    generator = load_generator(Registry().resolve("music").path)
    styles = list(generator.config.masks or generator.config.styles)
    for number in range(count):
        style = styles[number % len(styles)]
        song = compose(generator, Wish(style, seed + number, 16))
        file = io.BytesIO(to_midi(song, style))
        yield f"{style} {seed + number}", pretty_midi.PrettyMIDI(file)


def _tasks(
    songs: Sequence[tuple[str, pretty_midi.PrettyMIDI]], font: Path, seconds: float
) -> Iterator[Task]:
    """Cut, split and play every song."""
    band = Band(font)
    for number, (name, midi) in enumerate(songs):
        first = float(midi.get_downbeats()[0]) if len(midi.get_downbeats()) else 0.0
        start = max(first, 0.25 * max(midi.get_end_time() - seconds, 0.0))
        whole = excerpt(midi, start, seconds)
        downbeats = midi.get_downbeats() - start
        inside = tuple(downbeats[(downbeats >= 0) & (downbeats < seconds)].tolist())
        bpm = 60 / float(np.median(np.diff(midi.get_beats())))
        for kind, part in _kinds(whole, number).items():
            sound = band.play(part, seconds)
            if sound.std() < 1e-4:
                continue
            truth = tuple(
                (n.start, int(n.pitch), bool(i.is_drum)) for i in part.instruments for n in i.notes
            )
            yield Task(band.name, kind, name, mp3(sound), truth, bpm, inside)


def _kinds(midi: pretty_midi.PrettyMIDI, number: int) -> dict[str, pretty_midi.PrettyMIDI]:
    """Give the mix, its drums, and one pitched part: another kind of part in every song."""
    parts = [i for i in midi.instruments if not i.is_drum and len(i.notes) > 7]
    wanted = ("keys", "lead", "bass", "pad")[number % 4]
    roles = dict(zip(roles_of(parts), parts, strict=True))
    chosen = {"mixed": midi.instruments, "drums": [i for i in midi.instruments if i.is_drum]}
    if parts:
        chosen["solo"] = [roles.get(wanted, parts[number % len(parts)])]
    made = {}
    for kind, instruments in chosen.items():
        if sum(len(i.notes) for i in instruments) > 7:
            made[kind] = pretty_midi.PrettyMIDI()
            made[kind].instruments = list(instruments)
    return made


def _heard(tasks: Sequence[Task], jobs: int) -> tuple[list[Transcription | None], float, float]:
    """Transcribe every clip; give wall and processor seconds, start of the workers aside."""
    with ProcessPoolExecutor(jobs, get_context("spawn")) as pool:
        list(pool.map(_transcribed, [tasks[0].audio] * 2 * jobs))  # load what is loaded once
        began = time.perf_counter()
        heard = list(pool.map(_transcribed, [task.audio for task in tasks]))
        wall = time.perf_counter() - began
    return [found for found, _ in heard], wall, sum(spent for _, spent in heard)


def _transcribed(audio: bytes) -> tuple[Transcription | None, float]:
    began = _processor()
    try:
        return analyse(audio, threads=1), _processor() - began
    except TranscriptionError:
        return None, _processor() - began


def _processor() -> float:
    """Count processor seconds of this process and of the decoders it has run."""
    times = os.times()
    return times.user + times.system + times.children_user + times.children_system


def _scores(
    tasks: Sequence[Task], heard: Sequence[Transcription | None]
) -> dict[tuple[str, str, str], Count]:
    """Pool the counts by SoundFont, kind of clip and class."""
    counts: dict[tuple[str, str, str], Count] = {}
    for task, found in zip(tasks, heard, strict=True):
        if task.kind != "drums":
            count = counts.setdefault((task.font, task.kind, "notes"), Count())
            count.add(*_notes(task, found))
        if task.kind != "solo":
            for drum in STROKES:
                score = _strokes(task, found, drum)
                counts.setdefault((task.font, task.kind, drum), Count()).add(*score)
                together = (task.font, task.kind, "all strokes")
                counts.setdefault(together, Count()).add(*score)
    return counts


def _notes(task: Task, heard: Transcription | None) -> tuple[int, int, int]:
    pitched = sorted({(pitch, start) for start, pitch, drum in task.truth if not drum})
    true = [
        row for before, row in zip([(-1, 0.0), *pitched], pitched, strict=False)
        if row[0] != before[0] or row[1] - before[1] >= WINDOW
    ]  # fmt: skip
    found = [(n.pitch, n.start) for notes in (heard.parts.values() if heard else ()) for n in notes]
    if not true or not found:
        return len(true), len(found), 0
    matched = mir_eval.transcription.match_notes(
        *_intervals(true), *_intervals(found), onset_tolerance=WINDOW, offset_ratio=None
    )
    return len(true), len(found), len(matched)


def _intervals(
    rows: Sequence[tuple[int, float]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    times = np.array([[start, start + 0.1] for _, start in rows])
    return times, 440 * 2 ** ((np.array([pitch for pitch, _ in rows]) - 69) / 12)


def _strokes(task: Task, heard: Transcription | None, drum: str) -> tuple[int, int, int]:
    true = np.unique([t for t, key, is_drum in task.truth if is_drum and key in _KEYS[drum]])
    names = ("hat", "open_hat") if drum == "hats" else (drum,)
    found = np.array([h.start for h in (heard.drums if heard else ()) if h.drum in names])
    if not len(true) or not len(found):
        return len(true), len(found), 0
    return len(true), len(found), len(mir_eval.util.match_events(true, found, WINDOW))


def _pulse(tasks: Sequence[Task], heard: Sequence[Transcription | None]) -> dict[str, float]:
    """Score tempo and downbeats of the mixes."""
    right, octave, downbeats = [], [], []
    for task, found in zip(tasks, heard, strict=True):
        if task.kind == "mixed" and found:
            ratio = found.bpm / task.bpm
            right.append(abs(ratio - 1) < 0.04)
            octave.append(any(abs(ratio / f - 1) < 0.04 for f in (0.5, 1, 2)))
            true = np.array(task.downbeats)
            inside = found.pulse.downbeats
            inside = inside[(inside >= 0) & (inside <= found.seconds)]
            downbeats.append(mir_eval.beat.f_measure(true, inside, 0.07) if len(true) > 1 else 0.0)
    return {
        "tempo": float(np.mean(right)), "tempo_octave": float(np.mean(octave)),
        "downbeats": float(np.mean(downbeats)),
    }  # fmt: skip


def _table(rows: dict[tuple[str, str, str], Count]) -> Table:
    table = Table("SoundFont", "clips", "class", "F1", "precision", "recall", "onsets", "goal")
    for (font, kind, name), count in sorted(rows.items()):
        goal = GOALS[kind] if name in ("notes", "all strokes") else None
        if kind == "mixed" and name == "all strokes":
            goal = None
        table.add_row(
            font, kind, name, f"{count.f1:.2f}", f"{count.right / max(count.found, 1):.2f}",
            f"{count.right / max(count.true, 1):.2f}", str(count.true),
            f"{goal:.2f}" if goal else "",
        )  # fmt: skip
    return table


if __name__ == "__main__":
    typer.run(main)
