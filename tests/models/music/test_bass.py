import numpy as np
import pytest

from models.music import bass
from models.music.dsp import RATE, Audio
from models.music.song import Note


def pitch_at(sound: Audio, seconds: float) -> float:
    """Strongest frequency in the fifth of a second that begins there."""
    at = int(seconds * RATE)
    part = sound[at : at + RATE // 5] * np.hanning(RATE // 5)
    power = np.abs(np.fft.rfft(part, 1 << 17))
    return float(np.fft.rfftfreq(1 << 17, 1 / RATE)[power.argmax()])


def hertz(pitch: int) -> float:
    return float(440 * 2 ** ((pitch - 69) / 12))


@pytest.mark.parametrize("kind", ["808", "sub"])
def test_it_is_in_tune(kind: str) -> None:
    sound = bass.render([Note(0.1, 1.5, 33, 100)], kind, 2 * RATE)
    assert pitch_at(sound, 0.5) == pytest.approx(hertz(33), rel=0.01)
    assert np.abs(sound[: int(0.09 * RATE)]).max() < 1e-3


def test_bound_notes_glide_and_parted_ones_jump() -> None:
    def early(gap: float, glide: bool) -> float:
        notes = [Note(0, 0.5 - gap, 33, 100), Note(0.5, 1.2, 45, 100)]
        line = bass._one_voice(notes)
        return float(bass._pitch(line, 2 * RATE, glide, struck=False)[int(0.52 * RATE)])

    assert hertz(33) < early(0.0, True) < 0.95 * hertz(45)
    assert early(0.2, True) == pytest.approx(hertz(45))
    assert early(0.0, False) == pytest.approx(hertz(45))


def test_two_notes_at_once_sound_as_the_lower() -> None:
    both = bass.render([Note(0, 1, 45, 100), Note(0.01, 1, 33, 100)], "sub", RATE)
    assert pitch_at(both, 0.3) == pytest.approx(hertz(33), rel=0.01)


def test_no_clicks_and_no_offset() -> None:
    notes = [Note(i * 0.25, i * 0.25 + 0.2, 33 + i, 110) for i in range(8)]
    for kind in ("808", "sub"):
        sound = bass.render(notes, kind, 3 * RATE)
        assert np.abs(np.diff(sound)).max() < 0.08
        assert abs(float(sound.mean())) < 1e-3
        assert np.abs(sound[-100:]).max() == pytest.approx(0, abs=1e-3)


def test_nothing_to_play_is_silence() -> None:
    assert not bass.render([], "808", 100).any()
