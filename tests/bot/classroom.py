"""Small collections of essays and songs, made up on the spot."""

from __future__ import annotations

import io
import random
import zipfile
from collections.abc import Mapping

from mido import Message, MidiFile, MidiTrack

_NOUNS = [
    "sea",
    "school",
    "friend",
    "garden",
    "city",
    "river",
    "teacher",
    "winter",
    "book",
    "machine",
    "holiday",
    "village",
]
_VERBS = ["changes", "helps", "teaches", "surprises", "follows", "shows", "keeps", "moves"]
_ENDS = (
    "and that is why people have to think about it before they go on",
    "which was not what we had been told when we were at home",
    "so that all of us can learn from it and do more of the good that is in us",
    "but it is also true that not all of this can be done by one person",
)


def essay_text(number: int, words: int = 180) -> str:
    """Write an English text that no other number gives."""
    draw = random.Random(number)
    paragraphs = []
    count = 0
    while count < words:
        sentences = [
            f"The {draw.choice(_NOUNS)} {draw.choice(_VERBS)} the {draw.choice(_NOUNS)} of a"
            f" {draw.choice(_NOUNS)} {draw.choice(_ENDS)}."
            for _ in range(3)
        ]
        paragraphs.append(" ".join(sentences))
        count += len(paragraphs[-1].split())
    return "\n\n".join(paragraphs)


def packed(files: Mapping[str, bytes | str]) -> bytes:
    """Zip files by name."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return stream.getvalue()


def essays_zip(count: int = 30, mark: int = 95) -> bytes:
    """Zip essays with a list of their marks."""
    files: dict[str, bytes | str] = {f"class/essay{n:02d}.txt": essay_text(n) for n in range(count)}
    rows = [f"essay{n:02d}.txt,Topic number {n},{mark}" for n in range(count)]
    return packed(files | {"class/marks.csv": "file,title,mark\n" + "\n".join(rows)})


def song(seed: int = 1, notes: int = 40) -> bytes:
    """Write a small MIDI file."""
    draw = random.Random(seed)
    track = MidiTrack()
    for _ in range(notes):
        pitch = draw.randint(48, 72)
        track.append(Message("note_on", note=pitch, velocity=80, time=0))
        track.append(Message("note_off", note=pitch, velocity=0, time=120))
    midi = MidiFile()
    midi.tracks.append(track)
    stream = io.BytesIO()
    midi.save(file=stream)
    return stream.getvalue()
