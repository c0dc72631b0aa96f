"""The essay commands: train, publish, evaluate, associations."""

from __future__ import annotations

import json
import os
import time
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from models.registry import Registry, RegistryError, Version
from training import crowd, options
from training.about import About, read_about
from training.essays.associations import DIRECTIONS, LEAST, make
from training.essays.corpus import CorpusError
from training.essays.embedding import NotInstalled
from training.essays.evaluation import measure_likelihood
from training.essays.examination import Examination, check, corpus_of, examine
from training.essays.gate import DOCUMENTS, gate_figures, likelihoods, training_copies
from training.essays.pipeline import RUN, Finished, Orders, finished_run
from training.essays.pipeline import train as train_phases
from training.essays.presets import read_preset
from training.essays.publishing import PRIVATE, check_free, publish
from training.essays.report import Report
from training.loop import Diverged
from training.promote import LIVE, check_alias, fresh_name, rival
from training.promote import promote as promote_version
from training.runs import Outcome

FAMILY = "essay"
TROUBLE = (CorpusError, RegistryError, NotInstalled, Diverged, ValueError)

WikiText = Annotated[Path | None, typer.Option(help="A wiki.*.tokens[.xz] file.")]
Essays = Annotated[
    int, typer.Option(help="How many essays to write over held-out topics, for the figures.")
]
Words = Annotated[int, typer.Option(help="How long they are to be.")]
Baseline = Annotated[bool, typer.Option(help="Train the 5-gram beside it.")]
RetrievalOption = Annotated[bool, typer.Option(help="Look for topics by sentence embeddings.")]
Documents = Annotated[int | None, typer.Option(help="Held-out texts of each set; all if left out.")]


def train(
    corpus: Annotated[Path, typer.Option(help="File, folder or zip of essays.")],
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
    about: options.AboutFile = None,
    essays: Essays = 200,
    wikitext: WikiText = None,
    threads: options.Threads = None,
) -> None:
    """Train the essay writer on a corpus."""
    out.mkdir(parents=True, exist_ok=True)
    if promote:
        os.nice(5)  # the bot answers people while this runs
    try:
        chosen = read_preset(preset)
        if threads or chosen.threads:
            torch.set_num_threads(threads or chosen.threads)
        house = Registry(registry)
        parent, own = _parent(house, continue_from, warm_start)
        check_alias(alias)
        told = read_about(about, PRIVATE)
        wanted = Examination(wikitext, essays, say=_say) if publish_as else None
        if publish_as and wanted:
            check_free(house, publish_as)
            check(wanted)
        orders = Orders(corpus, out, chosen, max_minutes, steps, seed, resume, parent, own)
        finished = train_phases(orders)
        outcome = finished.outcome
        if outcome.state == "finished" and (publish_as or promote) and crowd.is_main():
            name = publish_as or fresh_name(house, FAMILY)
            outcome = _hand_in(house, name, finished, told, wanted, alias if promote else None)
    except TROUBLE as error:
        outcome = Outcome("failed", str(error))
    if crowd.is_main():
        outcome.write(out)
        typer.echo(outcome.sentence, err=True)
    crowd.part()
    if outcome.state == "failed":
        raise typer.Exit(1)


def publish_run(
    run: Annotated[Path, typer.Option(help="Folder of a finished run; it stays as it is.")],
    name: Annotated[str, typer.Option(help="The new version's name.")],
    corpus: Annotated[Path, typer.Option(help="The corpus that the run read.")],
    registry: Annotated[Path, typer.Option(help="Where new versions go.")],
    about: options.AboutFile = None,
    phase: Annotated[
        str | None, typer.Option(help="Take this phase's weights, not the last's.")
    ] = None,
    preset: Annotated[str | None, typer.Option(help="Preset of a run without run.json.")] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of a run without run.json.")] = None,
    continue_from: options.ContinueFrom = None,
    warm_start: options.WarmStart = None,
    essays: Essays = 200,
    words: Words = 400,
    wikitext: WikiText = None,
    baseline: Baseline = True,
    retrieval: RetrievalOption = True,
    documents: Documents = None,
    promote: options.Promote = False,
    alias: options.Alias = LIVE,
    threads: options.Threads = None,
) -> None:
    """Measure the essay writer of a finished run and publish it with its card."""
    try:
        if threads:
            torch.set_num_threads(threads)
        house = Registry(registry)
        check_alias(alias)
        check_free(house, name)
        told = read_about(about, PRIVATE)
        wanted = Examination(wikitext, essays, words, baseline, retrieval, documents, say=_say)
        check(wanted)
        parent, own = _parent(house, continue_from, warm_start)
        orders = _orders_of(run, house, corpus, preset, seed, parent, own)
        _say("The corpus is being read.")
        finished = finished_run(orders, phase)
        outcome = _hand_in(house, name, finished, told, wanted, alias if promote else None)
    except TROUBLE as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(outcome.sentence)


def evaluate(
    corpus: Annotated[Path, typer.Option(help="The corpus that the version was trained on.")],
    version: Annotated[str, typer.Option(help="Version or alias.")] = LIVE,
    registry: Annotated[Path | None, typer.Option(help="Where own versions are.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for tables and pictures.")] = None,
    wikitext: WikiText = None,
    essays: Essays = 200,
    words: Words = 400,
    baseline: Baseline = True,
    retrieval: RetrievalOption = True,
    documents: Documents = None,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Measure a version: likelihood and essays, each beside people's and a 5-gram's."""
    try:
        found = Registry(registry).resolve(FAMILY, version)
        wanted = Examination(wikitext, essays, words, baseline, retrieval, documents, seed, _say)
        check(wanted)
        _say("The corpus is being read.")
        report = examine(found, corpus_of(found, corpus), wanted)
    except TROUBLE as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(report.markdown())
    if out:
        report.write(out)


def associate(
    corpus: Annotated[Path, typer.Option(help="File, folder or zip of an encyclopedia.")],
    out: Annotated[Path, typer.Option(help="Folder for associations.npz and the word lists.")],
    directions: Annotated[int, typer.Option(help="Numbers kept of every word.")] = DIRECTIONS,
    least: Annotated[int, typer.Option(help="Articles that must hold a word.")] = LEAST,
) -> None:
    """Make the writer's word list and its knowledge of which words belong together."""
    try:
        made = make(corpus, out, size=directions, least=least)
    except CorpusError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(
        f"{made.articles:,} articles gave {made.known:,} words, {made.related:,} of them related."
    )


def _say(stage: str) -> None:
    typer.echo(f"{time.strftime('%H:%M:%S')} {stage}", err=True)


def _parent(
    house: Registry, continue_from: str | None, warm_start: str | None
) -> tuple[Version | None, bool]:
    """Find what a run begins with, and whether it adapts that to a collection of its own."""
    if continue_from and warm_start:
        raise ValueError("Please give either --continue-from or --warm-start, not both.")
    wanted = continue_from or warm_start
    return (house.resolve(FAMILY, wanted) if wanted else None), warm_start is None


def _orders_of(
    run: Path,
    house: Registry,
    corpus: Path,
    preset: str | None,
    seed: int | None,
    parent: Version | None,
    own: bool,
) -> Orders:
    """Give the orders of a run: what it wrote down itself, else what the caller says."""
    if not run.is_dir():
        raise ValueError(f"There is no run in {run}.")
    kept = run / RUN
    told = json.loads(kept.read_text(encoding="utf-8")) if kept.is_file() else {}
    if told.get("parent") and parent is None:
        parent, own = house.resolve(FAMILY, told["parent"]), bool(told["own"])
    chosen = read_preset(preset or told.get("preset", "cpu"))
    number = seed if seed is not None else int(told.get("seed", 1))
    return Orders(corpus, run, chosen, seed=number, parent=parent, own=own)


def _hand_in(
    house: Registry,
    name: str,
    finished: Finished,
    about: About,
    wanted: Examination | None,
    alias: str | None,
) -> Outcome:
    """Measure, publish and, where an alias is to move, put to the gate."""
    prepared = finished.prepared

    def measure(draft: Version) -> Report:
        if wanted is not None:
            return examine(draft, prepared.corpus, wanted)
        return Report(likelihoods(draft, prepared.held_out))

    version, report = publish(house, name, finished, about, measure, alias or LIVE)
    if alias is None:
        values = {f"bits_per_byte_{k}": v["bits_per_byte"] for k, v in report.held_out.items()}
        sentence = f"{finished.outcome.sentence} It is published as {version.name}."
        return replace(finished.outcome, sentence=sentence, version=version.name, figures=values)
    other = rival(house, FAMILY, alias)
    copies = training_copies(prepared.corpus)
    rows = measure_likelihood(finished.model, prepared.held_out, documents=DOCUMENTS)
    mine = gate_figures(version, rows, copies)
    theirs = None
    if other is not None:
        theirs = gate_figures(other, likelihoods(other, prepared.held_out), copies)
    return promote_version(house, FAMILY, version, mine, theirs, alias)
