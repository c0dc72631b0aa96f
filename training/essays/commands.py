"""The essay commands: train, evaluate."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import torch
import typer

from models.essay.lstm import EssayLSTM
from models.registry import Registry, RegistryError, Version
from training import options
from training.about import About, read_about
from training.essays.corpus import CorpusError
from training.essays.evaluation import Report, measure_likelihood
from training.essays.examination import Examination, examine
from training.essays.pack import Packed
from training.essays.pipeline import Finished, Orders
from training.essays.pipeline import train as train_phases
from training.essays.presets import read_preset
from training.essays.publishing import PRIVATE, publish
from training.essays.textstats import rep_n
from training.essays.writing import Order, write_all
from training.loop import Diverged
from training.promote import Figure, fresh_name
from training.promote import promote as promote_version
from training.runs import Outcome

FAMILY = "essay"
_GATE_TOPICS = ("Friendship", "The price of success", "Learning at home")


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
    about: options.AboutFile = None,
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
        if continue_from and warm_start:
            raise ValueError("Please give either --continue-from or --warm-start, not both.")
        wanted = continue_from or warm_start
        parent = house.resolve(FAMILY, wanted) if wanted else None
        own = warm_start is None
        orders = Orders(corpus, out, chosen, max_minutes, steps, seed, resume, parent, own)
        finished = train_phases(orders)
        outcome = finished.outcome
        if outcome.state == "finished" and (publish_as or promote):
            name = publish_as or fresh_name(house, FAMILY)
            outcome = _hand_in(house, name, orders, finished, read_about(about, PRIVATE), promote)
    except (CorpusError, RegistryError, Diverged, ValueError) as error:
        outcome = Outcome("failed", str(error))
    outcome.write(out)
    typer.echo(outcome.sentence, err=True)
    if outcome.state == "failed":
        raise typer.Exit(1)


def evaluate(
    corpus: Annotated[Path, typer.Option(help="The corpus that the version was trained on.")],
    version: Annotated[str, typer.Option(help="Version or alias.")] = "live",
    registry: Annotated[Path | None, typer.Option(help="Where own versions are.")] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for evaluation.json and .md.")] = None,
    wikitext: Annotated[Path | None, typer.Option(help="A wiki.*.tokens[.xz] file.")] = None,
    essays: Annotated[int, typer.Option(help="How many essays to write.")] = 20,
    words: Annotated[int, typer.Option(help="How long they are to be.")] = 400,
    baseline: Annotated[bool, typer.Option(help="Train the 5-gram beside it.")] = True,
    documents: Annotated[int | None, typer.Option(help="Held-out texts of each set.")] = None,
    seed: Annotated[int, typer.Option()] = 1,
) -> None:
    """Measure a version: likelihood beside a 5-gram, and its essays beside people's."""
    try:
        found = Registry(registry).resolve(FAMILY, version)
        wanted = Examination(corpus, wikitext, essays, words, baseline, documents, seed)
        report = examine(found, wanted)
    except (CorpusError, RegistryError) as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error
    typer.echo(report.markdown())
    if out:
        report.write(out)


def _hand_in(
    house: Registry, name: str, orders: Orders, finished: Finished, about: About, promote: bool
) -> Outcome:
    """Measure, publish and, where asked, put to the gate."""
    held_out = finished.prepared.held_out
    rows = measure_likelihood(finished.model, held_out, documents=200)
    report = Report(held_out=rows)
    version = publish(house, name, orders, finished, report, about)
    values = {f"bits_per_byte_{k}": v["bits_per_byte"] for k, v in rows.items()}
    if not promote:
        sentence = f"{finished.outcome.sentence} It is published as {version.name}."
        return replace(finished.outcome, sentence=sentence, version=version.name, figures=values)
    live = _live(house)
    mine = _gate_figures(version, rows)
    theirs = _gate_figures(live, _likelihoods(live, held_out)) if live else None
    return promote_version(house, FAMILY, version, mine, theirs)


def _live(house: Registry) -> Version | None:
    """Find the live version; None where there is none yet."""
    return house.resolve(FAMILY) if "live" in house.aliases(FAMILY) else None


def _likelihoods(version: Version, held_out: dict[str, Packed]) -> dict[str, dict[str, float]]:
    """Score another version on the same held-out text; 200 documents of each set."""
    model = EssayLSTM.from_pretrained(version.path, dtype=torch.float32)
    return measure_likelihood(model, held_out, documents=200)


def _gate_figures(version: Version, rows: dict[str, dict[str, float]]) -> dict[str, Figure | float]:
    """Give what the gate compares: likelihood, repetition, and that essays come out at all."""
    figures: dict[str, Figure | float] = {
        f"bits_per_byte_{name}": Figure(row["bits_per_byte"], margin=0.01 * row["bits_per_byte"])
        for name, row in rows.items()
    }
    texts = write_all(version, [Order(t, 150, 7 + i) for i, t in enumerate(_GATE_TOPICS)])
    written = [t for t in texts if t.strip()]
    figures["essays_written"] = Figure(float(len(written)), "higher", margin=0.0)
    figures["repeated_4_grams"] = Figure(
        sum(rep_n(t) for t in written) / max(len(written), 1), margin=0.02
    )
    return figures
