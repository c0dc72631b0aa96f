import numpy as np

from models.music.arranger import Wish, write
from models.music.pianoroll import REGISTER
from tests.models.music.makers import RuleMaker
from training.music.arranged import arranged, onsets, phrase_pairs


def test_a_written_song_lies_on_the_grid_without_its_last_chord() -> None:
    score = write(RuleMaker(), Wish("pop", seed=1, bars=10))
    cells = onsets(score)
    assert cells.shape == (3, 64, 144)
    flat = cells.reshape(-1, 144)
    assert not flat[10 * 16 :].any(), "two bars of the third phrase, and nothing after"
    bass = {
        (int(s.step), s.pitch) for s in score.strokes["bass"] if s.step < 160
    }  # the rule maker's bass is on whole sixteenths
    register = REGISTER["bass"]
    found = {(s, register.low + r) for s, r in np.argwhere(flat[:, register.columns]).tolist()}
    assert {(step, pitch % 12) for step, pitch in bass} == {(s, p % 12) for s, p in found}


def test_songs_come_back_to_what_they_played() -> None:
    songs = arranged(RuleMaker(), ["pop", "rock"], seed=3)
    assert songs.shape == (2, 8, 64, 144)
    before, after = phrase_pairs(songs, 8)
    assert len(before) == 2 * 6
    assert np.array_equal(before[1], songs[0, 1]) and np.array_equal(after[1], songs[0, 3])
