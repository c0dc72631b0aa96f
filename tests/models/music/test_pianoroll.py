import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from models.music.pianoroll import (
    CELLS,
    DRUMS,
    LENGTH,
    REGISTER,
    REGISTERS,
    TRACKS,
    Note,
    Phrase,
    key_shift,
    read_key,
)

tunes = st.lists(
    st.builds(Note, st.integers(0, 63), st.integers(0, 127), st.integers(1, 70)), max_size=20
)


def test_registers_fill_the_cells_side_by_side() -> None:
    assert [register.track for register in REGISTERS] == list(TRACKS)
    assert np.cumsum([0] + [register.size for register in REGISTERS]).tolist() == [
        *(register.first for register in REGISTERS),
        CELLS,
    ]


def test_repeated_note_stays_two_notes() -> None:
    notes = [Note(0, 60, 4), Note(4, 60, 4)]
    assert Phrase.from_notes({"keys": notes}).notes("keys") == notes


def test_later_note_cuts_the_one_it_overlaps() -> None:
    phrase = Phrase.from_notes({"lead": [Note(0, 72, 10), Note(4, 72, 2)]})
    assert phrase.notes("lead") == [Note(0, 72, 4), Note(4, 72, 6)]


def test_note_ends_with_the_phrase() -> None:
    assert Phrase.from_notes({"pad": [Note(60, 60, 9)]}).notes("pad") == [Note(60, 60, 4)]


def test_shift_moves_pitched_tracks_but_no_drum() -> None:
    written = {"drums": [Note(0, 36, 1)], "keys": [Note(0, 62, 2)]}
    phrase = Phrase.from_notes(written, shift=-2)  # a song in D
    assert phrase.notes("keys") == [Note(0, 60, 2)]
    assert phrase.notes("keys", 2) == written["keys"]
    assert phrase.notes("drums", 2) == written["drums"]


def test_drums_gather_into_classes_without_length() -> None:
    phrase = Phrase.from_notes({"drums": [Note(0, 35, 8), Note(4, 40, 1), Note(8, 13, 1)]})
    assert phrase.notes("drums") == [Note(0, 36, 1), Note(4, 38, 1)]


def test_every_drum_class_is_reached_by_its_own_pitch() -> None:
    rows = [REGISTER["drums"].row(drum.pitch) for drum in DRUMS]
    assert rows == list(range(len(DRUMS)))
    gathered = [pitch for drum in DRUMS for pitch in drum.gathers]
    assert len(gathered) == len(set(gathered))


@pytest.mark.parametrize("track", TRACKS[1:])
def test_folding_keeps_the_pitch_class_inside_the_register(track: str) -> None:
    register = REGISTER[track]
    for pitch in range(128):
        row = register.row(pitch)
        assert row is not None and 0 <= row < register.size
        assert (register.pitch(row) - pitch) % 12 == 0
    for row in range(register.size):
        assert register.row(register.pitch(row)) == row


@given(tunes, st.sampled_from(TRACKS[1:]), st.integers(-5, 6))
@settings(max_examples=40, deadline=None)
def test_notes_of_a_phrase_write_the_same_phrase(tune: list[Note], track: str, shift: int) -> None:
    phrase = Phrase.from_notes({track: tune})
    again = Phrase.from_notes({track: phrase.notes(track, shift)}, -shift)
    assert np.array_equal(phrase.roll, again.roll) and np.array_equal(phrase.onset, again.onset)


@given(tunes, tunes)
@settings(max_examples=20, deadline=None)
def test_data_roll_and_back(keys: list[Note], drums: list[Note]) -> None:
    phrase = Phrase.from_notes({"keys": keys, "drums": drums})
    roll, onset = phrase.to_data()
    assert roll.shape == (4, 16, 85, 5)
    again = Phrase.from_data(roll, onset)
    assert np.array_equal(phrase.roll, again.roll) and np.array_equal(phrase.onset, again.onset)


def test_bars_are_rearranged_and_cut_at_bar_lines() -> None:
    phrase = Phrase.from_notes({"keys": [Note(0, 60, 4), Note(12, 64, 20)]})
    turned = phrase.bars(0, 0, 2, 3)
    assert turned.notes("keys") == [
        Note(0, 60, 4), Note(12, 64, 4), Note(16, 60, 4), Note(28, 64, 4),
    ]  # fmt: skip


def test_only_keeps_the_named_tracks() -> None:
    phrase = Phrase.from_notes({"keys": [Note(0, 60, 4)], "bass": [Note(0, 36, 4)]}).only("bass")
    assert phrase.silent("keys") and not phrase.silent("bass")


def test_phrase_cannot_be_written_to() -> None:
    phrase = Phrase.from_notes({})
    with pytest.raises(ValueError, match="read-only"):
        phrase.roll[0, 0] = True


def test_phrase_refuses_other_shapes() -> None:
    with pytest.raises(ValueError, match="64 x 144"):
        Phrase(np.zeros((LENGTH, 3), np.bool_), np.zeros((LENGTH, 3), np.bool_))


@pytest.mark.parametrize(
    ("key", "read", "shift"),
    [
        ("C", (0, "major"), 0),
        ("A:min", (9, "minor"), 0),
        ("Am", (9, "minor"), 0),
        ("F# minor", (6, "minor"), -3),
        ("Bb:maj", (10, "major"), -2),
        ("G", (7, "major"), -5),
        ("Gb major", (6, "major"), -6),
        ("E", (4, "major"), 4),
    ],
)
def test_keys(key: str, read: tuple[int, str], shift: int) -> None:
    assert read_key(key) == read
    assert key_shift(key) == shift


@pytest.mark.parametrize("key", ["", "H", "C dorian", "#", "Cmmm"])
def test_no_key(key: str) -> None:
    with pytest.raises(ValueError, match="is not a key"):
        read_key(key)
