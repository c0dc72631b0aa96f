import io
import zipfile

import numpy as np
import pretty_midi
import pytest

from models.music import mixer, multitrack, stems
from models.music.arranger import Wish, compose
from models.music.dsp import Audio
from models.music.encoding import EncodingError
from models.music.song import Song
from models.music.voices import Players

from .makers import RuleMaker


@pytest.fixture(scope="module")
def song() -> Song:
    return compose(RuleMaker(), Wish("rock", seed=3, bars=4, bpm=140))


@pytest.fixture(scope="module")
def faded(song: Song) -> dict[str, Audio]:
    return mixer.balance(song, stems.record(song, Players()))


def test_parts_are_equally_long_and_add_up_without_clipping(faded: dict[str, Audio]) -> None:
    before = {name: part.copy() for name, part in faded.items()}
    parts = dict(multitrack.parts_of(faded))
    assert {"drums", "bass", "keys", "lead", "pad"} <= set(parts)
    assert len({part.shape for part in parts.values()}) == 1
    whole = np.sum(list(parts.values()), axis=0)
    top = max(float(np.abs(x).max()) for x in (*parts.values(), whole))
    assert top == pytest.approx(10 ** (-3 / 20), abs=0.02)
    assert all(np.array_equal(before[name], part) for name, part in faded.items())


def test_the_zip_holds_every_part_and_the_notes(song: Song, faded: dict[str, Audio]) -> None:
    with zipfile.ZipFile(io.BytesIO(multitrack.pack(song, faded, "Red", "v1"))) as zipped:
        names = zipped.namelist()
        assert names[0] == "1 drums.flac" and names[-1] == "notes.mid"
        assert zipped.read("1 drums.flac")[:4] == b"fLaC"
        midi = pretty_midi.PrettyMIDI(io.BytesIO(zipped.read("notes.mid")))
        assert len(midi.instruments) == 5


def test_the_zip_keeps_to_the_size_allowed(song: Song, faded: dict[str, Audio]) -> None:
    data = multitrack.pack(song, faded, "Red", "v1", max_bytes=600_000)
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        assert len(data) <= 600_000
        assert zipped.namelist()[0] == "1 drums.mp3"
        assert zipped.read("1 drums.mp3")[:3] == b"ID3"
    with pytest.raises(EncodingError, match=r"^The parts are too long .* ask for fewer bars\.$"):
        multitrack.pack(song, faded, "Red", "v1", max_bytes=20_000)
