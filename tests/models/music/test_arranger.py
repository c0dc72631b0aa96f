import io
from dataclasses import replace

import numpy as np
import pretty_midi
import pytest
from torch import Tensor

from models.contract import KEYS
from models.music import keys, taste
from models.music.arranger import Wish, choose, compose, write
from models.music.gan import load_generator
from models.music.groove import NAME_OF, PITCH_OF
from models.music.pianoroll import TRACKS, Note, Phrase, key_shift, read_key
from models.music.song import Song, to_midi
from models.music.styles import STYLES
from models.registry import Registry

from .makers import RuleMaker

MAKER = RuleMaker()
WISH = Wish("hiphop", seed=7, bars=16)


def song(**changes: object) -> Song:
    return compose(MAKER, replace(WISH, **changes))  # type: ignore[arg-type]


def test_same_seed_is_the_same_song_to_the_bit() -> None:
    assert to_midi(song(), "x") == to_midi(song(), "x")
    assert to_midi(song(), "x") != to_midi(song(seed=8), "x")


@pytest.mark.parametrize("bars", [4, 5, 6, 7, 8, 11, 16, 21, 32, 64])
def test_any_number_of_bars_is_filled_and_ends_after_the_last(bars: int) -> None:
    made = song(bars=bars)
    assert made.bars == bars
    assert len(made.section_names()) == -(-bars // 4)
    starts = [n.start for notes in made.tracks.values() for n in notes]
    per_bar = {min(bars, int((s + 0.02) / made.bar_seconds)) for s in starts}
    assert per_bar >= set(range(bars)), "no silent bar"
    ending = [n for n in made.tracks["bass"] if n.start > made.seconds - 0.03]
    assert len(ending) == 1


def test_asked_tempo_and_key_are_kept() -> None:
    made = song(bpm=131, key="F# minor")
    assert (made.bpm, made.key) == (131, "F# minor")
    midi = pretty_midi.PrettyMIDI(io.BytesIO(to_midi(made, "t")))
    assert midi.get_tempo_changes()[1][0] == pytest.approx(131, abs=0.01)
    assert midi.key_signature_changes[0].key_number == keys.signature("F# minor")
    assert [i.name for i in midi.instruments] == list(TRACKS)
    assert [i.is_drum for i in midi.instruments] == [True, False, False, False, False]


@pytest.mark.parametrize("style", STYLES)
def test_choices_left_open_come_from_the_style(style: str) -> None:
    for seed in range(20):
        manner, bpm, key = choose(Wish(style, seed))
        assert manner.bpm[0] <= bpm <= manner.bpm[1]
        assert key in KEYS


@pytest.mark.parametrize("key", ["C major", "A minor", "Eb major", "C# minor", "B minor"])
def test_every_tone_is_in_the_asked_key(key: str) -> None:
    made = song(key=key)
    home = {(p + key_shift(key)) % 12 for p in keys.scale(read_key(key)[1])}
    for track in ("bass", "keys", "lead", "pad"):
        assert {n.pitch % 12 for n in made.tracks[track]} <= home


def test_transposition_leaves_the_drums_alone() -> None:
    one, other = song(key="C major"), song(key="E major")
    assert one.tracks["drums"] == other.tracks["drums"]
    assert one.tracks["keys"] != other.tracks["keys"]


def test_a_section_that_comes_back_is_recognised() -> None:
    made = song(bars=32, bpm=100)
    hooks = [s for s in made.sections if s.name == "hook"]
    assert len(hooks) >= 2

    def bar_notes(bar: int) -> set[tuple[int, int]]:
        start = bar * made.bar_seconds
        return {
            (round((n.start - start) / made.bar_seconds * 16), n.pitch)
            for n in made.tracks["keys"]
            if start - 0.05 <= n.start < start + made.bar_seconds - 0.05
        }

    one, other = bar_notes(hooks[0].first), bar_notes(hooks[1].first)
    assert len(one & other) / len(one | other) > 0.6


def test_a_section_end_has_a_fill_and_the_next_begins_with_a_kick() -> None:
    made = song(bars=32, style="rock")
    plain = {
        (round(n.start / made.bar_seconds * 16) % 16, n.pitch)
        for n in made.tracks["drums"]
        if made.sections[1].first * made.bar_seconds <= n.start
    }
    assert len(plain) > 14, "more than the pattern of kick, snare and hats"
    kicks = [n.start for n in made.tracks["drums"] if n.pitch == PITCH_OF["kick"]]
    for section in made.sections:
        if section.name == "hook":
            at = section.first * made.bar_seconds
            assert min(abs(k - at) for k in kicks) < 0.03


@pytest.mark.parametrize("bars", [30, 64])
def test_every_full_section_ends_in_a_fill(bars: int) -> None:
    made = song(bars=bars, style="funk_disco", bpm=100)

    def last_beat(bar: int) -> list[tuple[int, int]]:
        end = (bar + 1) * made.bar_seconds
        steps = [(n, round((n.start - end) / made.bar_seconds * 16)) for n in made.tracks["drums"]]
        return sorted((step, n.pitch) for n, step in steps if -4 <= step < 0)

    assert {"intro", "verse", "hook", "bridge", "outro"} == set(made.section_names())
    for section in made.sections:
        if section.name in ("verse", "hook"):
            assert last_beat(section.last) != last_beat(section.first)


@pytest.mark.parametrize("seed", range(6))
def test_a_fill_lands_on_a_kick_and_a_crash_also_where_the_drums_then_rest(seed: int) -> None:
    score = write(MAKER, Wish("rock", seed, 32))
    drums = {(s.step, NAME_OF[s.pitch]) for s in score.strokes["drums"]}
    for section in score.sections[:-1]:
        end = (section.last + 1) * 16
        if any(end - 4 <= step < end for step, _ in drums):
            assert {(end, "kick"), (end, "crash")} <= drums, section


def test_a_fill_ends_as_loud_as_the_backbeat_and_softly_in_a_calm_song() -> None:
    for energy in (0.0, None, 1.0):
        made = song(bars=32, style="metal", bpm=120, energy=energy)  # no swing: steps are exact
        snares = {
            round(n.start / made.bar_seconds * 16): n.velocity
            for n in made.tracks["drums"]
            if n.pitch == PITCH_OF["snare"]
        }
        backbeat = np.mean([force for step, force in snares.items() if step % 16 == 4])
        ends = [snares[step] for s in made.sections if (step := 16 * s.last + 15) in snares]
        assert ends and np.mean(ends) == pytest.approx(backbeat, rel=0.2)


def test_a_variation_is_near_and_not_the_same() -> None:
    plain, varied, again = song(), song(variation=3), song(variation=3)
    assert to_midi(varied, "x") == to_midi(again, "x")
    assert to_midi(plain, "x") != to_midi(varied, "x")
    assert (plain.key, plain.bpm, plain.sections) == (varied.key, varied.bpm, varied.sections)
    assert (plain.voices, plain.kit) == (varied.voices, varied.kit)


def test_composing_can_be_stopped() -> None:
    class Stop(Exception):
        pass

    def check() -> None:
        raise Stop

    with pytest.raises(Stop):
        compose(MAKER, WISH, check)


def test_taste_prefers_a_steady_beat_in_key() -> None:
    good = MAKER.phrases(MAKER.latent(1), style="pop")[0]
    empty = Phrase.from_notes({"lead": [Note(0, 61, 4)]})
    clashing = Phrase.from_notes(
        {t: [*good.notes(t), *(Note(n.start, n.pitch + 1, n.length) for n in good.notes(t))]
         for t in ("bass", "keys", "lead")} | {"drums": good.notes("drums")}
    )  # fmt: skip
    scores = [taste.score(p, "major", TRACKS) for p in (good, clashing, empty)]
    assert scores[0] > scores[1] > scores[2]
    assert taste.best([empty, good, clashing], "major", TRACKS) == 1
    assert taste.similarity(good, good) == 1
    assert taste.similarity(good, empty) < 0.1


def test_taste_prefers_keys_that_let_others_be_heard() -> None:
    good = MAKER.phrases(MAKER.latent(1), style="pop")[0]
    restless = [
        Note(s, n.pitch, 1) for n in good.notes("keys") for s in range(n.start, n.start + 8)
    ]
    full = Phrase.from_notes({t: good.notes(t) for t in TRACKS} | {"keys": restless})
    assert taste.score(full, "major", TRACKS) < taste.score(good, "major", TRACKS)


class Still(RuleMaker):
    """Holds one chord a bar in keys and pad."""

    def _notes(self, z: Tensor, mode: str) -> dict[str, list[Note]]:
        notes = super()._notes(z, mode)
        held = [replace(n, length=16) for n in notes["keys"] if n.start % 16 == 0]
        return notes | {"keys": held}


@pytest.mark.parametrize("seed", range(8))
def test_no_bar_before_the_ending_dies(seed: int) -> None:
    score = write(Still(), Wish("pop", seed, 32))
    moments = {s.step for strokes in score.strokes.values() for s in strokes}
    for bar in range(score.bars):
        assert len(moments & set(range(16 * bar, 16 * bar + 16))) > 1, bar


def loudness_of(made: Song) -> tuple[int, float]:
    """Count a song's notes and give their mean velocity."""
    notes = [note for played in made.tracks.values() for note in played]
    return len(notes), sum(note.velocity for note in notes) / len(notes)


def test_calm_songs_have_fewer_and_softer_notes_than_loud_ones_of_their_seeds() -> None:
    shipped = load_generator(Registry().resolve("music").path)
    calm, loud = (
        [
            loudness_of(compose(shipped, Wish(style, seed, 32, 100, energy=energy)))
            for style, seed in (("pop", 4), ("rock", 5), ("hiphop", 6))
        ]
        for energy in (0.0, 1.0)
    )
    # How many notes a seed gives varies; how hard they are played is the arranger's own doing.
    assert sum(count for count, _ in calm) < 0.85 * sum(count for count, _ in loud)
    assert all(soft < 0.9 * hard for (_, soft), (_, hard) in zip(calm, loud, strict=True))


def test_energy_grows_step_by_step_and_none_is_as_before() -> None:
    forces = [loudness_of(song(bars=32, bpm=100, energy=e))[1] for e in (0.4, 0.5, 0.6, 0.7)]
    assert forces == sorted(forces) and forces[0] < forces[-1]
    assert to_midi(song(energy=None), "x") == to_midi(song(), "x")
