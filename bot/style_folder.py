"""The files of one style on disk, named by their hash: nothing a person typed is part of a path."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bot.intake import RECORDINGS
from bot.store.shapes import Document, Style
from models.contract import Family

#: Free bytes below which nothing more is taken in.
DISK_NEEDED = 500_000_000
#: Where a run finds recordings, and where it puts what it hears in them.
HEARD_FROM, HEARD = "recordings", "heard"


class StyleFolder:
    """Holds the documents of a style; below, in ``heard``, what its recordings became."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, data: bytes) -> None:
        """Write a document, whole or not at all; raise OSError."""
        self.path.mkdir(parents=True, exist_ok=True)
        if shutil.disk_usage(self.path).free < DISK_NEEDED:
            raise OSError("the disk is nearly full")
        temporary = self.path / f".{name}"
        temporary.write_bytes(data)
        temporary.replace(self.path / name)

    def erase(self, document: Document) -> None:
        """Take a document away, with what was heard in it."""
        heard = [self.path / HEARD / f"{document.sha256}{end}" for end in (".mid", ".json")]
        for path in (self.path / document.file, *heard):
            path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Delete everything."""
        shutil.rmtree(self.path, ignore_errors=True)

    def lay_out(self, style: Style, documents: Sequence[Document], run_dir: Path) -> Path:
        """Put documents where a run reads them, in place of what lay there; return that folder."""
        target = run_dir / "corpus"
        shutil.rmtree(target, ignore_errors=True)
        target.mkdir(parents=True)
        trace(target, style.id).touch()
        if style.family == Family.ESSAY.value:
            with (target / "documents.jsonl").open("w", encoding="utf-8") as lines:
                for document in documents:
                    lines.write(json.dumps(self._line(document)) + "\n")
            return target
        for document in documents:
            place = target / HEARD_FROM if is_recording(document) else target
            place.mkdir(exist_ok=True)
            _link(self.path / document.file, place / document.file)
        return target

    def _line(self, document: Document) -> dict[str, Any]:
        return {
            "id": document.sha256[:16],
            "source": "own",
            "style": "own",
            "topic": document.title,
            "mark": document.mark,
            "mark_max": 100,
            "text": (self.path / document.file).read_text(encoding="utf-8"),
        }


def trace(corpus: Path, style_id: int) -> Path:
    """Name the file that says whose documents lie in a run's folder."""
    return corpus / f".s{style_id}"


def is_recording(document: Document) -> bool:
    """Say whether a run has to turn a document into MIDI first."""
    return f".{document.kind}" in RECORDINGS


def _link(source: Path, target: Path) -> None:
    """Show a file in another place without a second copy, where the disk can."""
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)
