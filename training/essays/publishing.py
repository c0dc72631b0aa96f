"""From a finished run to a version: weights, tokenizer, lexicon, figures and card."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path

from models.essay.runs import Runs
from models.registry import Registry, RegistryError, Version
from training.about import About
from training.essays.card import card, sample_section
from training.essays.pictures import draw_all
from training.essays.pipeline import Finished, Orders, describe, write_model
from training.essays.prepare import GENERAL
from training.essays.report import Report
from training.promote import LIVE
from training.runs import write_json

#: Kept with every version, so that its texts stay the same when better values are found.
#: Livelier than the .65 of old versions: more different word pairs, topics kept about as well.
#: More guidance than the 1.25 of old versions held unread topics better in a small trial; the
#: examination of essay-0003 shows little of it.
SAMPLER = {
    "temperature": 0.7,
    "min_p": 0.05,
    "guidance": 1.5,
    "plausible": 0.03,
    "longest_copy": 8,
    "patience": 32,  # long sentences need it: people's have twenty words
    "fluency": 0.8,
    "fluency_low": -3.4,
    "fluency_high": -1.6,  # the likeliest sentences are the emptiest
}
PRIVATE = About(
    "as the texts' licences allow",
    "Trained on a private collection; the weights may be used as far as its texts allow.",
)
PICTURES = "figures"


def check_free(registry: Registry, name: str) -> None:
    """Raise RegistryError before anything is trained or measured for a name that is taken."""
    if any(version.name == name for version in registry.versions("essay")):
        raise RegistryError(f"essay {name} exists already.")
    if registry.writable is None:
        raise RegistryError("Please name a registry to publish to.")


def publish(
    registry: Registry,
    name: str,
    finished: Finished,
    about: About,
    measure: Callable[[Version], Report],
    alias: str = LIVE,
) -> tuple[Version, Report]:
    """Measure the model of a finished run and publish it; what was measured is what is published.

    The engine only takes versions, so the model is a version of a passing registry first.
    """
    orders = finished.orders
    facts = describe(orders, finished)
    parent = orders.parent.name if orders.parent else None
    told = {"licence": about.licence, "styles": styles(orders, finished), **facts}
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "version"
        write_model(finished, folder)
        for file in folder.glob("*.safetensors"):
            file.chmod(0o644)  # the library makes them readable by their owner alone
        sampler = {"style": default_style(orders, finished), **SAMPLER}
        write_json(folder / "generation.json", sampler)
        runs_read(finished).write(folder)
        passing = Registry(Path(temporary) / "registry", None)
        draft = passing.publish("essay", name, folder, parent=parent, facts=told)
        report = measure(draft)
        samples = sample_section(draft)
        write_json(folder / "metrics.json", asdict(report))
        pictures = folder / PICTURES
        pictures.mkdir()
        drawn = draw_all(report.held_out, report.topics, report.copied, report.repeated, pictures)
        text = card(
            name, facts, report, about, orders, samples=samples, alias=alias,
            pictures=[f"{PICTURES}/{path.name}" for path in drawn],
        )  # fmt: skip
        (folder / "README.md").write_text(text, encoding="utf-8")
        return registry.publish("essay", name, folder, parent=parent, facts=told), report


def runs_read(finished: Finished) -> Runs:
    """Note what may not be copied: the essays of this run and, where it adapts, its parent's."""
    orders, essays = finished.orders, finished.prepared.corpus.essays_of("train")
    own = Runs.of(essay.document.text for essay in essays)
    before = Runs.read(orders.parent.path) if orders.adapting and orders.parent else None
    return before + own if before else own


def styles(orders: Orders, finished: Finished) -> list[str]:
    """Name the styles that the version can write in: those it read, and its parent's."""
    corpus = finished.prepared.corpus
    read = {e.document.style for e in corpus.essays} | {d.style for d in corpus.general}
    before = list(orders.parent.manifest.get("styles", [])) if orders.parent else []
    own = sorted(read - set(before), key=lambda s: (s in GENERAL, s))
    return [*own, *before]


def default_style(orders: Orders, finished: Finished) -> str:
    """Write by default as in most of the essays read."""
    counted = [e.document.style for e in finished.prepared.corpus.essays]
    if not counted:
        return styles(orders, finished)[0]
    return max(sorted(set(counted)), key=counted.count)
