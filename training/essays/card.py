"""The card of a version: what it is, what it read, its figures, and ten essays nobody chose."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from models.registry import Version
from training.about import About, made_for
from training.essays.pipeline import Orders
from training.essays.report import Report, table
from training.essays.writing import Order, write_all
from training.promote import LIVE
from training.runs import progress

WORDS = 250
#: Topics and manners; the last two are odd: a misspelt question, and a single word.
SAMPLES = (
    ("School uniforms", None),
    ("Electric bikes", None),
    ("Learning from failure", "reflection"),
    ("What makes a good friend", "reflection"),
    ("The history of music", "encyclopedia"),
    ("Nature and solitude", "classic"),
    ("The state of our nation", "speech"),
    ("Why trees matter to a city", None),
    ("why is the sky blu", None),
    ("Pizza", None),
)


def sample_section(version: Version) -> str:
    """Let the production engine write the ten samples."""
    taught = version.manifest.get("styles", ())
    orders = [
        Order(topic, WORDS, seed, style if style in taught else None)
        for seed, (topic, style) in enumerate(SAMPLES, start=1)
    ]
    written = write_all(version, orders)
    return "\n\n".join(
        _sample(order, text.text) for order, text in zip(orders, written, strict=True)
    )


def _sample(order: Order, text: str) -> str:
    manner = f", {order.style}" if order.style else ""
    lines = (text or "(Nothing was written.)").split("\n")
    quoted = "\n".join(f"> {line}".rstrip() for line in lines)
    return f"**{order.topic}** (seed {order.seed}{manner})\n\n{quoted}"


def card(
    name: str,
    facts: Mapping[str, Any],
    report: Report,
    about: About,
    orders: Orders,
    *,
    samples: str,
    pictures: Sequence[str] = (),
    alias: str = LIVE,
) -> str:
    """Word the card; sections of ``about`` from its first ``## `` on come behind the figures."""
    general, frank = _parted(about.text)
    sections = {
        "Data": _data(facts),
        "Recipe": _recipe(facts, orders, alias),
        "Held-out figures": _figures(report, pictures),
        "": frank,
        "Ten samples, not chosen": f"The production sampler, {WORDS} words asked.\n\n{samples}",
    }
    body = "\n\n".join(
        f"## {title}\n{text}" if title else text for title, text in sections.items() if text
    )
    return f"""# {name}

An LSTM that writes essays: {facts["parameters"]:,} parameters, byte-level BPE.
Licence of these weights: {about.licence}.

{general}

{body}
"""


def _parted(text: str) -> tuple[str, str]:
    found = re.search(r"^## ", text, re.M)
    at = found.start() if found else len(text)
    return text[:at].strip(), text[at:].strip()


def _data(facts: Mapping[str, Any]) -> str:
    sources = "".join(
        f"| {source} | {row['documents']:,} | {row['words']:,} | {'; '.join(row['licences'])} |\n"
        for source, row in facts["sources"].items()
    )
    splits = facts["splits"]
    return f"""| source | documents | words | licence |
|---|---|---|---|
{sources}
Training {splits["train"]:,} essays; held out {splits["seen"]:,} of the same topics and
{splits["unseen"]:,} of topics that were never read."""


def _recipe(facts: Mapping[str, Any], orders: Orders, alias: str) -> str:
    parent = orders.parent.name if orders.parent else ""
    came_from = "It was trained from nothing. "
    if parent:
        came_from = f"Continued from {parent}, "
        came_from += (
            "on a collection of its own. "
            if orders.adapting
            else "whose weights all phases began with, on the whole corpus. "
        )
    words = f"{came_from}{made_for(alias)}Preset `{facts['preset']}`, seed {facts['seed']}; see "
    phases = table("phase", phases_of(orders.out))
    return f"{words}`docs/training.md`.\n\n{phases}".strip()


def phases_of(run: Path) -> dict[str, dict[str, float]]:
    """Sum a run's progress up: steps, tokens and minutes of every phase."""
    phases: dict[str, dict[str, float]] = {}
    before: dict[str, float] = {}
    for line in progress(run):
        name, at = str(line.get("phase", "")), float(line["at"])
        row = phases.setdefault(name, {"steps": 0.0, "tokens": 0.0, "minutes": 0.0})
        row["steps"] = max(row["steps"], float(line.get("step") or 0))
        row["tokens"] = max(row["tokens"], float(line.get("units") or 0))
        gap = at - before.get(name, at)
        row["minutes"] += gap / 60 if gap < _PAUSE else 0.0
        before[name] = at
    return phases


_PAUSE = 600  # seconds without a line: the run was stopped in between


def _figures(report: Report, pictures: Sequence[str]) -> str:
    shown = "\n".join(f"![{Path(p).stem}]({p})" for p in pictures)
    return f"{report.markdown()}\n{shown}".strip()
