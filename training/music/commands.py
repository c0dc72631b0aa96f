"""The music commands: train, evaluate."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from models.registry import Registry, RegistryError, Version
from training import options
from training.about import read_about
from training.loop import Diverged, Plan, load_checkpoint, run
from training.music.build import models_of, new_models, style_names
from training.music.corpus import Corpus, CorpusError, read_corpus, read_takes
from training.music.evaluation import evaluate as compare
from training.music.presets import Preset, read_preset
from training.music.publishing import PRIVATE, publish
from training.music.report import Report
from training.music.sheet import write_sheets
from training.music.task import MusicTask
from training.promote import LIVE, Figure, check_alias, fresh_name, rival
from training.promote import promote as promote_version
from training.runs import STOP, Outcome

FAMILY = "music"


def train(
    corpus: Annotated[Path, typer.Option(help="Phrase file, or folder with .npz and .mid.")],
    out: options.Out,
    preset: options.PresetName = "cpu",
    max_minutes: options.MaxMinutes = None,
    steps: options.Steps = None,
    seed: options.Seed = 1,
    resume: options.Resume = False,
    continue_from: options.ContinueFrom = None,
    registry: options.RegistryFolder = None,
    publish_as: options.PublishAs = None,
    promote: options.Promote = False,
    alias: options.Alias = LIVE,
    style: Annotated[str, typer.Option(help="Style of MIDI files outside style folders.")] = "own",
    about: options.AboutFile = None,
    threads: options.Threads = None,
) -> None:
    """Train the beat generator on a music collection."""
    if threads:
        torch.set_num_threads(threads)
    try:
        outcome = _train(
            corpus, out, preset, max_minutes, steps, seed, resume, continue_from,
            Registry(registry), publish_as, promote, check_alias(alias), style, about,
        )  # fmt: skip
    except (CorpusError, RegistryError, Diverged, ValueError) as error:
        outcome = Outcome("failed", str(error))
    outcome.write(out)
    typer.echo(outcome.sentence, err=True)
    if outcome.state == "failed":
        raise typer.Exit(1)


def _train(
    corpus: Path, out: Path, preset_name: str, max_minutes: float | None, steps: int | None,
    seed: int, resume: bool, continue_from: str | None, registry: Registry,
    publish_as: str | None, promote: bool, alias: str, style: str, about: Path | None,
) -> Outcome:  # fmt: skip
    out.mkdir(parents=True, exist_ok=True)
    (out / STOP).unlink(missing_ok=True)  # of an earlier run
    preset = read_preset(preset_name)
    parent = registry.resolve(FAMILY, continue_from) if continue_from else None
    songs = read_corpus(corpus, style_names(parent.path) if parent else (), style)
    task = _task(songs, corpus, preset, parent, seed)
    plan = _plan(preset.plan, steps, max_minutes)
    outcome = run(task, out, plan, resume=resume, seed=seed)
    if outcome.state != "finished" or not (publish_as or promote):
        return outcome
    load_checkpoint(task, out, "best")  # a GAN's last step is seldom its best
    count = preset.recipe.held_out
    report = compare(task.average.cpu(), songs, count=count, seed=seed)
    other = rival(registry, FAMILY, alias) if promote else None
    live = _report_of(other, corpus, style, count, seed) if other else None
    version = publish(
        registry, publish_as or fresh_name(registry, FAMILY), task, songs, report, preset,
        read_about(about, PRIVATE), parent=parent.name if parent else None,
        alias=alias if promote else LIVE,
    )  # fmt: skip
    if not promote:
        sentence = f"{outcome.sentence} It is published as {version.name}."
        return replace(outcome, sentence=sentence, version=version.name, figures=report.figures())
    return promote_version(
        registry, FAMILY, version, _gated(report), _gated(live) if live else None, alias
    )


def _gated(report: Report) -> dict[str, Figure]:
    """Give the figures with the margins that chance alone explains."""
    margins = {"score": 0.1, "silent_tracks": 0.0, "two_sample": 0.03}
    return {
        name: Figure(value, "lower", margins.get(name, 0.5))
        for name, value in report.figures().items()
    }


def _report_of(version: Version, corpus: Path, style: str, count: int, seed: int) -> Report:
    """Evaluate another version on the same songs, numbered as that version numbers styles."""
    songs = read_corpus(corpus, style_names(version.path), style)
    return compare(models_of(version.path, songs)[0].eval(), songs, count=count, seed=seed)


def _task(
    songs: Corpus, corpus: Path, preset: Preset, parent: Version | None, seed: int
) -> MusicTask:
    if parent:
        parent.verify()
        generator, judge = models_of(parent.path, songs)
    else:
        generator, judge = new_models(preset, songs, seed)
    takes = read_takes(corpus, songs.styles)
    return MusicTask(
        songs, takes, generator, judge, preset.recipe, seed=seed, trained_codec=parent is not None
    )


def _plan(plan: Plan, steps: int | None, max_minutes: float | None) -> Plan:
    steps = steps if steps is not None else plan.steps
    if steps < 1 or (max_minutes is not None and max_minutes <= 0):
        raise ValueError("Training needs at least one step and some time.")
    return replace(plan, steps=steps, max_minutes=max_minutes)


def evaluate(
    corpus: Annotated[Path, typer.Option(help="Phrase file, or folder with .npz and .mid.")],
    version: Annotated[str, typer.Option(help="Version or alias.")] = "live",
    registry: Annotated[Path | None, typer.Option(help="Where own versions are.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and pictures.")] = None,
    phrases: Annotated[int, typer.Option(help="Phrases in each compared set.")] = 1024,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Compare a version's music with held-out, training and shuffled phrases, per track."""
    try:
        found = Registry(registry).resolve(FAMILY, version)
        songs = read_corpus(corpus, style_names(found.path))
    except (RegistryError, CorpusError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    generator = models_of(found.path, songs)[0].eval()
    report = compare(generator, songs, count=phrases, seed=seed)
    typer.echo(report.markdown())
    if out:
        report.write(out)
        write_sheets(generator, out)
