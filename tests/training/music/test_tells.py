import numpy as np

from models.music.pianoroll import REGISTER, TRACKS, stack
from tests.training.music.songs import tune
from training.music.comparison import feature_names, phrase_features
from training.music.tells import above, accuracy_by_track, tells, tells_markdown


def test_features_are_named_as_they_are_counted() -> None:
    roll, onset = stack([tune(1)])
    roll, onset = np.zeros_like(roll), np.zeros_like(onset)
    bass, keys = REGISTER["bass"].first, REGISTER["keys"].first
    onset[0, 0, 0] = onset[0, 2, 0] = True  # two kicks
    onset[0, 4, bass + 8] = True  # a C, for the register begins on E
    onset[0, 1, keys] = True
    roll |= onset
    roll[0, 1:4, keys] = True
    named = dict(zip(feature_names(), phrase_features(roll, onset)[0].tolist(), strict=True))
    assert named["drums kick"] == named["drums notes"] == 2
    assert named["drums starts on step 3"] == 0.25
    assert named["bass pitch class 0"] == named["bass notes"] == 1
    assert named["bass height"] == 8
    assert named["keys length"] == 3
    assert sum(value for name, value in named.items() if name.startswith("pad ")) == 0


def test_above_counts_pairs_and_equal_ones_half() -> None:
    assert above(np.array([2.0, 3.0]), np.array([1.0, 1.0])) == 1
    assert above(np.array([1.0, 1.0]), np.array([1.0, 2.0])) == 0.25


def test_the_changed_track_is_told_and_the_others_are_not() -> None:
    roll, onset = stack([tune(number) for number in range(160)])
    real = phrase_features(roll[::2], onset[::2])
    roll, onset = roll[1::2].copy(), onset[1::2].copy()
    onset[:, 5, 0] = roll[:, 5, 0] = True  # a kick that no song has
    made = phrase_features(roll, onset)
    accuracy = accuracy_by_track(made, real, 1)
    assert set(accuracy) == set(TRACKS)
    assert accuracy["drums"] > 0.9 > 0.75 > accuracy["bass"]
    told = tells(made, real)
    first = told["drums"][0]
    assert first.above > 0.9 and first.mean > first.other_mean
    assert first.feature in ("kick", "notes", "starts on step 6", "spread of notes over bars")
    assert f"| drums | {first.feature} |" in tells_markdown(told)
