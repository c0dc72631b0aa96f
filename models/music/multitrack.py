"""A song's parts as separate files, to mix elsewhere: one zip of stems and the MIDI file."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable

import numpy as np

from models.music import encoding, mixer, stems
from models.music.dsp import Audio, audio, decibels, fade, stereo
from models.music.encoding import Form, Tags
from models.music.song import Song, to_midi
from models.music.voices import Players

_PEAK = -3.0  # dBFS the loudest of the parts, or their sum, may reach
_DRUMS = ("kick", "snare", "tops")


def parts_of(
    song: Song, players: Players, check: Callable[[], None] = lambda: None
) -> dict[str, Audio]:
    """Play the parts at the levels of the mix, dry and equally long, so that they add up to it."""
    faded = mixer.balance(song, stems.record(song, players, check), check)
    parts = {"drums": stems.drum_bus(faded)}
    parts |= {name: stereo(part) for name, part in faded.items() if name not in _DRUMS}
    whole = np.sum(list(parts.values()), axis=0)
    top = max(float(np.abs(part).max()) for part in (*parts.values(), whole))
    gain = np.float32(decibels(_PEAK) / max(top, 1e-6))
    return {
        name: fade(audio(part * gain), 0.002, 0.2) for name, part in parts.items() if part.any()
    }


def pack(
    song: Song, players: Players, title: str, version: str,
    form: Form = "flac", check: Callable[[], None] = lambda: None,
) -> bytes:  # fmt: skip
    """Zip the parts of a song, numbered and tagged, with its MIDI file."""
    parts = parts_of(song, players, check)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as zipped:
        for number, (name, part) in enumerate(parts.items(), 1):
            tags = Tags(f"{title}: {name}", song.bpm, song.key, song.seed, version,
                        track=f"{number}/{len(parts)}")  # fmt: skip
            kilobits = encoding.LADDERS[form][0][1]
            made = encoding.encode_at(part, form, kilobits, tags, check)
            zipped.writestr(_entry(f"{number} {name}.{form}"), made.data)
        zipped.writestr(_entry("notes.mid"), to_midi(song, title))
    return file.getvalue()


def _entry(name: str) -> zipfile.ZipInfo:
    """Date every file alike, so that the same song is the same bytes."""
    return zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0))
