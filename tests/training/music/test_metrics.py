import numpy as np
import pytest

from models.music.pianoroll import Cells, Note, Phrase, stack
from training.music import metrics


def cells(*written: dict[str, list[Note]]) -> tuple[Cells, Cells]:
    return stack([Phrase.from_notes(notes) for notes in written])


def test_chroma_puts_octaves_of_c_into_one_class() -> None:
    roll, _ = cells({"keys": [Note(0, p, 1) for p in (48, 60, 72)], "bass": [Note(0, 36, 1)]})
    assert np.flatnonzero(metrics.chroma(roll, "keys")[0, 0]).tolist() == [0]
    assert np.flatnonzero(metrics.chroma(roll, "bass")[0, 0]).tolist() == [0]


def test_empty_bars_counts_bars_where_nothing_sounds() -> None:
    roll, _ = cells({"pad": [Note(0, 60, 20)]}, {})  # reaches into the second bar
    assert metrics.empty_bars(roll, "pad") == 6 / 8
    assert metrics.empty_bars(roll, "keys") == 1


def test_used_pitch_classes_leaves_empty_bars_out() -> None:
    chord = [Note(0, p, 16) for p in (48, 52, 55, 60)]
    roll, _ = cells({"keys": [*chord, Note(16, 62, 1)]})
    assert metrics.used_pitch_classes(roll, "keys") == (3 + 1) / 2


def test_lengths_of_repeated_and_held_notes() -> None:
    notes = [Note(0, 60, 3), Note(3, 60, 1), Note(8, 64, 56)]
    roll, onset = cells({"lead": notes})
    assert sorted(metrics.note_lengths(roll, onset, "lead").tolist()) == [1, 3, 56]
    assert metrics.qualified_notes(roll, onset, "lead") == pytest.approx(2 / 3)


def test_polyphony_is_over_sounding_steps() -> None:
    roll, _ = cells({"keys": [Note(0, 48, 4), Note(2, 52, 2)]})
    assert metrics.polyphony(roll, "keys") == 1.5


def test_notes_per_bar_is_over_bars_with_notes() -> None:
    _, onset = cells({"keys": [Note(0, 48, 4), Note(2, 52, 2), Note(20, 50, 1)]})
    assert metrics.notes_per_bar(onset, "keys") == 1.5


def test_drum_figures() -> None:
    beat = [Note(s + b, p, 1) for b in (0, 16) for s, p in ((0, 36), (4, 38), (7, 42), (12, 40))]
    _, onset = cells({"drums": beat}, {"drums": [Note(1, 42, 1), Note(32, 36, 1)]})
    assert metrics.drum_pattern(onset) == 7 / 10
    assert metrics.kick_on_one(onset) == 3 / 4
    assert metrics.backbeat(onset) == 2 / 4


def test_scale_figures_know_the_key_and_find_the_best() -> None:
    in_d = [62, 64, 66, 67, 69, 71, 73]  # D major: F# and C# are not in C
    _, onset = cells({"lead": [Note(i, p, 1) for i, p in enumerate(in_d)]})
    assert metrics.in_scale(onset, "lead") == pytest.approx(5 / 7)
    assert metrics.scale_consistency(onset, "lead") == 1
    chromatic = [Note(i, 60 + i, 1) for i in range(12)]
    _, onset = cells({"lead": chromatic})
    assert metrics.scale_consistency(onset, "lead") == pytest.approx(7 / 12)


def test_bar_similarity_at_every_distance() -> None:
    a, b = np.eye(4, dtype=np.bool_)[:2] | np.eye(4, dtype=np.bool_)[2]
    song = np.stack([a, b] * 8)[None]  # a and b share one note of three
    values = [metrics.bar_similarity(song, distance) for distance in (1, 2, 4, 8)]
    assert values == [pytest.approx(1 / 3), 1, 1, 1]


def test_groove_consistency_counts_steps_that_agree() -> None:
    beat = [Note(s, 36, 1) for s in (0, 4, 8, 12)]
    late = [Note(16 + s, 36, 1) for s in (0, 4, 8, 14)]  # one hit moved: two steps differ
    _, onset = cells({"drums": [*beat, *late]}, {})
    # Bars 1-2 differ on two steps of sixteen, 2-3 on four, 3-4 are both empty and do not count.
    assert metrics.groove_consistency(onset, "drums") == pytest.approx((14 / 16 + 12 / 16) / 2)
    same = [Note(s + b, 36, 1) for b in range(0, 64, 16) for s in (0, 7)]
    assert metrics.groove_consistency(cells({"drums": same})[1], "drums") == 1


def test_likeness_compares_bars_at_the_same_place() -> None:
    notes = [Note(16 * bar, 60, 1) for bar in range(4)]
    moved = [*notes[:2], Note(32, 62, 1), Note(48, 60, 1), Note(49, 64, 1)]
    _, before = cells({"keys": notes}, {"keys": notes})
    _, after = cells({"keys": notes}, {"keys": moved})
    expected = (4 * 1 + 1 + 1 + 0 + 1 / 2) / 8
    assert metrics.likeness(before, after, "keys") == pytest.approx(expected)


def test_song_bars_of_one_track() -> None:
    _, onset = cells({"bass": [Note(0, 36, 1), Note(16, 36, 1)], "drums": [Note(0, 36, 1)]})
    bars = metrics.song_bars(onset, "bass")
    assert bars.shape == (1, 4, 16 * 24)
    assert metrics.bar_similarity(bars, 1) == 0.5  # 1-2 the same, 2-3 not, 3-4 both empty


def test_tonal_distance_is_nil_in_unison_and_grows_with_the_circle_of_fifths() -> None:
    def apart(pitch: int) -> float:
        roll, _ = cells({"bass": [Note(0, 36, 8)], "keys": [Note(0, pitch, 8)]})
        return metrics.tonal_distance(roll, "bass", "keys")

    assert apart(60) == pytest.approx(0, abs=1e-9)
    assert 0 < apart(67) < apart(66)


def test_nearest_training_phrase() -> None:
    _, onset = cells({"keys": [Note(0, 60, 4), Note(8, 64, 4)]}, {"keys": [Note(1, 71, 1)]}, {})
    _, known = cells({"keys": [Note(0, 60, 4), Note(8, 64, 4), Note(9, 65, 1)]}, {})
    best = metrics.nearest(onset, np.packbits(known, axis=-1))
    assert best["keys"].tolist() == best["whole"].tolist() == [pytest.approx(2 / 3), 0, 0]
    assert best["bass"].tolist() == [0, 0, 0]


def test_nearest_phrase_of_another_song() -> None:
    tune = [Note(0, 60, 4), Note(8, 64, 4)]
    _, known = cells({"keys": tune}, {"keys": [*tune, Note(9, 65, 1)]}, {"keys": tune})
    groups = np.array(["a", "b", "a"])
    packed = np.packbits(known, axis=-1)
    best = metrics.nearest(known, packed, (groups, groups))
    assert best["whole"].tolist() == [pytest.approx(2 / 3)] * 3
    assert metrics.nearest(known, packed)["whole"].tolist() == [1, 1, 1]


def test_nearest_as_a_whole_counts_every_track() -> None:
    _, onset = cells({"keys": [Note(0, 60, 1)], "bass": [Note(0, 36, 1), Note(4, 36, 1)]})
    _, known = cells(
        {"keys": [Note(0, 60, 1)]}, {"bass": [Note(0, 36, 1), Note(4, 36, 1), Note(8, 36, 1)]}
    )
    best = metrics.nearest(onset, np.packbits(known, axis=-1))
    assert (best["keys"][0], best["bass"][0]) == (1, pytest.approx(2 / 3))
    assert best["whole"][0] == pytest.approx(2 / 4), "one phrase for all tracks together"


def test_shuffling_keeps_each_tracks_bars_and_breaks_their_order() -> None:
    roll, onset = cells(
        *({"bass": [Note(0, 28 + i, 64)], "keys": [Note(0, 48 + i, 64)]} for i in range(20))
    )
    mixed, starts = metrics.shuffled(roll, onset, np.random.default_rng(0))
    assert (mixed.sum((0, 1)) == roll.sum((0, 1))).all()
    assert (starts.sum((0, 1)) == onset.sum((0, 1))).all()
    assert not np.array_equal(mixed, roll)


def test_distance_counts_margins() -> None:
    real = {"bass": {"empty_bars": 0.10, "pitch_classes": 2.0, "scale_consistency": 1.0}}
    made = {"bass": {"empty_bars": 0.12, "pitch_classes": 2.75, "scale_consistency": 0.0}}
    assert metrics.distance(real, real) == 0
    assert metrics.distance(made, real) == pytest.approx((1 + 3) / 2)


def test_every_figure_exists_for_phrases_without_notes() -> None:
    roll, onset = cells({}, {})
    table = metrics.track_figures(roll, onset)
    assert all(np.isfinite(v) for figures in table.values() for v in figures.values())
    assert metrics.tonal_distances(roll)["bass-keys"] == 0
