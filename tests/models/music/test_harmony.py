import numpy as np
import pytest

from models.music import harmony, loops, taste
from models.music.harmony import Chord
from models.music.pianoroll import DRUMS, REGISTER, STEPS, Note, Phrase

from .makers import HAT, KICK, SNARE, RuleMaker

C, F, G, AM = Chord(0, 4, 7), Chord(5, 9, 0), Chord(7, 11, 2), Chord(9, 0, 4)
PITCHES = {C: (48, 64, 67), F: (53, 65, 69), G: (55, 67, 71), AM: (57, 60, 64)}


def progression(*row: Chord) -> Phrase:
    notes: dict[str, list[Note]] = {"bass": [], "keys": []}
    for half, chord in enumerate(row):
        bass, *above = PITCHES[chord]
        notes["bass"].append(Note(8 * half, bass - 12, 7))
        notes["keys"] += [Note(8 * half, pitch, 7) for pitch in above]
    return Phrase.from_notes(dict(notes))


def test_plain_chords_are_heard() -> None:
    row = (C, C, F, F, G, G, C, C)
    assert harmony.chords(progression(*row), "major") == list(row)
    row = (AM, AM, F, F, C, C, G, G)
    assert harmony.chords(progression(*row), "minor") == list(row)


def test_silence_keeps_the_home_chord() -> None:
    nothing = Phrase.from_notes({})
    assert set(harmony.chords(nothing, "major")) == {C}
    assert set(harmony.chords(nothing, "minor")) == {AM}


@pytest.mark.parametrize(
    ("pitch", "moved"), [(65, 64), (64, 64), (62, 62), (69, 69), (71, 71), (68, 67)]
)
def test_only_avoid_notes_move(pitch: int, moved: int) -> None:
    assert [n.pitch for n in harmony.settle([Note(0, pitch, 4)], "keys", [C] * 8)] == [moved]


def test_short_notes_may_pass() -> None:
    assert harmony.settle([Note(1, 65, 2)], "keys", [C] * 8) == [Note(1, 65, 2)]


def test_the_bass_takes_the_root_and_one_voice() -> None:
    settled = harmony.settle([Note(0, 38, 6), Note(0, 43, 6), Note(4, 31, 4)], "bass", [C] * 8)
    assert settled == [Note(0, 36, 4), Note(4, 31, 4)]


def test_the_bass_says_each_bar_or_nothing() -> None:
    line = [Note(0, 36, 8), Note(20, 41, 4), Note(34, 31, 2)]
    grounded = harmony.ground(line, [C, C, F, F, G, G, AM, AM])
    assert grounded == [*line[:1], Note(16, 41, 4), *line[1:], Note(48, 33, 6)]
    assert harmony.ground([], [C] * 8) == []


def test_a_held_note_ends_where_it_would_grate() -> None:
    heard = [F, F, C, C, C, C, C, C]
    assert harmony.settle([Note(0, 65, 40)], "pad", heard) == [Note(0, 65, 16)]


def test_a_pad_does_not_stutter() -> None:
    strokes = [Note(s, 64, 2) for s in range(0, 16, 3)]
    assert harmony.settle(strokes, "pad", [C] * 8) == [Note(0, 64, 17)]


def test_a_lone_held_note_becomes_a_chord() -> None:
    filled = harmony.fill_out([Note(0, 64, 8)], "pad", [C] * 8)
    assert {n.pitch % 12 for n in filled} == {0, 4, 7}
    assert {(n.start, n.length) for n in filled} == {(0, 8)}


@pytest.mark.parametrize("notes", [[Note(0, 64, 3)], [Note(0, 64, 8), Note(2, 67, 4)]])
def test_short_notes_and_those_with_others_stay_as_they_are(notes: list[Note]) -> None:
    assert harmony.fill_out(notes, "keys", [C] * 8) == notes


def test_what_joins_a_note_does_not_grate_on_it() -> None:
    joined = {n.pitch % 12 for n in harmony.fill_out([Note(0, 71, 8)], "pad", [C] * 8)}
    assert joined == {11, 4, 7}, "no root beside the major seventh"


def test_settling_takes_clashes_away() -> None:
    made = RuleMaker().phrases(RuleMaker().latent(1), style="pop")[0]
    wrong = [
        *made.notes("keys"),
        *(Note(n.start, n.pitch + 1, n.length) for n in made.notes("pad")),
    ]
    notes = {t: made.notes(t) for t in ("bass", "lead", "pad")} | {"keys": wrong}
    before = Phrase.from_notes(notes)
    heard = harmony.chords(before, "major")
    after = Phrase.from_notes({t: harmony.settle(n, t, heard) for t, n in notes.items()})
    assert taste.clashes(after) < 0.5 * taste.clashes(before)


def hits(phrase: Phrase) -> np.ndarray:
    return phrase.onset[:, REGISTER["drums"].columns].reshape(4, STEPS, len(DRUMS))


def test_a_drum_loop_repeats_its_best_bar() -> None:
    good = [Note(16 + s, p, 1) for s, p in ((0, KICK), (10, KICK), (4, SNARE), (12, SNARE))]
    good += [Note(16 + s, HAT, 1) for s in range(0, 16, 2)]
    messy = [Note(s, KICK, 1) for s in (3, 5)] + [Note(32 + 7, SNARE, 1), Note(50, HAT, 1)]
    phrase = Phrase.from_notes({"drums": good + messy, "bass": [Note(0, 36, 4)]})
    for seed in range(4):
        looped = loops.drum_loop(
            phrase, np.random.default_rng(seed), four_on_floor=False, crashes=False
        )
        bars = hits(looped)
        assert np.array_equal(bars[0], hits(phrase)[1]) and np.array_equal(bars[0], bars[2])
        assert looped.notes("bass") == phrase.notes("bass")


def test_a_club_has_a_kick_on_every_beat_and_no_crash_loop() -> None:
    phrase = Phrase.from_notes({"drums": [Note(0, KICK, 1), Note(4, 49, 1), Note(6, HAT, 1)]})
    made = loops.drum_loop(phrase, np.random.default_rng(1), four_on_floor=True, crashes=False)
    kicks = [n.start for n in made.notes("drums") if n.pitch == KICK]
    assert kicks == list(range(0, 64, 4))
    assert 49 not in {n.pitch for n in made.notes("drums")}


def test_a_ridden_crash_marks_every_other_bar_and_goes_on_as_a_ride() -> None:
    beats = [Note(s, 49, 1) for s in range(0, 64, 4)]
    phrase = Phrase.from_notes({"drums": [*beats, *(Note(s, KICK, 1) for s in range(0, 64, 16))]})
    made = loops.drum_loop(phrase, np.random.default_rng(1), four_on_floor=False, crashes=True)
    assert [n.start for n in made.notes("drums") if n.pitch == 49] == [0, 32]
    assert [n.start for n in made.notes("drums") if n.pitch == 51] == sorted(
        set(range(0, 64, 4)) - {0, 32}
    )


def test_pitched_bars_are_ordered_together() -> None:
    phrase = progression(C, C, F, F, G, G, AM, AM)
    made = loops.looped(phrase, (0, 1, 0, 3))
    assert harmony.chords(made, "major") == [C, C, F, F, C, C, AM, AM]
