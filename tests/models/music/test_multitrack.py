import io
import zipfile

import numpy as np
import pretty_midi
import pytest

from models.music import multitrack
from models.music.arranger import Wish, compose
from models.music.song import Song
from models.music.voices import Players

from .makers import RuleMaker


@pytest.fixture(scope="module")
def song() -> Song:
    return compose(RuleMaker(), Wish("rock", seed=3, bars=4, bpm=140))


def test_parts_are_equally_long_and_add_up_without_clipping(song: Song) -> None:
    parts = multitrack.parts_of(song, Players())
    assert {"drums", "bass", "keys", "lead", "pad"} <= set(parts)
    assert len({part.shape for part in parts.values()}) == 1
    whole = np.sum(list(parts.values()), axis=0)
    top = max(float(np.abs(x).max()) for x in (*parts.values(), whole))
    assert top == pytest.approx(10 ** (-3 / 20), abs=0.02)


def test_the_zip_holds_every_part_and_the_notes(song: Song) -> None:
    data = multitrack.pack(song, Players(), "Red", "v1", form="mp3")
    with zipfile.ZipFile(io.BytesIO(data)) as zipped:
        names = zipped.namelist()
        assert names[0] == "1 drums.mp3" and names[-1] == "notes.mid"
        assert zipped.read("1 drums.mp3")[:3] == b"ID3"
        midi = pretty_midi.PrettyMIDI(io.BytesIO(zipped.read("notes.mid")))
        assert len(midi.instruments) == 5
