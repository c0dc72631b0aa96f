"""The music commands: train, calibrate, evaluate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from models.registry import Registry, RegistryError, Version
from training import options
from training.about import read_about
from training.loop import Diverged, Plan, load_checkpoint, run
from training.music.build import models_of, new_models, style_names
from training.music.calibration import calibrate as set_calibration
from training.music.corpus import Corpus, CorpusError, read_corpus, read_takes
from training.music.evaluation import evaluate as compare
from training.music.presets import Preset, read_preset
from training.music.publishing import PRIVATE, Trained, publish
from training.music.report import Report
from training.music.sheet import write_sheets
from training.music.task import MusicTask
from training.promote import LIVE, Figure, check_alias, fresh_name, rival
from training.promote import promote as promote_version
from training.runs import Outcome

FAMILY = "music"
TRACK_MARGIN = 0.5
MARGINS = {"score": 0.1, "silent_tracks": 0.0, "two_sample": 0.03}
#: Two evaluations of one version differ by less, 19 times of 20, times the root of its phrases.
CHANCE = {"score": 1.7, "silent_tracks": 0.0, "two_sample": 0.7, "track": 4.5}
CorpusPath = Annotated[Path, typer.Option(help="Phrase file, or folder with .npz and .mid.")]


@dataclass(frozen=True)
class Orders:
    """What a caller asks of a run."""

    corpus: Path
    out: Path
    preset: Preset
    plan: Plan
    seed: int
    registry: Registry
    parent: Version | None
    own: bool  # with a parent: keep its discriminator; else give it the preset's
    style: str
    about: Path | None
    publish_as: str | None
    alias: str | None  # None: no alias moves


def train(
    corpus: CorpusPath,
    out: options.Out,
    preset: options.PresetName = "cpu",
    max_minutes: options.MaxMinutes = None,
    steps: options.Steps = None,
    seed: options.Seed = 1,
    resume: options.Resume = False,
    continue_from: options.ContinueFrom = None,
    warm_start: options.WarmStart = None,
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
    out.mkdir(parents=True, exist_ok=True)
    try:
        house, chosen = Registry(registry), read_preset(preset)
        if continue_from and warm_start:
            raise ValueError("Please give either --continue-from or --warm-start, not both.")
        wanted = continue_from or warm_start
        plan = (continue_from and chosen.own_plan) or chosen.plan
        orders = Orders(
            corpus, out, chosen, _plan(plan, steps, max_minutes), seed, house,
            house.resolve(FAMILY, wanted) if wanted else None, warm_start is None, style, about,
            publish_as, check_alias(alias) if promote else None,
        )  # fmt: skip
        outcome = _train(orders, resume)
    except (CorpusError, RegistryError, Diverged, ValueError) as error:
        outcome = Outcome("failed", str(error))
    outcome.write(out)
    typer.echo(outcome.sentence, err=True)
    if outcome.state == "failed":
        raise typer.Exit(1)


def _train(orders: Orders, resume: bool) -> Outcome:
    parent = orders.parent
    songs = read_corpus(orders.corpus, style_names(parent.path) if parent else (), orders.style)
    task = _task(orders, songs)
    outcome = run(task, orders.out, orders.plan, resume=resume, seed=orders.seed)
    if outcome.state != "finished" or not (orders.publish_as or orders.alias):
        return outcome
    load_checkpoint(task, orders.out, "best")  # a GAN's last step is seldom its best
    set_calibration(task.average.cpu(), songs, seed=orders.seed)
    return _hand_in(orders, Trained.of(task), songs, outcome)


def _hand_in(orders: Orders, trained: Trained, songs: Corpus, outcome: Outcome) -> Outcome:
    """Measure, publish and, where asked, put to the gate."""
    registry, parent, count = orders.registry, orders.parent, orders.preset.recipe.held_out
    report = compare(trained.generator, songs, count=count, seed=orders.seed)
    other = rival(registry, FAMILY, orders.alias) if orders.alias else None
    live = _report_of(other, orders, count) if other else None
    version = publish(
        registry, orders.publish_as or fresh_name(registry, FAMILY), trained, songs, report,
        read_about(orders.about, PRIVATE), parent=parent.name if parent else None,
        alias=orders.alias or LIVE,
    )  # fmt: skip
    if not orders.alias:
        sentence = f"{outcome.sentence} It is published as {version.name}."
        return replace(outcome, sentence=sentence, version=version.name, figures=report.figures())
    return promote_version(
        registry, FAMILY, version, _gated(report), _gated(live) if live else None, orders.alias
    )


def _gated(report: Report) -> dict[str, Figure]:
    """Give the figures with the margins that chance alone explains.

    A figure of few phrases is off by chance, twice as much for a quarter of them; so a single
    held-out song must not refuse a version that is better as a whole.
    """
    chance = {name: one / report.phrases**0.5 for name, one in CHANCE.items()}
    return {
        name: Figure(
            value, "lower", max(MARGINS.get(name, TRACK_MARGIN), chance.get(name, chance["track"]))
        )
        for name, value in report.figures().items()
    }


def _report_of(version: Version, orders: Orders, count: int) -> Report:
    """Evaluate another version on the same songs, numbered as that version numbers styles."""
    songs = read_corpus(orders.corpus, style_names(version.path), orders.style)
    generator = models_of(version.path, songs)[0].eval()
    return compare(generator, songs, count=count, seed=orders.seed)


def _task(orders: Orders, songs: Corpus) -> MusicTask:
    parent, preset = orders.parent, orders.preset
    if parent:
        parent.verify()
        generator, judge = models_of(parent.path, songs, None if orders.own else preset.judge)
    else:
        generator, judge = new_models(preset, songs, orders.seed)
    takes = read_takes(orders.corpus, songs.styles)
    return MusicTask(
        songs, takes, generator, judge, preset.recipe, seed=orders.seed,
        trained_codec=parent is not None,
    )  # fmt: skip


def _plan(plan: Plan, steps: int | None, max_minutes: float | None) -> Plan:
    steps = steps if steps is not None else plan.steps
    if steps < 1 or (max_minutes is not None and max_minutes <= 0):
        raise ValueError("Training needs at least one step and some time.")
    return replace(plan, steps=steps, max_minutes=max_minutes)


def calibrate(
    corpus: CorpusPath,
    publish_as: Annotated[str, typer.Option("--publish", help="Version's name.")],
    version: Annotated[str, typer.Option(help="Version or alias.")] = "live",
    registry: options.RegistryFolder = None,
    promote: options.Promote = False,
    about: options.AboutFile = None,
    phrases: Annotated[int, typer.Option(help="Phrases in each compared set.")] = 1024,
    seed: options.Seed = 1,
) -> None:
    """Publish a version again, played so that its figures come near those of training songs."""
    try:
        house, preset = Registry(registry), read_preset("cpu")
        preset = replace(preset, recipe=replace(preset.recipe, held_out=phrases))
        parent = house.resolve(FAMILY, version)
        parent.verify()
        songs = read_corpus(corpus, style_names(parent.path))
        generator, judge = models_of(parent.path, songs)
        set_calibration(generator.eval(), songs, seed=seed)
        orders = Orders(corpus, Path(), preset, preset.plan, seed, house, parent, True, "own",
                        about, publish_as, LIVE if promote else None)  # fmt: skip
        done = Outcome("finished", f"The version {parent.name} was calibrated.")
        outcome = _hand_in(orders, Trained.again(generator, judge, house, parent), songs, done)
    except (CorpusError, RegistryError, ValueError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(outcome.sentence)


def evaluate(
    corpus: CorpusPath,
    version: Annotated[str, typer.Option(help="Version or alias.")] = "live",
    registry: Annotated[Path | None, typer.Option(help="Where own versions are.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and pictures.")] = None,
    phrases: Annotated[int, typer.Option(help="Phrases in each compared set.")] = 1024,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Compare a version with held-out, training, shuffled and Markov phrases, per track."""
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
