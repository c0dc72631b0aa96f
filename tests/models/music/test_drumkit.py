import numpy as np
import pytest

from models.music import drumkit
from models.music.dsp import RATE, Audio
from models.music.groove import PITCH_OF
from models.music.kits import KITS
from models.music.pianoroll import DRUMS
from models.music.song import Note
from models.music.styles import STYLES


def centre(sound: Audio) -> float:
    """Centre of the spectrum in Hz."""
    mono = sound if sound.ndim == 1 else sound.mean(0)
    power = np.abs(np.fft.rfft(mono)) ** 2
    return float((np.fft.rfftfreq(len(mono), 1 / RATE) * power).sum() / power.sum())


def hit(drum: str, start: float = 0.0, velocity: int = 110) -> Note:
    return Note(start, start + 0.1, PITCH_OF[drum], velocity)


@pytest.mark.parametrize("kit", KITS)
def test_every_kit_has_every_drum_clean(kit: str) -> None:
    for drum in DRUMS:
        sound = drumkit.one_shot(kit, drum.name, 2, 0)
        assert np.isfinite(sound).all()
        assert np.abs(sound[..., :2]).max() < 0.2 and np.abs(sound[..., -2:]).max() < 1e-3
        assert abs(float(sound.mean())) < 2e-3
        assert 0.5 <= np.abs(sound).max() <= 1.5


def test_every_style_has_a_kit() -> None:
    assert {kit for style in STYLES.values() for kit in style.kits} <= set(KITS)


def test_kicks_are_low_and_hats_are_high() -> None:
    for kit in set(KITS) - {"chip"}:
        assert centre(drumkit.one_shot(kit, "kick", 1, 0)) < 200
        assert 600 < centre(drumkit.one_shot(kit, "snare", 2, 0)) < 6000
        assert centre(drumkit.one_shot(kit, "closed_hat", 2, 0)) > 6000


def test_takes_and_velocities_differ_and_repeat_exactly() -> None:
    takes = [drumkit.one_shot("rock", "snare", 2, take) for take in range(drumkit.TAKES)]
    assert all(not np.array_equal(takes[0], other) for other in takes[1:])
    soft, hard = (drumkit.one_shot("rock", "snare", layer, 0) for layer in (0, 2))
    assert centre(hard) > centre(soft)
    kept = takes[0].copy()
    drumkit.one_shot.cache_clear()
    assert np.array_equal(drumkit.one_shot("rock", "snare", 2, 0), kept)


def test_a_harder_stroke_is_louder() -> None:
    soft, hard = (
        np.abs(drumkit.render([hit("snare", velocity=v)], "pop", RATE, 1)["snare"]).max()
        for v in (50, 120)
    )
    assert hard > 2.5 * soft


def test_a_closed_hat_chokes_the_open_one() -> None:
    ringing = drumkit.render([hit("open_hat")], "rock", RATE, 1)["tops"]
    choked = drumkit.render([hit("open_hat"), hit("closed_hat", 0.15)], "rock", RATE, 1)["tops"]
    part = slice(int(0.4 * RATE), int(0.7 * RATE))
    assert np.abs(choked[:, part]).max() < 0.3 * np.abs(ringing[:, part]).max()


def test_notes_beyond_the_end_are_cut_not_lost_or_raised() -> None:
    out = drumkit.render([hit("crash", 0.9)], "pop", RATE, 1)
    assert out["tops"].shape == (2, RATE)
    assert np.abs(out["tops"]).max() > 0


def test_kick_and_snare_are_mono() -> None:
    out = drumkit.render([hit("kick"), hit("snare", 0.2), hit("clap", 0.2)], "808", RATE, 1)
    assert out["kick"].ndim == out["snare"].ndim == 1
