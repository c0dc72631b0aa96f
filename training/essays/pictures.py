"""Pictures of a report: how long copies are, repetition, topics found, bits per byte."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = Mapping[str, float]
_COLOURS = {"model": "#1f77b4", "people": "#2ca02c", "5-gram": "#d62728"}
_TOPICS = 50  # drawn at most


def draw_all(
    held_out: Mapping[str, Row],
    topics: Mapping[str, Row],
    copied: Mapping[str, Sequence[int]],
    repeated: Mapping[str, Sequence[float]],
    folder: Path,
) -> list[Path]:
    """Draw what there are figures for; give the files."""
    percent = {name: [100 * value for value in values] for name, values in repeated.items()}
    wanted: list[tuple[str, bool, Callable[[Any], None]]] = [
        ("bits-per-byte", bool(held_out), lambda axes: _bits(axes, held_out)),
        ("copied", bool(copied), lambda axes: _spread(
            axes, copied, "words of the longest run shared with the training text")),
        ("repetition", bool(percent), lambda axes: _spread(
            axes, percent, "% of four-word runs that stood in the essay before")),
        ("topics", bool(topics), lambda axes: _topics(axes, topics)),
    ]  # fmt: skip
    return [_draw(folder / f"{name}.png", paint) for name, given, paint in wanted if given]


def _draw(path: Path, paint: Callable[[Any], None]) -> Path:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 4.5), layout="constrained")
    axes = figure.subplots()
    paint(axes)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=110)
    return path


def _bits(axes: Any, held_out: Mapping[str, Row]) -> None:
    """Draw a group of bars for every held-out set."""
    places = np.arange(len(held_out))
    for shift, name, column in (
        (-0.2, "model", "bits_per_byte"),
        (0.2, "5-gram", "ngram_bits_per_byte"),
    ):
        values = [row.get(column, np.nan) for row in held_out.values()]
        if not np.isnan(values).all():
            bars = axes.bar(places + shift, values, 0.38, color=_COLOURS[name], label=name)
            axes.bar_label(bars, fmt="%.3f")
    axes.set_xticks(places, list(held_out))
    axes.set_ylabel("bits per byte")
    axes.legend(frameon=False)


def _spread(axes: Any, rows: Mapping[str, Sequence[float]], title: str) -> None:
    """Draw every writer's essays as a histogram, in shares of its essays."""
    highest = max((max(values, default=0.0) for values in rows.values()), default=0.0)
    edges = np.linspace(0, max(highest, 1.0), 26)
    for name, values in rows.items():
        if not values:
            continue
        colour, dashed = _colour(name), "unseen" not in name
        axes.hist(
            values, edges, weights=np.full(len(values), 1 / len(values)), histtype="step",
            color=colour, linestyle="--" if dashed else "-", linewidth=1.6, label=name,
        )  # fmt: skip
    axes.set_xlabel(title)
    axes.set_ylabel("share of essays")
    axes.figure.legend(frameon=False, loc="outside upper right", ncols=3)


def _topics(axes: Any, topics: Mapping[str, Row]) -> None:
    """Draw a point for every writer and topic."""
    shown = list(topics)[:_TOPICS]
    axes.figure.set_size_inches(8, max(3.0, 1.2 + 0.2 * len(shown)))
    writers = dict.fromkeys(name for topic in shown for name in topics[topic])
    for row, writer in enumerate(writers):
        lift = 0.2 * (row - (len(writers) - 1) / 2)  # so that no point hides another
        points = [(n + lift, topics[t][writer]) for n, t in enumerate(shown) if writer in topics[t]]
        axes.plot(
            [share for _, share in points], [n for n, _ in points], "o", alpha=0.7,
            color=_colour(writer), label=writer,
        )  # fmt: skip
    axes.set_yticks(range(len(shown)), shown, fontsize=7)
    axes.set_xlim(-0.05, 1.05)
    axes.set_xlabel("essays whose topic is found among 20")
    axes.invert_yaxis()
    axes.figure.legend(frameon=False, loc="outside upper right", ncols=3)


def _colour(writer: str) -> str:
    return next((c for name, c in _COLOURS.items() if writer.startswith(name)), "#7f7f7f")
