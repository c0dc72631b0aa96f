import io
import re
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from models.music import encoding
from models.music.dsp import RATE, Audio, audio
from models.music.encoding import EncodingError, Form, Tags, encode

TAGS = Tags("Night = Bus; #1 ünï", 92, "F# minor", 41, "music-1")
SECONDS = 6.0
FORMS: tuple[Form, ...] = ("mp3", "ogg", "wav", "flac")


@pytest.fixture(scope="module")
def sound() -> Audio:
    random = np.random.default_rng(1)
    t = np.arange(int(SECONDS * RATE)) / RATE
    tone = np.stack([np.sin(2 * np.pi * 220 * t), np.sin(2 * np.pi * 331 * t)])
    return audio(0.4 * tone + 0.05 * random.standard_normal(tone.shape))


def described(data: bytes, path: Path) -> str:
    """Let ffmpeg say what a file is."""
    path.write_bytes(data)
    command = [encoding.FFMPEG, "-hide_banner", "-i", str(path)]
    return subprocess.run(command, capture_output=True, text=True, check=False).stderr


def length(said: str) -> float:
    found = re.search(r"Duration: (\d+):(\d+):([\d.]+)", said)
    assert found
    return int(found[1]) * 3600 + int(found[2]) * 60 + float(found[3])


def decoded_seconds(data: bytes) -> float:
    command = [encoding.FFMPEG, "-v", "error", "-i", "-", "-f", "s16le", "-ar", "44100", "-"]
    done = subprocess.run(command, input=data, capture_output=True, check=True)
    return len(done.stdout) / 4 / RATE


@pytest.mark.parametrize("form", FORMS)
def test_a_file_plays_says_its_length_and_carries_its_tags(
    form: Form, sound: Audio, tmp_path: Path
) -> None:
    made = encode(sound, form, TAGS)
    assert made.format == form
    said = described(made.data, tmp_path / "x")
    assert length(said) == pytest.approx(SECONDS, abs=0.1)
    assert decoded_seconds(made.data) == pytest.approx(SECONDS, abs=0.1)
    for fact in (
        ": Night = Bus; #1 ünï",
        "92 bpm, F# minor, seed 41, model music-1",
        "Ghostwriter",
    ):
        assert fact in said
    if form != "wav":  # RIFF has no field for them
        for fact in (r"bpm\s+: 92", r"key\s+: F#m", r"seed\s+: 41", r"model\s+: music-1"):
            assert re.search(fact, said, re.IGNORECASE)


@pytest.mark.parametrize("form", ["mp3", "ogg"])
def test_the_ladder_steps_down_until_it_fits(form: Form, sound: Audio) -> None:
    free = encode(sound, form, TAGS)
    sizes = [len(free.data)]
    for limit in (len(free.data) - 1, 80_000, 60_000):
        made = encode(sound, form, TAGS, max_bytes=limit)
        assert len(made.data) <= limit
        assert made.format == form and made.kilobits < free.kilobits
        sizes.append(len(made.data))
    assert sizes == sorted(sizes, reverse=True)


def test_wav_that_does_not_fit_truthfully_becomes_mp3(sound: Audio) -> None:
    made = encode(sound, "wav", TAGS, max_bytes=400_000)
    assert made.format == "mp3"
    assert made.data[:3] == b"ID3"


def test_what_cannot_fit_is_one_plain_sentence(sound: Audio) -> None:
    with pytest.raises(EncodingError, match=r"ask for fewer bars\.$"):
        encode(sound, "mp3", TAGS, max_bytes=10_000)


@pytest.mark.parametrize("form", FORMS)
def test_same_audio_same_bytes(form: Form, sound: Audio) -> None:
    assert encode(sound, form, TAGS).data == encode(sound, form, TAGS).data


@pytest.mark.parametrize("form", ["mp3", "ogg", "flac"])
def test_a_cover_travels_along(form: Form, sound: Audio, tmp_path: Path) -> None:
    picture = io.BytesIO()
    Image.new("RGB", (64, 64), (90, 20, 80)).save(picture, "PNG")
    tags = Tags(
        "T", 90, "C major", 1, "v", album="The Album", track="2/5", cover=picture.getvalue()
    )
    said = described(encode(sound, form, tags).data, tmp_path / "x")
    assert "attached pic" in said and "64x64" in said and "Cover (front)" in said
    assert "The Album" in said and ": 2/5" in said


def test_stopping_ends_the_encoder_at_once() -> None:
    class Stop(Exception):
        pass

    long = np.zeros((2, 120 * RATE), np.float32) + audio(
        np.random.default_rng(1).standard_normal((2, 120 * RATE)) * 0.1
    )
    began: list[float] = []

    def check() -> None:
        began.append(time.monotonic())
        if len(began) > 1:
            raise Stop

    with pytest.raises(Stop):
        encode(long, "mp3", TAGS, check=check)
    assert time.monotonic() - began[-1] < 1


def test_an_encoder_that_fails_is_one_plain_sentence(tmp_path: object) -> None:
    with pytest.raises(EncodingError, match=r"^The audio could not be encoded\.$"):
        encoding._run([encoding.FFMPEG, "-v", "error", "-i", f"{tmp_path}/none", "-f", "mp3", "-"],
                      lambda: None)  # fmt: skip


def test_dither_hides_no_sound_and_stays_in_range() -> None:
    loud = audio(np.ones((2, 100)) * 1.5)
    whole = np.frombuffer(encoding.sixteen_bit(loud), "<i2")
    assert whole.max() <= 32767 and whole.min() > 32000
    assert re.fullmatch("Bbm", encoding.short_key("Bb minor"))
