"""A file to play a beat around: looked at in a process of its own, before anything else sees it.

``python -m bot.samples NAME`` reads one file from its standard input under limits of memory and
time. Nothing is decoded here: notes are counted, and a recording is known by its first bytes.
"""

from __future__ import annotations

import io
import json
import sys
import wave
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from bot import uploads
from bot.sentences import Sentence
from bot.uploads import MEGABYTE, UploadError, shown_name
from models.contract import SAMPLE_LIMIT

#: What a name may end with, and the form that is.
FORMS: Mapping[str, str] = {
    ".mid": "mid",
    ".midi": "mid",
    ".wav": "wav",
    ".mp3": "mp3",
    ".flac": "flac",
    ".ogg": "ogg",
}
MIDI_LIMIT = 500_000  # bytes; more than any song has
MOST_NOTES = 20_000
MOST_BEATS = 2048  # quarter notes
_TEMPOS = range(60_000, 6_000_001)  # microseconds a quarter note
SECONDS = 10.0
_SILENCE = 64  # of 65536 steps between lowest and highest


@dataclass(frozen=True)
class Sample:
    """A file that was looked at and found good."""

    name: str
    form: str
    data: bytes = field(repr=False)


def check(name: str, size: int) -> None:
    """Refuse by name and size alone, before anything is fetched; raise UploadError."""
    shown = shown_name(name)
    form = FORMS.get(PurePosixPath(shown).suffix.lower())
    if form is None:
        raise UploadError(Sentence("sample_kind", name=shown))
    if size > (MIDI_LIMIT if form == "mid" else SAMPLE_LIMIT):
        limit = MIDI_LIMIT / MEGABYTE if form == "mid" else SAMPLE_LIMIT // MEGABYTE
        raise UploadError(Sentence("upload_big", name=shown, limit=limit))


async def read_sample(name: str, data: bytes, *, seconds: float = SECONDS) -> Sample:
    """Look at a file in a process of its own; raise UploadError."""
    shown = shown_name(name)
    check(shown, len(data))
    answer, _ = await uploads.parse_apart("bot.samples", shown, data, seconds)
    if "key" in answer:
        raise UploadError(Sentence(answer["key"], **answer["values"]))
    return Sample(shown, str(answer["form"]), data)


def read(name: str, data: bytes) -> str:
    """Tell a file's form, here and now; raise UploadError."""
    check(name, len(data))
    form = FORMS[PurePosixPath(name).suffix.lower()]
    if not uploads.begins_like(form, data):
        raise UploadError(Sentence("upload_broken", name=name))
    if form == "mid":
        _look_at_notes(name, data)
    if form == "wav":
        _look_at_wave(name, data)
    return form


def _look_at_notes(name: str, data: bytes) -> None:
    """Refuse a song that is silent, endless or crowded."""
    from mido import MidiFile  # only songs need it

    try:
        song = MidiFile(file=io.BytesIO(data), clip=True)
    except Exception as error:  # a parser may raise anything on what it does not expect
        raise UploadError(Sentence("upload_broken", name=name)) from error
    if song.type > 1 or song.ticks_per_beat < 1:  # songs in a row, or in seconds
        raise UploadError(Sentence("upload_broken", name=name))
    notes = 0
    for track in song.tracks:
        notes += sum(m.type == "note_on" and m.velocity > 0 for m in track)
        if sum(m.time for m in track) > MOST_BEATS * max(1, song.ticks_per_beat):
            raise UploadError(Sentence("sample_long", name=name, limit=MOST_BEATS // 4))
        if any(m.type == "set_tempo" and m.tempo not in _TEMPOS for m in track):
            raise UploadError(Sentence("upload_broken", name=name))
    if not notes:
        raise UploadError(Sentence("sample_silent", name=name))
    if notes > MOST_NOTES:
        raise UploadError(Sentence("sample_crowded", name=name, limit=MOST_NOTES))


def _look_at_wave(name: str, data: bytes) -> None:
    """Refuse a recording of nothing; other kinds of sound have to be decoded to tell."""
    try:
        with wave.open(io.BytesIO(data)) as file:
            width, frames = file.getsampwidth(), file.readframes(file.getnframes())
    except (wave.Error, EOFError):
        return  # a form that this reader does not know, such as floats, may still be fine
    if width == 1:  # unsigned, around 128
        silent = set(frames) <= {127, 128, 129}
    elif width == 2:
        values = array("h", frames[: len(frames) // 2 * 2])
        silent = max(values, default=0) - min(values, default=0) < _SILENCE
    else:
        silent = set(frames[width - 1 :: width]) <= {0, 255}
    if silent:
        raise UploadError(Sentence("sample_silent", name=name))


def _main() -> None:
    uploads.confine(SECONDS)
    try:
        answer: dict[str, object] = {"form": read(sys.argv[1], sys.stdin.buffer.read())}
    except UploadError as error:
        answer = {"key": error.sentence.key, "values": dict(error.sentence.values)}
    sys.stdout.write(json.dumps(answer))


if __name__ == "__main__":
    _main()
