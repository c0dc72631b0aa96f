"""The figures of a version as they are kept, printed and put into its card."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path

from training.essays.pictures import draw_all
from training.runs import write_json

Row = dict[str, float]
FILE = "evaluation.json"


@dataclass
class Report:
    """Everything measured; a table maps its rows to figures."""

    held_out: dict[str, Row] = field(default_factory=dict)  # likelihood of each set
    recalled: dict[str, Row] = field(default_factory=dict)  # likelihood with a cache
    wikitext: dict[str, Row] = field(default_factory=dict)  # the benchmark, each model a row
    samples: dict[str, Row] = field(default_factory=dict)  # each writer's essays
    marker: Row = field(default_factory=dict)  # how far predicted marks can be believed
    topics: dict[str, Row] = field(default_factory=dict)  # of each topic: found, by writer
    copied: dict[str, list[int]] = field(default_factory=dict)  # longest run of every essay
    repeated: dict[str, list[float]] = field(default_factory=dict)  # rep-4 of every essay
    notes: list[str] = field(default_factory=list)

    def write(self, folder: Path) -> None:
        """Write ``evaluation.json``, ``evaluation.md`` and the pictures."""
        folder.mkdir(parents=True, exist_ok=True)
        write_json(folder / FILE, asdict(self))
        pictures = draw_all(self.held_out, self.topics, self.copied, self.repeated, folder)
        shown = "".join(f"\n![{p.stem}]({p.name})\n" for p in pictures)
        (folder / "evaluation.md").write_text(self.markdown() + shown, encoding="utf-8")

    def markdown(self) -> str:
        """Lay the figures out as tables; writers stand side by side."""
        parts = [
            table("held-out text", self.held_out),
            table("held-out text, with a cache", self.recalled),
            table("WikiText-2, word by word", self.wikitext),
            table("essays", turned(self.samples)),
            table("predicted marks", {"agreement with people": self.marker} if self.marker else {}),
            "".join(f"- {note}\n" for note in self.notes),
        ]
        return "\n".join(part for part in parts if part)


def read_report(path: Path) -> Report:
    """Read ``evaluation.json``."""
    return Report(**json.loads(path.read_text(encoding="utf-8")))


def turned(rows: Mapping[str, Mapping[str, float]]) -> dict[str, Row]:
    """Make columns of rows."""
    names = dict.fromkeys(name for row in rows.values() for name in row)
    return {
        name.replace("_", " "): {title: row[name] for title, row in rows.items() if name in row}
        for name in names
    }


def table(title: str, rows: Mapping[str, Mapping[str, float]]) -> str:
    """Lay rows of figures out in Markdown; an empty table is no text at all."""
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for row in rows.values() for name in row))
    head = f"| {title} | " + " | ".join(c.replace("_", " ") for c in columns) + " |\n"
    rule = "|---" * (len(columns) + 1) + "|\n"
    body = "".join(
        f"| {name} | " + " | ".join(_cell(row.get(c)) for c in columns) + " |\n"
        for name, row in rows.items()
    )
    return head + rule + body


def _cell(value: float | None) -> str:
    if value is None:
        return ""
    if abs(value) >= 1000:
        return f"{value:,.0f}"
    return f"{value:.0f}" if value == round(value) and abs(value) >= 2 else f"{value:.3f}"
