"""From a finished run to a version: weights, tokenizer, lexicon, figures and card."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from models.registry import Registry, Version
from training.about import About
from training.essays.evaluation import Report
from training.essays.pipeline import Finished, Orders, describe, write_model
from training.essays.prepare import GENERAL
from training.runs import write_json

PRIVATE = About(
    "as the texts' licences allow",
    "Trained on a private collection; the weights may be used as far as its texts allow.",
)


def publish(
    registry: Registry,
    name: str,
    orders: Orders,
    finished: Finished,
    report: Report,
    about: About,
    sections: Mapping[str, str] | None = None,
) -> Version:
    """Publish the model of a finished run as a version; ``sections`` are added to its card."""
    facts = describe(orders, finished)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        write_model(finished, folder)
        write_json(folder / "generation.json", {"style": default_style(orders, finished)})
        write_json(folder / "metrics.json", asdict(report))
        card = _card(name, facts, report, about, orders)
        for title, body in (sections or {}).items():
            card += f"\n## {title}\n{body.strip()}\n"
        (folder / "README.md").write_text(card, encoding="utf-8")
        return registry.publish(
            "essay",
            name,
            folder,
            parent=orders.parent.name if orders.parent else None,
            facts={"licence": about.licence, "styles": styles(orders, finished), **facts},
        )


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


def _card(name: str, facts: Mapping[str, Any], report: Report, about: About, orders: Orders) -> str:
    sources = "".join(
        f"| {source} | {row['documents']:,} | {row['words']:,} | {'; '.join(row['licences'])} |\n"
        for source, row in facts["sources"].items()
    )
    splits = facts["splits"]
    came_from = f"Continued from {orders.parent.name}. " if orders.parent else ""
    return f"""# {name}

An LSTM that writes essays: {facts["parameters"]:,} parameters, byte-level BPE.
Licence of these weights: {about.licence}.

{about.text}

## Data
| source | documents | words | licence |
|---|---|---|---|
{sources}
Training {splits["train"]:,} essays; held out {splits["seen"]:,} of the same topics and
{splits["unseen"]:,} of topics that were never read.

## Recipe
{came_from}Preset `{facts["preset"]}`, seed {facts["seed"]}; see `docs/training.md`.

## Held-out figures
{report.markdown()}"""


def sample_section(texts: Sequence[tuple[str, int, str]]) -> str:
    """Lay samples out: topic, seed, text."""
    return "\n\n".join(
        f"**{topic}** (seed {seed})\n\n" + "\n".join(f"> {line}" for line in text.split("\n"))
        for topic, seed, text in texts
    )
