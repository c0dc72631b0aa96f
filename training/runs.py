"""A run's folder, seen from outside: progress while it happens, outcome when it has ended.

``progress.jsonl`` has one JSON object a line, ``outcome.json`` says how the run ended, a file
``stop`` asks the run to finish its step, save and end.
"""

from __future__ import annotations

import json
import math
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

PROGRESS, OUTCOME, STOP = "progress.jsonl", "outcome.json", "stop"

State = Literal["promoted", "refused", "finished", "stopped", "failed"]


@dataclass(frozen=True)
class Outcome:
    """How a run ended, in one plain sentence."""

    state: State
    sentence: str
    version: str | None = None
    figures: Mapping[str, float] = field(default_factory=dict)
    live: Mapping[str, float] = field(default_factory=dict)  # of the version it was compared with

    def write(self, directory: Path) -> None:
        """Write ``outcome.json``; a wish to stop that came too late must not meet the next run."""
        write_json(directory / OUTCOME, asdict(self))
        (directory / STOP).unlink(missing_ok=True)


class Journal:
    """Appends progress lines."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._path = directory / PROGRESS

    def add(self, **values: Any) -> None:
        """Append one line with the time; numbers that are not finite become null."""
        line = {"at": time.time(), **{k: _finite(v) for k, v in values.items()}}
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def progress(directory: Path) -> Iterator[dict[str, Any]]:
    """Read the progress lines so far; a half-written last line is left out."""
    path = directory / PROGRESS
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            yield json.loads(line)
        except json.JSONDecodeError:
            continue


def read_outcome(directory: Path) -> dict[str, Any] | None:
    """Read ``outcome.json``; None while the run goes on."""
    path = directory / OUTCOME
    if not path.is_file():
        return None
    data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return data


def ask_to_stop(directory: Path) -> None:
    """Ask a run to end after its present step."""
    (directory / STOP).touch()


def write_json(path: Path, value: object) -> None:
    """Replace a JSON file atomically."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")
    temporary.replace(path)


def _finite(value: Any) -> Any:
    return None if isinstance(value, float) and not math.isfinite(value) else value
