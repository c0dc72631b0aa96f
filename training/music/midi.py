"""MIDI files of a song collection, read for training."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from models.music.midi import MidiError, Song, read_song

log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Document:
    """One song of a collection and where it came from."""

    path: Path
    sha256: str
    song: Song


def read_folder(files: Sequence[Path]) -> list[Document]:
    """Read MIDI files; skip copies and, with a word in the log, files that cannot be used."""
    documents: dict[str, Document] = {}
    for path in files:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
        if digest in documents:
            continue
        try:
            documents[digest] = Document(path, digest, read_song(path))
        except MidiError as error:
            log.warning("%s", error)
    return list(documents.values())
