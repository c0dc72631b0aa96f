from __future__ import annotations

import io
import wave
from array import array

import pytest

from bot.samples import MIDI_LIMIT, MOST_NOTES, check, read, read_sample
from bot.uploads import UploadError
from models.contract import SAMPLE_LIMIT
from tests.songs import midi

TUNE = midi(60, 64, 67)


def wav(*values: int, width: int = 2) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, width, 8000, 0, "NONE", "none"))
        data = array("h", values).tobytes() if width == 2 else bytes(values)
        out.writeframes(data)
    return file.getvalue()


def refusal(name: str, data: bytes) -> str:
    with pytest.raises(UploadError) as caught:
        read(name, data)
    return caught.value.sentence.key


@pytest.mark.parametrize(
    ("name", "data", "form"),
    [
        ("a.mid", TUNE, "mid"),
        ("A.MIDI", TUNE, "mid"),
        ("a.wav", wav(0, 5000, -5000), "wav"),
        ("a.wav", wav(0, 0, 90, width=3), "wav"),
        ("a.wav", wav(128, 200, width=1), "wav"),
        ("a.flac", b"fLaC....", "flac"),
        ("a.ogg", b"OggS....", "ogg"),
        ("a.mp3", b"ID3.....", "mp3"),
        ("a.mp3", b"\xff\xfb....", "mp3"),
    ],
)
def test_good_files_are_known_by_what_is_in_them(name: str, data: bytes, form: str) -> None:
    assert read(name, data) == form


@pytest.mark.parametrize(
    ("name", "data", "key"),
    [
        ("a.txt", b"", "sample_kind"),
        ("a", TUNE, "sample_kind"),
        ("a.mid", b"", "upload_broken"),
        ("a.mid", wav(9), "upload_broken"),
        ("a.mid", TUNE[:-8], "upload_broken"),
        ("a.mid", TUNE[:9] + b"\2" + TUNE[10:], "upload_broken"),  # several songs in a row
        ("a.mid", TUNE[:12] + b"\xe7\x28" + TUNE[14:], "upload_broken"),  # counted in frames
        ("a.wav", TUNE, "upload_broken"),
        ("a.mp3", b"\xff", "upload_broken"),
        ("a.mid", midi(60, velocity=0), "sample_silent"),
        ("a.mid", midi(*[60] * 9000, ticks=127), "sample_long"),
        ("a.mid", midi(*[60] * (MOST_NOTES + 1), ticks=0), "sample_crowded"),
        ("a.wav", wav(0, 1, -1, 0), "sample_silent"),
        ("a.wav", wav(*[0] * 30, width=3), "sample_silent"),
        ("a.wav", wav(128, 127, 129, width=1), "sample_silent"),
    ],
)
def test_bad_files_are_refused_with_the_reason(name: str, data: bytes, key: str) -> None:
    assert refusal(name, data) == key


@pytest.mark.parametrize(
    ("name", "limit"), [("a.mid", MIDI_LIMIT), ("a.wav", SAMPLE_LIMIT), ("a.mp3", SAMPLE_LIMIT)]
)
def test_size_is_checked_before_anything_is_fetched(name: str, limit: int) -> None:
    check(name, limit)
    with pytest.raises(UploadError, match="too big"):
        check(name, limit + 1)


async def test_a_file_is_looked_at_in_a_process_of_its_own() -> None:
    sample = await read_sample("../..//my tune.mid", TUNE)
    assert (sample.name, sample.form, sample.data) == ("my tune.mid", "mid", TUNE)
    with pytest.raises(UploadError, match="nothing to hear"):
        await read_sample("a.mid", midi(60, velocity=0))


async def test_a_file_that_takes_for_ever_is_given_up() -> None:
    with pytest.raises(UploadError, match="took too long"):
        await read_sample("a.mid", TUNE, seconds=0.001)
