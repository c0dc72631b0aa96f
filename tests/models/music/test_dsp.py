import numpy as np
import pytest

from models.music import dsp, loudness, tone
from models.music.dsp import RATE, Audio, band, equalise


def sine(hertz: float, seconds: float = 2.0, level: float = 0.5) -> Audio:
    t = np.arange(int(seconds * RATE)) / RATE
    return dsp.audio(level * np.sin(2 * np.pi * hertz * t))


def gain_db(before: Audio, after: Audio) -> float:
    half = before.shape[-1] // 2
    return float(20 * np.log10(after[..., half:].std() / before[..., half:].std()))


@pytest.mark.parametrize(
    ("design", "hertz", "db"),
    [
        (band("high", 200), 200, -3.0), (band("high", 200), 2000, 0.0),
        (band("low", 1000), 8000, -38.1),
        (band("peak", 1000, 6, 1.0), 1000, 6.0), (band("low_shelf", 300, -4), 40, -4.0),
        (band("high_shelf", 3000, 5), 15000, 5.0),
    ],
)  # fmt: skip
def test_filters_do_what_they_say(design: tuple[float, ...], hertz: float, db: float) -> None:
    x = sine(hertz)
    assert gain_db(x, equalise(x, design)) == pytest.approx(db, abs=0.4)


def test_duck_dips_on_the_beat_and_comes_back() -> None:
    curve = dsp.duck(2 * RATE, [0.5], 0.6, 0.2)
    assert len(curve) == 2 * RATE
    assert curve[int(0.505 * RATE)] == pytest.approx(0.4, abs=0.05)
    assert curve[int(0.3 * RATE)] == pytest.approx(1, abs=1e-6)
    assert curve[int(0.8 * RATE)] == pytest.approx(1, abs=0.01)


def test_compressor_evens_out() -> None:
    x = np.concatenate([sine(440, 1, 0.05), sine(440, 1, 0.8)])
    out = dsp.compress(dsp.stereo(x), threshold=-20, ratio=3)
    before = 20 * np.log10(0.8 / 0.05)
    after = 20 * np.log10(out[0, -RATE // 2 :].std() / out[0, : RATE // 2].std())
    assert after < before - 5


def test_reverb_rings_on_and_dies() -> None:
    rate = RATE // 2
    x = np.zeros((2, 3 * rate), np.float32)
    x[:, 100] = 1
    wet = dsp.reverb(x, 0.8)
    energy = [
        float((wet[:, int(a * rate) : int((a + 0.1) * rate)] ** 2).sum()) for a in (0.1, 0.6, 2)
    ]
    assert energy[0] > 30 * energy[1] > 0
    assert energy[2] < 1e-5 * energy[0]


def test_echoes_come_in_time_and_bounce() -> None:
    rate = RATE // 2
    x = np.zeros((2, 3 * rate), np.float32)
    x[:, 50:60] = 1
    out = dsp.echo(x, 0.5, feedback=0.5)
    assert np.abs(out[:, : rate // 2]).max() == 0
    first, second = (
        np.abs(out[:, i * rate // 2 : i * rate // 2 + rate // 4]).max(1) for i in (1, 2)
    )
    assert first[0] > first[1] and second[1] > second[0]
    assert second.max() == pytest.approx(0.5 * first.max(), rel=0.05)


def test_half_rate_and_back_keeps_low_sounds() -> None:
    x = dsp.stereo(sine(500, 1.0))[:, :-1]
    back = dsp.doubled(dsp.halved(x), x.shape[1])
    assert back.shape == x.shape
    assert np.corrcoef(back[0, :-4], x[0, :-4])[0, 1] > 0.99


def test_integrated_loudness_of_the_reference_sine() -> None:
    # BS.1770: a 997 Hz sine at 0 dBFS in one channel reads -3.01 LUFS.
    one_side = np.stack([sine(997, 5, 1.0), np.zeros(5 * RATE, np.float32)])
    assert loudness.integrated(one_side) == pytest.approx(-3.01, abs=0.05)
    assert loudness.integrated(np.zeros((2, RATE), np.float32)) == loudness.SILENCE


def test_loudness_gate_ignores_silence() -> None:
    loud = dsp.stereo(sine(997, 4, 0.2))
    quiet = np.concatenate([loud, np.zeros((2, 12 * RATE), np.float32)], 1)
    assert loudness.integrated(quiet) == pytest.approx(loudness.integrated(loud), abs=0.3)
    assert loudness.rough(loud) == pytest.approx(loudness.integrated(loud), abs=0.3)


def test_true_peak_sees_between_the_samples() -> None:
    t = np.arange(RATE)
    x = dsp.stereo(dsp.audio(np.sin(np.pi / 2 * t + np.pi / 4)))  # samples at +-0.707 only
    assert 20 * np.log10(np.abs(x).max()) == pytest.approx(-3.01, abs=0.01)
    assert loudness.true_peak(x) == pytest.approx(0, abs=0.3)


def test_master_reaches_loudness_under_the_ceiling() -> None:
    random = np.random.default_rng(2)
    x = dsp.audio(random.standard_normal((2, 6 * RATE)) * 0.02)
    x[:, ::RATE] += 0.9  # spikes that must not pass
    out, heard = loudness.master(x, -14, -1.5)
    assert loudness.integrated(out) == pytest.approx(heard, abs=0.01)
    assert loudness.integrated(out) == pytest.approx(-14, abs=0.35)
    assert loudness.true_peak(out) <= -1.4


def test_lean_moves_a_dull_mix_towards_the_curve() -> None:
    random = np.random.default_rng(3)
    dull = equalise(dsp.audio(random.standard_normal((2, 4 * RATE))), band("low", 300))
    before, after = tone.octaves(dull), tone.octaves(tone.lean(dull, tone.MODERN))
    miss = [float(np.abs(np.array(tone.MODERN) - o)[1:7].mean()) for o in (before, after)]
    assert miss[1] < miss[0] - 1
    assert tone.lean(dull, tone.MODERN).shape == dull.shape
