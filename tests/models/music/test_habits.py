from dataclasses import asdict, replace

import pytest
import torch
from torch import Tensor

from models.music.habits import PAIRS, VOICES, Habits, play, rhythms
from models.music.pianoroll import BARS, CELLS, LENGTH, REGISTER, STEPS

BASS = REGISTER["bass"]
PLAIN = replace(Habits.plain(), rows=(0.0,) * CELLS)
STRICT = replace(PLAIN, limits=((0.05,) * VOICES,) * len(PAIRS))  # nothing is a repeat


def silence() -> Tensor:
    return torch.full((1, LENGTH, CELLS), -6.0)


def bars_of(onset: Tensor, row: int) -> list[list[int]]:
    """List the steps at which a row plays in each bar."""
    bars = onset[0, :, row].reshape(BARS, STEPS)
    return [bar.nonzero().flatten().tolist() for bar in bars]


def test_drum_bars_that_are_nearly_a_repeat_become_one() -> None:
    starts = silence()
    for bar in range(BARS):
        starts[0, bar * STEPS, 0] = starts[0, bar * STEPS + 8, 0] = 5.0
    starts[0, 2 * STEPS + 11, 0] = 0.5  # a kick that only one bar has, and hardly
    _, onset = play(starts, silence(), PLAIN)
    assert bars_of(onset, 0) == [[0, 8]] * BARS
    _, onset = play(starts, silence(), STRICT)
    assert bars_of(onset, 0) == [[0, 8], [0, 8], [0, 8, 11], [0, 8]]


def test_a_fill_stays_a_fill() -> None:
    starts = silence()
    for bar in range(BARS):
        starts[0, bar * STEPS, 0] = 5.0
    starts[0, 3 * STEPS + 10 : 4 * STEPS, 0] = 5.0
    _, onset = play(starts, silence(), PLAIN)
    assert bars_of(onset, 0) == [[0], [0], [0], [0, *range(10, 16)]]


def test_each_pair_of_bars_has_limits_of_its_own() -> None:
    starts = silence()
    for bar in range(BARS):
        starts[0, bar * STEPS, 0] = 5.0
    for bar in (1, 3):
        starts[0, bar * STEPS + 6, 0] = 5.0
    starts[0, 3 * STEPS + 9, 0] = 0.5
    limits = tuple(((1.5 if pair == (1, 3) else 0.1),) * VOICES for pair in PAIRS)
    turning = replace(PLAIN, limits=limits)
    _, onset = play(starts, silence(), turning)
    assert bars_of(onset, 0) == [[0], [0, 6], [0], [0, 6]]


def test_older_habits_keep_a_limit_for_odd_and_one_for_even_distances() -> None:
    older = asdict(PLAIN)
    del older["limits"], older["steps"], older["seconds"], older["lines"]
    read = Habits.read({**older, "odd": [0.1] * VOICES, "even": [1.5] * VOICES})
    limits = dict(zip(PAIRS, (pair[0] for pair in read.limits), strict=True))
    assert [pair for pair in PAIRS if limits[pair] == 1.5] == [(0, 2), (1, 3)]
    added = ("steps", "seconds", "lines")
    assert all(getattr(read, name) == getattr(PLAIN, name) for name in added)
    assert Habits.read(asdict(read)) == read


def test_notes_are_held_at_their_second_step_and_no_longer() -> None:
    starts, holds = silence(), torch.full((1, LENGTH, CELLS), -2.0)
    starts[0, 0, BASS.first] = starts[0, 8, 0] = 5.0
    habits = replace(STRICT, seconds=(3.0, 0.0, 0.0, 0.0))
    roll, onset = play(starts, holds, habits)
    assert roll[0, :, BASS.first].nonzero().flatten().tolist() == [0, 1]
    assert roll[0, :, 0].nonzero().flatten().tolist() == [8]  # a drum has none
    assert onset.sum() == 2


def test_a_note_may_be_kept_from_going_on_into_the_next_bar() -> None:
    starts, holds = silence(), torch.full((1, LENGTH, CELLS), 2.0)
    starts[0, 12, BASS.first] = 5.0
    roll, _ = play(starts, holds, STRICT)
    assert roll[0, :, BASS.first].sum() == LENGTH - 12
    roll, _ = play(starts, holds, replace(STRICT, lines=(-3.0, 0.0, 0.0, 0.0)))
    assert roll[0, :, BASS.first].nonzero().flatten().tolist() == [12, 13, 14, 15]


def test_steps_bring_in_one_voice_at_one_place_of_the_bar() -> None:
    starts = torch.full((1, LENGTH, CELLS), -1.0)
    lifted = [list(voice) for voice in PLAIN.steps]
    lifted[2][6] = lifted[12][9] = 3.0  # the third drum, and the bass
    habits = replace(STRICT, steps=tuple(tuple(voice) for voice in lifted))
    _, onset = play(starts, silence(), habits)
    assert bars_of(onset, 2) == [[6]] * BARS and bars_of(onset, 1) == [[]] * BARS
    bass = onset[0, :, BASS.columns].any(1).reshape(BARS, STEPS)
    assert bass.nonzero()[:, 1].tolist() == [9] * BARS
    assert not onset[0, :, REGISTER["keys"].columns].any()


def test_tones_share_rhythm_and_thickness_and_keep_their_pitches() -> None:
    starts, low, high = silence(), BASS.first + 2, BASS.first + 9
    for bar, row in enumerate((low, high, low, high)):
        starts[0, bar * STEPS, row] = starts[0, bar * STEPS + 8, row] = 5.0
    starts[0, STEPS + 4, high] = 0.5  # one more note, hardly
    starts[0, 3 * STEPS, low] = 0.5  # and a second voice
    _, onset = play(starts, silence(), PLAIN)
    assert bars_of(onset, low) == [[0, 8], [], [0, 8], []]
    assert bars_of(onset, high) == [[], [0, 8], [], [0, 8]]


def test_focus_thins_chords_and_keeps_the_strongest() -> None:
    starts = silence()
    starts[0, 0, BASS.first] = 2.0
    starts[0, 0, BASS.first + 7] = 1.0
    counts = []
    for focus in (0.0, 1.5):
        _, onset = play(starts, silence(), replace(STRICT, focus=(focus, 0.0, 0.0, 0.0)))
        assert onset[0, 0, BASS.first] == 1
        counts.append(int(onset[0, 0, BASS.columns].sum()))
    assert counts == [2, 1]


def test_a_steady_harmony_prefers_the_pitches_of_its_half_bar() -> None:
    starts = silence()
    for step in (0, 2, 4):
        starts[0, step, BASS.first] = 3.0
    starts[0, 6, BASS.first] = 2.5
    starts[0, 6, BASS.first + 1] = 3.0  # one stray pitch
    played = []
    for steady in (0.0, 2.0):
        _, onset = play(starts, silence(), replace(STRICT, steady=(steady, 0.0, 0.0, 0.0)))
        played.append(bars_of(onset, BASS.first + 1)[0])
    assert played == [[6], []]


def test_holds_lengthen_notes_and_rows_bring_them_in() -> None:
    starts = silence()
    starts[0, 0, BASS.first] = 3.0
    lifted = [0.0] * CELLS
    lifted[BASS.first + 5] = 7.0
    roll, _ = play(starts, torch.full_like(starts, -1.0), STRICT)
    assert roll[0, :4, BASS.first].tolist() == [1, 0, 0, 0]
    habits = replace(STRICT, rows=tuple(lifted), holds=(2.0, 0.0, 0.0, 0.0))
    roll, onset = play(starts, torch.full_like(starts, -1.0), habits)
    assert roll[0, :4, BASS.first].tolist() == [1, 1, 1, 1]
    assert onset[0, 5, BASS.first + 5] == 1


@pytest.mark.parametrize("track", ["bass", "keys", "lead", "pad"])
def test_a_track_has_one_voice_and_a_drum_each_its_own(track: str) -> None:
    cells = silence()
    cells[0, 20, REGISTER[track].first + 3] = 2.0
    cells[0, 21, 5] = 1.0
    found = (rhythms(cells) > 0).nonzero().tolist()
    tones = ("bass", "keys", "lead", "pad")
    assert found == [[0, 1, 4, 12 + tones.index(track)], [0, 1, 5, 5]]
