"""A song's parts as separate files, to mix elsewhere: one zip of stems and the MIDI file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Iterator, Mapping

import numpy as np

from models.music import encoding, stems
from models.music.dsp import RATE, Audio, audio, decibels, fade, stereo
from models.music.encoding import EncodingError, Form, Tags
from models.music.song import Song, to_midi

_PEAK = -3.0  # dBFS the loudest of the parts, or their sum, may reach
_DRUMS = ("kick", "snare", "tops")
#: What the parts are kept as, best first; all of them alike, until the zip fits.
LADDER: tuple[tuple[Form, int], ...] = (
    ("flac", 0), ("mp3", 192), ("mp3", 128), ("mp3", 96), ("mp3", 64), ("mp3", 48),
)  # fmt: skip
_TOO_LONG = "The parts are too long for the file size allowed here; ask for fewer bars."
Check = Callable[[], None]


def parts_of(faded: Mapping[str, Audio]) -> Iterator[tuple[str, Audio]]:
    """Give the parts at the levels of the mix, dry and equally long, so that they add up to it.

    ``faded`` are the stems behind their faders (``mixer.balance``); they are left as they are.
    """
    top = np.float32(1e-6)
    whole = np.zeros_like(stereo(faded["kick"]))
    for _, part in _stereo(faded):
        whole += part
        top = max(top, np.abs(part).max())
    gain = np.float32(decibels(_PEAK) / max(top, np.abs(whole).max()))
    for name, part in _stereo(faded):
        if part.any():
            yield name, fade(audio(part * gain), 0.002, 0.2)


def _stereo(faded: Mapping[str, Audio]) -> Iterator[tuple[str, Audio]]:
    yield "drums", stems.drum_bus(faded)
    for name, part in faded.items():
        if name not in _DRUMS:
            yield name, stereo(part)


def pack(
    song: Song, faded: Mapping[str, Audio], title: str, version: str,
    max_bytes: int | None = None, check: Check = lambda: None,
) -> bytes:  # fmt: skip
    """Zip the parts of a song, numbered and tagged, with its MIDI file; at most ``max_bytes``."""
    notes = to_midi(song, title)
    samples = max(part.shape[-1] for part in faded.values())
    count = sum(1 for _, part in _stereo(faded) if part.any())
    for form, kilobits in LADDER:
        if max_bytes is not None and count * kilobits * 125 * samples // RATE > max_bytes:
            continue
        room = None if max_bytes is None else max_bytes - len(notes)
        files = _encoded(song, faded, count, title, version, form, kilobits, room, check)
        if files is None:
            continue
        data = _zip([*files, ("notes.mid", notes)])
        if max_bytes is None or len(data) <= max_bytes:
            return data
    raise EncodingError(
        "The parts are too long for the file size allowed here; ask for fewer bars."
    )


def _encoded(
    song: Song, faded: Mapping[str, Audio], count: int, title: str, version: str,
    form: Form, kilobits: int, room: int | None, check: Check,
) -> list[tuple[str, bytes]] | None:  # fmt: skip
    """Encode every part at one rate; None as soon as they no longer fit."""
    files = []
    for number, (name, part) in enumerate(parts_of(faded), 1):
        tags = Tags(f"{title}: {name}", song.bpm, song.key, song.seed, version,
                    track=f"{number}/{count}")  # fmt: skip
        made = encoding.encode_at(part, form, kilobits, tags, check)
        files.append((f"{number} {name}.{form}", made.data))
        if room is not None and sum(len(data) for _, data in files) > room:
            return None
    return files


def _zip(files: list[tuple[str, bytes]]) -> bytes:
    """Pack files as they are, dated alike, so that the same song is the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as zipped:
        for name, data in files:
            zipped.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data)
    return file.getvalue()
