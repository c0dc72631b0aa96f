import re
import subprocess
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from models.music import encoding, loudness, mixer, stems
from models.music.arranger import Wish, compose
from models.music.dsp import RATE, Audio
from models.music.mixer import Mixed
from models.music.song import Song
from models.music.styles import STYLES
from models.music.voices import Players

from .makers import RuleMaker


@cache
def players() -> Players:
    return Players()


@cache
def made(style: str) -> tuple[Song, Mixed]:
    song = compose(RuleMaker(), Wish(style, seed=4, bars=4))
    return song, mixer.produce(song, players())


def ebur128(sound: Audio, path: Path) -> tuple[float, float]:
    """Let ffmpeg measure (LUFS, dBTP)."""
    encoding.segment(sound).export(path, format="wav").close()
    command = [
        encoding.FFMPEG,
        "-nostats",
        "-i",
        str(path),
        "-af",
        "ebur128=peak=true",
        "-f",
        "null",
        "-",
    ]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    summary = said[said.rindex("Summary") :]
    found = [re.search(rf"{name}:\s+(-?[\d.]+)", summary) for name in ("I", "Peak")]
    assert found[0] and found[1]
    return float(found[0][1]), float(found[1][1])


@pytest.mark.parametrize("style", [s for s in STYLES if s != "latin_reggae"])
def test_every_style_is_loud_clean_and_ends(style: str, tmp_path: Path) -> None:
    song, mixed = made(style)
    heard, peak = ebur128(mixed.audio, tmp_path / "x.wav")
    assert heard == pytest.approx(-14, abs=1)
    assert peak <= -1
    assert mixed.loudness == pytest.approx(heard, abs=0.2)
    assert mixed.true_peak <= -1
    sound = mixed.audio
    assert np.isfinite(sound).all() and np.abs(sound).max() < 1
    assert np.abs(sound.mean(1)).max() < 1e-3, "no offset"
    crest = 20 * np.log10(np.abs(sound).max() / sound.std())
    assert 7.5 < crest < 16
    assert np.abs(sound[:, :3]).max() < 0.01 and np.abs(sound[:, -20:]).max() < 1e-3
    assert song.seconds + 0.5 < mixed.seconds < song.seconds + 9, "a tail, and not for ever"


def test_the_low_end_is_in_the_middle() -> None:
    for style in ("hiphop", "edm", "pop"):
        _, mixed = made(style)
        middle, side = mixed.audio.sum(0), mixed.audio[0] - mixed.audio[1]
        hertz = np.fft.rfftfreq(len(side), 1 / RATE)
        low = (hertz > 30) & (hertz < 90)
        power = [float((np.abs(np.fft.rfft(x))[low] ** 2).sum()) for x in (middle, side)]
        assert power[1] < 0.01 * power[0]


def test_the_same_song_sounds_the_same() -> None:
    song = compose(RuleMaker(), Wish("hiphop", seed=4, bars=4))
    again = mixer.produce(song, players())
    assert np.array_equal(again.audio, made("hiphop")[1].audio)


def test_faders_bring_parts_to_their_level() -> None:
    song = compose(RuleMaker(), Wish("rock", seed=4, bars=4))
    parts = mixer.balance(song, stems.record(song, players()))
    drums = loudness.rough(stems.drum_bus(parts))
    assert drums == pytest.approx(-18, abs=0.2)
    for track in ("keys", "lead"):
        assert loudness.rough(parts[track]) - drums == pytest.approx(
            getattr(song.style.mix, track), abs=0.8
        )
    assert parts["bass"].ndim == parts["kick"].ndim == 1


def test_the_bass_gives_way_to_the_kick() -> None:
    song = compose(RuleMaker(), Wish("edm", seed=4, bars=4))
    parts = stems.record(song, players())
    before, after = parts["bass"].copy(), mixer.balance(song, parts)["bass"]
    times = [t for t in stems.kick_times(song) if 1 < t < 5]
    on = [after[int((t + 0.01) * RATE) : int((t + 0.03) * RATE)] for t in times]
    plain = [before[int((t + 0.01) * RATE) : int((t + 0.03) * RATE)] for t in times]
    off = np.concatenate(on).std() / np.concatenate(plain).std()
    assert off < 0.5 * after.std() / before.std()


def test_widening_keeps_the_sum_of_the_sides() -> None:
    sound = np.random.default_rng(1).standard_normal((2, RATE)).astype(np.float32)
    wide = stems.widen(sound, 0.5)
    assert wide.sum(0) == pytest.approx(sound.sum(0), abs=1e-4)
    assert (wide[0] - wide[1]).std() > (sound[0] - sound[1]).std()


def test_work_can_be_stopped_between_its_steps() -> None:
    class Stop(Exception):
        pass

    song = compose(RuleMaker(), Wish("pop", seed=4, bars=4))
    for allowed in (0, 3, 8, 14):
        left = [allowed]

        def check(left: list[int] = left) -> None:
            left[0] -= 1
            if left[0] < 0:
                raise Stop

        with pytest.raises(Stop):
            mixer.produce(song, players(), check)
