"""Reports that survive a crash: lines are appended one by one, and whole files change at once."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, TextIO


def digest(path: Path) -> str:
    """Hash a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_lines(path: Path) -> Iterator[dict[str, Any]]:
    """Read a file of JSON lines; a line that a crash cut off is left out."""
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else []:
        try:
            value = json.loads(line)
        except ValueError:
            continue
        if isinstance(value, dict):
            yield value


def append(file: TextIO, value: Mapping[str, Any]) -> None:
    """Add a line that is on the disk when this returns."""
    file.write(json.dumps(value, ensure_ascii=False) + "\n")
    file.flush()
    os.fsync(file.fileno())


def rewrite(path: Path, values: Iterable[Mapping[str, Any]]) -> None:
    """Replace a file of JSON lines at once."""
    unfinished = path.with_name(path.name + ".part")
    with unfinished.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(value, ensure_ascii=False) + "\n" for value in values)
    unfinished.replace(path)
