import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from models.music.gan import SECTIONS
from models.music.midi import to_midi
from models.music.pianoroll import TRACKS, Phrase
from tests.training.music.songs import tune, write_midi, write_phrases
from training.music.corpus import Corpus, CorpusError, read_corpus, read_takes


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    return read_corpus(write_phrases(tmp_path_factory.mktemp("phrases")))


def phrase(corpus: Corpus, row: int) -> Phrase:
    roll, onset = corpus.cells(np.array([row]))
    return Phrase(roll[0].astype(np.bool_), onset[0].astype(np.bool_))


def test_phrase_file_is_read_in_c(corpus: Corpus) -> None:
    assert len(corpus) == 48
    for row, number in ((0, 0), (5, 8)):
        for track in TRACKS:
            assert phrase(corpus, row).notes(track) == tune(number).notes(track)


def test_styles_without_phrases_are_left_out(corpus: Corpus) -> None:
    assert corpus.styles == ("hiphop", "rock")
    assert set(corpus.tempo[corpus.style == 1]) == {140.0}


def test_a_models_styles_keep_their_numbers(tmp_path: Path) -> None:
    corpus = read_corpus(write_phrases(tmp_path), styles=("rock", "jazz"))
    assert corpus.styles == ("rock", "jazz", "hiphop")
    assert set(corpus.tempo[corpus.style == 0]) == {140.0}


def test_whole_songs_are_held_out_and_always_the_same(corpus: Corpus, tmp_path: Path) -> None:
    held = corpus.held_out
    assert 0 < held.sum() < len(corpus) / 2
    assert not set(corpus.group[held]) & set(corpus.group[~held])
    again = read_corpus(write_phrases(tmp_path))
    assert (again.held_out == held).all()


def test_sections_and_energies(corpus: Corpus) -> None:
    first_song = [SECTIONS[s] for s in corpus.section[:4]]
    assert (first_song[0], first_song[-1]) == ("intro", "outro")
    assert set(first_song[1:-1]) <= {"verse", "hook"}
    density = np.unpackbits(corpus.onset, axis=-1).sum((1, 2))
    rows = corpus.style == 0
    used = np.unique(corpus.energy[rows])
    means = [density[rows & (corpus.energy == energy)].mean() for energy in used]
    assert len(means) > 1 and means == sorted(means)


def test_active_tracks(corpus: Corpus) -> None:
    assert corpus.active(np.array([0]))[0].tolist() == [True, True, True, False, False]


def test_drum_takes_of_known_styles(tmp_path: Path) -> None:
    folder = write_phrases(tmp_path)
    takes = read_takes(folder, ("rock", "hiphop"))
    assert takes.style.tolist() == [0]
    assert takes.onset.sum() == 32
    assert len(read_takes(folder, ("polka",)).style) == 0
    assert len(read_takes(folder / "beats.npz", ("rock",)).style) == 0


def test_midi_folder_becomes_phrases_of_their_folders_style(tmp_path: Path) -> None:
    write_midi(tmp_path / "rock", songs=2)
    write_midi(tmp_path, songs=3)  # two copies of those in rock are skipped
    corpus = read_corpus(tmp_path, styles=("rock", "edm"), own_style="mine")
    assert corpus.styles == ("rock", "edm", "mine")
    assert len(corpus.documents) == 3 and len(corpus) == 18
    for track in TRACKS:
        assert phrase(corpus, 1).notes(track) == tune(1).notes(track)


def test_broken_midi_is_left_out(tmp_path: Path) -> None:
    write_midi(tmp_path)
    (tmp_path / "broken.mid").write_bytes(b"no music")
    assert len(read_corpus(tmp_path).documents) == 3


def test_same_documents_give_the_same_hash(tmp_path: Path) -> None:
    one = read_corpus(write_midi(tmp_path / "a", 3))
    other = read_corpus(write_midi(tmp_path / "b", 3))
    more = read_corpus(write_midi(tmp_path / "c", 4))
    assert one.sha256 == other.sha256 != more.sha256


@pytest.mark.parametrize(
    ("make", "sentence"),
    [
        (lambda folder: None, "There are no songs in"),
        (lambda folder: write_midi(folder, songs=1, phrases=30), "too small"),
        (lambda folder: write_midi(folder, songs=2, phrases=2), "too small"),
        (lambda folder: (folder / "x.mid").write_bytes(b"no"), "There are no songs in"),
    ],
)
def test_unusable_collections_get_one_sentence(
    tmp_path: Path, make: Callable[[Path], object], sentence: str
) -> None:
    make(tmp_path)
    with pytest.raises(CorpusError, match=sentence) as caught:
        read_corpus(tmp_path)
    assert str(caught.value).count(".") - str(tmp_path).count(".") <= 2


def test_missing_collection(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="There is no music collection at"):
        read_corpus(tmp_path / "nowhere")


def test_pairs_say_which_track_is_the_sample(tmp_path: Path) -> None:
    for number in range(4):
        midi = to_midi([tune(number + i) for i in range(5)], 90 + number)
        midi.write(str(tmp_path / f"{number}.mid"))
    lines = [
        {"song": "1.mid", "sample": "0.mid", "track": "keys", "likeness": 0.9},
        {"song": "2.mid", "sample": "0.mid", "track": None, "likeness": 0.0},
        {"song": "gone.mid", "sample": "0.mid", "track": "bass", "likeness": 0.5},
    ]
    told = "".join(json.dumps(line) + "\n" for line in lines)
    (tmp_path / "pairs.jsonl").write_text(told + "torn")
    corpus = read_corpus(tmp_path)
    group = dict(corpus.documents)["1.mid"]
    assert corpus.originals == {group: 2}
    assert corpus.part(np.arange(3)).originals == corpus.originals


def test_phrases_of_a_song_are_paired_by_the_bars_between_them(corpus: Corpus) -> None:
    before, after = corpus.apart(8)  # twelve songs of four phrases: two pairs each
    assert len(before) == 24
    assert (corpus.song[before] == corpus.song[after]).all()
    assert (corpus.bar[after] - corpus.bar[before] == 8).all()
    assert len(corpus.apart(16)[0]) == 0


def test_songs_of_several_files_stay_apart(tmp_path: Path) -> None:
    write_phrases(tmp_path / "phrases")
    write_midi(tmp_path / "midi")
    both = read_corpus(tmp_path)
    assert len(np.unique(both.song)) == 12 + 3
    before, after = both.apart(4)
    assert (both.group[before] == both.group[after]).all()
