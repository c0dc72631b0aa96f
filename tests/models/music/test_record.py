import base64
import io
import zipfile
from collections.abc import Callable

import pytest
from PIL import Image

from models.contract import AlbumRequest, AlbumTake, Progress
from models.music import album, record
from models.music.dsp import RATE, Audio, audio
from models.music.encoding import EncodingError
from models.music.mixer import Mixed
from models.music.record import Band
from models.music.song import Song
from models.music.voices import Players

from .makers import RuleMaker

REQUEST = AlbumRequest(request_id="1", title="Night Drive", tracks=3, seed=5)
NAMES = ("Clock", "Morning Ride", "Still Waiting")


class Stop(Exception):
    pass


def hum(song: Song, *_: object) -> Mixed:
    """Play a song as one quiet sine of its length, for what is tested here is not the sound."""
    import numpy as np

    t = np.arange(int(song.seconds * RATE), dtype=np.float32) / RATE
    wave: Audio = audio(0.3 * np.sin(2 * np.pi * 220 * t))
    return Mixed(np.stack([wave, wave]), -14.0, -3.0)


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(record, "produce", hum)


def press(
    request: AlbumRequest,
    report: Callable[[Progress], None] = lambda progress: None,
    check: Callable[[], None] = lambda: None,
) -> AlbumTake:
    band = Band(RuleMaker(), "music-1", Players(None))
    return record.make(request, "hiphop", band, lambda: NAMES, report, check)


@pytest.mark.usefixtures("quick")
def test_a_record_is_made_track_by_track_and_packed() -> None:
    told: list[Progress] = []
    take = press(REQUEST, told.append)
    assert [track.title for track in take.tracks] == list(NAMES)
    assert [track.number for track in take.tracks] == [1, 2, 3]
    planned = album.plan(3, "hiphop", 5)
    assert [(t.bpm, t.key) for t in take.tracks] == [(p.wish.bpm, p.wish.key) for p in planned]
    assert (take.title, take.style, take.seed) == ("Night Drive", "hiphop", 5)
    assert [p.part for p in told if p.stage == "playing"] == [1, 2, 3]
    assert {p.parts for p in told} == {3}
    done = [p.done for p in told]
    assert done == sorted(done) and done[-1] == 1
    with zipfile.ZipFile(io.BytesIO(base64.b64decode(take.archive))) as pack:
        assert pack.namelist() == [
            "01 Clock.mp3", "02 Morning Ride.mp3", "03 Still Waiting.mp3", "cover.png",
        ]  # fmt: skip
        assert Image.open(pack.open("cover.png")).size == (1000, 1000)
        head = pack.read("02 Morning Ride.mp3")[:4000]
    for tag in (b"TALB", b"TRCK", b"TBPM", b"TKEY", b"seed", b"music-1"):
        assert tag in head or tag.decode().encode("utf-16-le") in head
    assert base64.b64decode(take.cover).startswith(b"\x89PNG")
    medley = base64.b64decode(take.medley)
    assert medley.startswith(b"ID3") and len(medley) < 31 * 128 * 125 + 4096


@pytest.mark.usefixtures("quick")
def test_the_zip_keeps_to_the_room_there_is_at_a_smaller_rate() -> None:
    free = press(REQUEST)
    size = len(base64.b64decode(free.archive))
    fitted = press(REQUEST.model_copy(update={"max_bytes": size // 2}))
    assert len(base64.b64decode(fitted.archive)) <= size // 2
    assert fitted.tracks == free.tracks
    with pytest.raises(EncodingError, match=r"ask for fewer tracks\.$"):
        press(REQUEST.model_copy(update={"max_bytes": 500_000}))


@pytest.mark.usefixtures("quick")
def test_stopping_stops_in_the_middle_of_a_track() -> None:
    told: list[Progress] = []

    def check() -> None:
        if any(p.part == 2 for p in told):
            raise Stop

    with pytest.raises(Stop):
        press(REQUEST, told.append, check)
    assert max(p.part for p in told) <= 3
    assert told[-1].done < 1
