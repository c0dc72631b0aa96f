"""The song commands: collect, transcribe, hear."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Annotated

import typer

from models.music.voices import DEFAULT_SOUNDFONT
from training.runs import STOP, Journal, Outcome
from training.songs import collecting, transcribing
from training.songs.fetching import Limits
from training.songs.pairs import carry_over
from training.songs.sheet import SheetError

STOPPED = 3  # exit code of a command that was asked to stop


class Stopped(Exception):
    """Somebody asked the command to end; the message is one plain sentence."""


def collect(
    sheet: Annotated[Path, typer.Argument(help="csv or xlsx: title, artist, path, sample-of.")],
    out: Annotated[Path, typer.Option(help="Folder for songs and report.")],
    allow_private: Annotated[
        bool,
        typer.Option(help="Fetch from private networks, and paths outside the sheet's folder."),
    ] = False,
    max_mb: Annotated[float, typer.Option(help="Largest file.")] = 200.0,
    max_seconds: Annotated[float, typer.Option(help="Longest time for one file.")] = 300.0,
    jobs: Annotated[int, typer.Option(min=1, max=16, help="Files at once.")] = 4,
) -> None:
    """Fetch the songs of a sheet; the same command goes on where a run was cut off."""

    def say(result: collecting.Collected, done: int, count: int) -> None:
        typer.echo(f"{done}/{count} row {result.row}, {result.song}: {result.sentence}")

    limits = Limits(max_bytes=int(max_mb * 1e6), seconds=max_seconds, private=allow_private)
    try:
        results = collecting.collect(sheet, out, limits, jobs=jobs, say=say)
    except SheetError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    counted = {
        state: sum(r.state == state for r in results) for state in ("kept", "copy", "refused")
    }
    typer.echo(
        f"{counted['kept']} songs are kept, {counted['copy']} rows are copies, "
        f"{counted['refused']} were refused; {out / collecting.REPORT} says why.",
        err=True,
    )


def transcribe(
    folder: Annotated[Path, typer.Argument(help="Folder of audio files.")],
    out: Annotated[Path, typer.Option(help="Folder for MIDI files and report.")],
    jobs: Annotated[
        int, typer.Option(min=1, help="Files at once; one a core is quickest.")
    ] = os.cpu_count() or 1,
    memory: Annotated[
        Path | None, typer.Option(help="Folder that keeps what was heard for other runs.")
    ] = None,
    watch: Annotated[
        Path | None, typer.Option(help="Run folder: gets the progress; a file stop there ends it.")
    ] = None,
) -> None:
    """Turn a folder of audio into MIDI; the same command goes on where a run was cut off."""
    if not folder.is_dir():
        typer.echo(f"There is no folder at {folder}.", err=True)
        raise typer.Exit(1)
    began = time.monotonic()
    journal = Journal(watch) if watch else None

    def say(outcome: transcribing.Outcome, done: int, count: int) -> None:
        left = (time.monotonic() - began) / done * (count - done)
        typer.echo(f"{done}/{count} {outcome.file}: {outcome.sentence} ({left / 60:.0f} min left)")
        if journal:
            journal.add(phase="transcribe", step=done, steps=count, fraction=done / count)
        if watch and (watch / STOP).exists():
            raise Stopped(f"Transcribing was stopped after {done} of {count} songs.")

    try:
        outcomes = transcribing.transcribe_folder(folder, out, jobs=jobs, say=say, memory=memory)
    except Stopped as stopped:
        if watch:
            Outcome("stopped", str(stopped)).write(watch)
        typer.echo(str(stopped), err=True)
        raise typer.Exit(STOPPED) from stopped
    pairs = carry_over(folder, out, outcomes)
    counted = transcribing.summary_of(outcomes)
    typer.echo(
        f"{counted['done']} of {counted['files']} files became MIDI, {counted['refused']} were "
        f"refused, {counted['copies']} are copies; {pairs} pairs of song and original.",
        err=True,
    )
    if not counted["done"]:
        raise typer.Exit(1)


def hear(
    midi: Annotated[Path, typer.Argument(help="Folder of MIDI files to learn from.")],
    out: Annotated[Path, typer.Option(help="File of the networks, for example ears.npz.")],
    soundfont: Annotated[list[Path] | None, typer.Option(help="Also several.")] = None,
    clips: Annotated[int, typer.Option(min=18, help="Excerpts of twelve seconds.")] = 220,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Learn the transcriber's small networks from MIDI files played by SoundFonts."""
    from training.songs.hearing import TooLittleHeard, learn  # torch, which nothing else here needs
    from training.songs.lessons import lessons
    from training.songs.rendering import Band

    files = sorted(p for p in midi.rglob("*") if p.suffix.lower() in (".mid", ".midi"))
    if not files:
        typer.echo(f"There are no MIDI files in {midi}.", err=True)
        raise typer.Exit(1)
    bands = [Band(font) for font in soundfont or [DEFAULT_SOUNDFONT]]
    learnt = []
    for clip in lessons(files, bands, clips, seed):
        learnt.append(clip)
        typer.echo(f"{len(learnt)}/{clips} excerpts are played")
    try:
        learn(learnt, seed=seed, say=typer.echo).save(out)
    except TooLittleHeard as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
