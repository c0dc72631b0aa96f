import numpy as np
import pytest

from models.music.fills import FILLS, fill
from models.music.groove import PITCH_OF, Stroke, play
from models.music.styles import Feel

STILL = Feel(swing=0, loose=0, strum=0, accent=0.8)


def rng() -> np.random.Generator:
    return np.random.default_rng(1)


def test_straight_strokes_land_on_the_grid() -> None:
    strokes = [Stroke(step, PITCH_OF["closed_hat"], 1) for step in range(16)]
    notes = play(strokes, "drums", STILL, 120, rng())
    assert [n.start for n in notes] == pytest.approx([step * 0.125 for step in range(16)])


def test_swing_delays_only_the_offbeat_sixteenths() -> None:
    strokes = [Stroke(step, 60, 1) for step in range(4)]
    notes = play(strokes, "lead", Feel(swing=0.2, loose=0, strum=0), 120, rng())
    starts = [n.start / 0.125 for n in notes]
    assert starts == pytest.approx([0, 1.2, 2, 3.2])


def test_a_snare_leans_back_on_its_own() -> None:
    feel = Feel(swing=0, loose=0, lay={"snare": 12})
    strokes = [Stroke(4, PITCH_OF["snare"], 1), Stroke(4, PITCH_OF["kick"], 1)]
    kick, snare = play(strokes, "drums", feel, 120, rng())
    assert snare.start - kick.start == pytest.approx(0.012)


def test_backbeats_are_loud_ghosts_are_soft() -> None:
    strokes = [Stroke(step, PITCH_OF["snare"], 1) for step in (4, 7)]
    backbeat, ghost = play(strokes, "drums", STILL, 90, rng())
    assert ghost.velocity < 0.65 * backbeat.velocity


def test_human_timing_stays_small_and_is_seeded() -> None:
    strokes = [Stroke(step, 60, 1) for step in range(64)]
    feel = Feel(loose=5)
    notes = play(strokes, "lead", feel, 100, rng())
    assert notes == play(strokes, "lead", feel, 100, rng())
    late = [n.start - step * 0.15 for step, n in enumerate(notes)]
    assert max(map(abs, late)) <= 0.0101
    assert np.std(late) > 0.002


def test_the_same_pitch_never_sounds_twice_at_once() -> None:
    strokes = [Stroke(0, 60, 8), Stroke(4, 60, 4), Stroke(4, 64, 4)]
    notes = play(strokes, "pad", STILL, 100, rng())
    held = [n for n in notes if n.pitch == 60]
    assert held[0].end <= held[1].start


def test_chords_are_strummed_upwards() -> None:
    strokes = [Stroke(0, pitch, 4) for pitch in (67, 60, 64)]
    notes = play(strokes, "keys", Feel(loose=0, strum=12), 100, rng())
    assert [n.pitch for n in notes] == [60, 64, 67]
    assert notes[-1].start == pytest.approx(0.012)


@pytest.mark.parametrize("kind", FILLS)
@pytest.mark.parametrize("steps", [4, 8])
def test_fills_stay_in_their_place(kind: str, steps: int) -> None:
    for seed in range(8):
        strokes = fill(kind, 60.0, steps, np.random.default_rng(seed))
        assert strokes
        assert all(60 <= s.step < 60 + steps for s in strokes)
        assert all(0 < s.force <= 1.05 for s in strokes)


@pytest.mark.parametrize("kind", sorted(set(FILLS) - {"hat_roll", "rims"}))
@pytest.mark.parametrize("steps", [4, 8])
def test_fills_grow_to_their_end(kind: str, steps: int) -> None:
    notes = play(fill(kind, 16.0 - steps, steps, rng()), "drums", STILL, 90, rng())
    struck = [
        n.velocity for n in notes if n.pitch not in (PITCH_OF["kick"], PITCH_OF["percussion"])
    ]
    assert struck[-1] == pytest.approx(max(struck), rel=0.1)
    assert struck[-1] > 1.1 * min(struck)
