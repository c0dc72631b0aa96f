from dataclasses import replace

import numpy as np
import pytest

from models.music.pianoroll import REGISTER, Note, Phrase, stack
from tests.training.music.songs import write_phrases
from training.music.corpus import Corpus, read_corpus
from training.music.markov import MarkovBand


def corpus_of(base: Corpus, phrases: list[Phrase], style: list[int]) -> Corpus:
    roll, onset = (np.packbits(plane, axis=-1) for plane in stack(phrases))
    part = base.part(np.arange(len(phrases)))
    return replace(part, roll=roll, onset=onset, style=np.array(style))


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read_corpus(write_phrases(tmp_path_factory.mktemp("phrases")))


def beat(*pitches: int) -> Phrase:
    """A drum on each beat of the bar in turn, and a bass note held for the whole bar."""
    drums = [Note(4 * i, pitches[i % len(pitches)], 1) for i in range(16)]
    return Phrase.from_notes({"drums": drums, "bass": [Note(16 * b, 36, 16) for b in range(4)]})


def test_a_certain_chain_repeats_what_it_learnt(base: Corpus) -> None:
    rock, disco = beat(36, 38), beat(36, 36, 38, 42)
    band = MarkovBand(corpus_of(base, [rock, disco], [0, 1]))
    active = np.ones((2, 5), np.bool_)
    roll, onset = band.play(np.array([0, 1]), active, 8, np.random.default_rng(0))
    assert onset.shape == (2, 128, 144)
    for number, phrase in enumerate((rock, disco)):
        assert np.array_equal(onset[number, :64], phrase.onset)
        assert np.array_equal(onset[number, 64:], phrase.onset)
        assert np.array_equal(roll[number, :64], phrase.roll), "held notes are held on"


def test_tracks_that_do_not_play_are_silent(base: Corpus) -> None:
    band = MarkovBand(corpus_of(base, [beat(36, 38)], [0]))
    active = np.array([[True, False, True, True, True]])
    roll, _ = band.play(np.array([0]), active, 4, np.random.default_rng(0))
    assert roll[:, :, REGISTER["drums"].columns].any()
    assert not roll[:, :, REGISTER["bass"].columns].any()
    assert not roll[:, :, REGISTER["keys"].columns].any(), "nobody ever played it"


def test_an_unknown_style_plays_what_any_style_plays(base: Corpus) -> None:
    band = MarkovBand(corpus_of(base, [beat(36, 38)], [0]))
    _, onset = band.play(np.array([7]), np.ones((1, 5), np.bool_), 4, np.random.default_rng(0))
    assert np.array_equal(onset[0], beat(36, 38).onset)


def test_what_follows_is_drawn_as_often_as_it_followed(base: Corpus) -> None:
    # After the kick on one comes the snare three times, the hat once.
    phrases = [beat(36, pitch, 45, 45) for pitch in (38, 38, 38, 42)]
    band = MarkovBand(corpus_of(base, phrases, [0] * 4))
    many = np.zeros(400, np.int64)
    _, onset = band.play(many, np.ones((400, 5), np.bool_), 4, np.random.default_rng(1))
    snare = onset[:, 4::16, 1].mean()
    assert snare == pytest.approx(0.75, abs=0.04)
    assert onset[:, 4::16, :12].sum() == 1600


def test_a_band_invents_what_the_songs_did_not_hold(base: Corpus) -> None:
    known = base.part(~base.held_out)
    band = MarkovBand(known)
    style = known.style[:40]
    _, onset = band.play(style, np.ones((40, 5), np.bool_), 4, np.random.default_rng(2))
    real = {bits.tobytes() for bits in known.onset}
    new = [bits.tobytes() not in real for bits in np.packbits(onset, axis=-1)]
    assert sum(new) > 30
