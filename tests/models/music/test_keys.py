import pytest

from models.contract import KEYS
from models.music import keys
from models.music.pianoroll import Note, read_key


def test_drums_stay_and_tones_move() -> None:
    notes = [Note(0, 38, 1), Note(4, 45, 2)]
    assert keys.transpose(notes, "drums", "F# minor") == notes
    assert keys.transpose(notes, "bass", "D major") == [Note(0, 40, 1), Note(4, 47, 2)]


@pytest.mark.parametrize("key", KEYS)
def test_every_key_is_reached_within_the_bounds(key: str) -> None:
    tonic, mode = read_key(key)
    home = 57 if mode == "minor" else 60
    for track, (low, high) in keys.BOUNDS.items():
        [moved] = keys.transpose([Note(0, home, 4)], track, key)
        assert moved.pitch % 12 == tonic
        assert low <= moved.pitch <= high


def test_notes_that_fall_together_become_one() -> None:
    low, _ = keys.BOUNDS["bass"]
    folded = keys.transpose([Note(0, low, 2), Note(0, low + 12, 2)], "bass", "B major")
    assert len(folded) == 1


def test_snap_moves_held_wrong_notes_to_the_nearest_scale_note() -> None:
    assert keys.snap([Note(0, 61, 8)], "major") == [Note(0, 60, 8)]
    assert keys.snap([Note(0, 66, 4)], "major") == [Note(0, 65, 4)]


def test_snap_leaves_scale_notes_and_short_passing_notes() -> None:
    line = [Note(0, 60, 1), Note(1, 61, 1), Note(2, 62, 4)]
    assert keys.snap(line, "major") == line
    lonely = [Note(0, 60, 1), Note(1, 61, 1), Note(2, 67, 4)]
    assert keys.snap(lonely, "major")[1].pitch == 60


def test_minor_knows_its_raised_seventh() -> None:
    assert keys.snap([Note(0, 68, 8)], "minor") == [Note(0, 68, 8)]
    assert keys.snap([Note(0, 68, 8)], "major") == [Note(0, 67, 8)]


def test_spelling_and_signature() -> None:
    assert keys.spell(3, "minor") == "Eb minor"
    assert keys.signature("A minor") == 21
    assert keys.signature("C major") == 0
    assert keys.near(9, "bass", 40) == 45 or keys.near(9, "bass", 40) == 33
