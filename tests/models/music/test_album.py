import io
import itertools
import zipfile

import numpy as np
import pytest
from PIL import Image

from models.music import album
from models.music.arranger import Wish, compose
from models.music.dsp import RATE, Audio, audio
from models.music.encoding import EncodingError
from models.music.song import Song

from .makers import RuleMaker


def tone(hertz: float, seconds: float, level: float = 0.5) -> Audio:
    t = np.arange(int(seconds * RATE)) / RATE
    wave = audio(level * np.sin(2 * np.pi * hertz * t))
    return np.stack([wave, wave])


def song(seed: int = 1) -> Song:
    return compose(RuleMaker(), Wish("hiphop", seed, bars=4))


@pytest.mark.parametrize("tracks", [3, 5, 8, 12])
@pytest.mark.parametrize("style", ["hiphop", "edm", "ballad"])
def test_neighbours_differ_and_all_is_seeded(tracks: int, style: str) -> None:
    planned = album.plan(tracks, style, seed=9)
    assert planned == album.plan(tracks, style, seed=9)
    assert planned != album.plan(tracks, style, seed=10)
    assert [p.number for p in planned] == list(range(1, tracks + 1))
    low, high = album.tempos(style)
    for one, other in itertools.pairwise(planned):
        assert one.wish.bpm and other.wish.bpm
        assert abs(one.wish.bpm - other.wish.bpm) >= 3
        assert low <= other.wish.bpm <= high
        assert one.wish.key != other.wish.key
        assert one.wish.seed != other.wish.seed
    energies = [p.energy for p in planned]
    assert max(energies) - min(energies) > 0.3
    assert energies[-1] == min(energies), "a record ends calm"
    assert [p.wish.energy for p in planned] == energies, "and is played so"


@pytest.mark.parametrize("tracks", [0, 2, 13])
def test_impossible_albums_are_refused(tracks: int) -> None:
    with pytest.raises(ValueError, match=r"^An album has between 3 and 12 tracks\.$"):
        album.plan(tracks, "hiphop", seed=1)


def test_a_medley_is_thirty_seconds_of_the_liveliest() -> None:
    quiet_then_loud = np.concatenate([tone(300, 20, 0.1), tone(300, 20, 0.6)], axis=1)
    made = album.medley([quiet_then_loud, tone(500, 40), tone(700, 3)])
    assert made.shape[0] == 2
    assert 20 < made.shape[1] / RATE <= album.MEDLEY_SECONDS + 0.1
    first = made[0, 3 * RATE : 5 * RATE]
    assert np.abs(first).max() > 0.5
    assert np.abs(made).max() <= 0.9
    assert np.abs(made[:, :2]).max() < 0.01 and np.abs(made[:, -2:]).max() < 0.01
    assert np.abs(np.diff(made)).max() < 0.12, "no clicks"


def test_a_cover_is_a_square_png_of_its_own() -> None:
    songs = [song(n) for n in (1, 2, 3)]
    title = "A Record With Quite A Long Title That Must Be Cut Somewhere Or Other"
    data = album.cover(title, songs, 4)
    assert data == album.cover(title, songs, 4)
    assert data != album.cover("Another", songs, 5)
    image = Image.open(io.BytesIO(data))
    assert image.size == (1000, 1000) and len(data) < 500_000
    assert np.asarray(image.convert("L")).std() > 8


def test_a_stamp_is_the_cover_made_small() -> None:
    cover = album.cover("Red", [song(1)], 1)
    small = album.stamp(cover)
    assert small == album.stamp(cover) and len(small) < len(cover) / 2
    assert Image.open(io.BytesIO(small)).size == (300, 300)


def test_a_zip_has_the_tagged_tracks_and_the_cover() -> None:
    cover = album.cover("Red", [song(1)], 1)
    sleeve = album.Sleeve("Red", 2, "v1", album.stamp(cover))

    def press() -> bytes:
        cuts = [
            album.cut(n, f"Track: {n} / ü?", song(n), tone(200.0 * n, 3.0), sleeve, 64)
            for n in (1, 2)
        ]
        return album.pack(cuts, cover)

    data = press()
    assert data == press()
    with zipfile.ZipFile(io.BytesIO(data)) as pack:
        names = pack.namelist()
        assert names[-1] == "cover.png" and len(names) == 3
        assert names[0].startswith("01 Track_ 1") and names[0].endswith(".mp3")
        first = pack.read(names[0])
        assert b"APIC" in first[:200_000] and b"TALB" in first[:4000] and b"TRCK" in first[:4000]


@pytest.mark.parametrize(("megabytes", "kilobits"), [(None, 192), (10.0, 192), (4.0, 96)])
def test_the_bit_rate_is_the_best_that_fits(megabytes: float | None, kilobits: int) -> None:
    room = None if megabytes is None else int(megabytes * 1e6)
    assert album.rate([100.0, 90.0, 110.0], 100_000, room) == kilobits


def test_a_record_too_long_for_its_place_is_refused() -> None:
    with pytest.raises(EncodingError, match=r"ask for fewer tracks\.$"):
        album.rate([100.0] * 12, 100_000, 5_000_000)


def test_an_estimate_is_never_too_small() -> None:
    """What was chosen before anything was encoded must hold for the file that comes of it."""
    cover = album.cover("Red", [song(1)], 1)
    sleeve = album.Sleeve("Red" * 20, 3, "music-0001", album.stamp(cover))
    sounds = [tone(200.0 * n, 7.3) for n in (1, 2, 3)]
    for kilobits in (192, 48):
        cuts = [
            album.cut(n, "T" * 60, song(n), sound, sleeve, kilobits)
            for n, sound in enumerate(sounds, 1)
        ]
        size = len(album.pack(cuts, cover))
        pictures = len(cover) + 3 * len(sleeve.picture)
        assert album.rate([7.3] * 3, pictures, size + 3 * 4608) >= kilobits
        sound = 3 * 7.3 * kilobits * 125
        assert size <= sound + pictures + 3 * 4608


def test_file_names_are_safe() -> None:
    assert album.file_name("../../etc: passwd*?") == "______etc_ passwd__"
    assert album.file_name("   ") == "track"
    assert len(album.file_name("x" * 200)) == 60
