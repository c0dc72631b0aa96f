import base64
import importlib
import io
import sys
from collections.abc import Callable, Mapping
from types import ModuleType

import numpy as np
import pretty_midi
import pytest

from models.contract import SAMPLE_LIMIT
from models.music import taste
from models.music.arranger import Wish, compose
from models.music.gan import Generator, load_generator
from models.music.pianoroll import TONES, Note, Phrase, key_shift
from models.music.sample import NO_TRANSCRIBER, Sample, SampleError, read_sample, sample_of
from models.music.song import Song
from models.registry import Registry

from .makers import RuleMaker

#: Four bars of chords, a semibreve each: pitches by bar.
DOO_WOP = ((60, 64, 67), (57, 60, 64), (53, 57, 60), (55, 59, 62))
MINOR = ((62, 65, 69), (64, 67, 71), (57, 60, 64), (57, 60, 64))
TUNE = (72, 74, 76, 79, 76, 74, 72, 67)


def midi_of(
    notes: Mapping[int, list[tuple[float, int, float]]], bpm: float = 90, up: int = 0
) -> pretty_midi.PrettyMIDI:
    """Write notes (start, pitch, length in beats) for each programme; 128 is the drums."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=bpm)
    for program, written in notes.items():
        drums = program == 128
        instrument = pretty_midi.Instrument(0 if drums else program, is_drum=drums)
        for start, pitch, length in written:
            times = (start * 60 / bpm, (start + length) * 60 / bpm)
            instrument.notes.append(pretty_midi.Note(90, pitch + (0 if drums else up), *times))
        midi.instruments.append(instrument)
    return midi


def chords(bars: tuple[tuple[int, ...], ...]) -> list[tuple[float, int, float]]:
    return [(4.0 * bar, pitch, 4.0) for bar, chord in enumerate(bars) for pitch in chord]


def tune(bars: int = 4) -> list[tuple[float, int, float]]:
    return [(i / 2, TUNE[i % 8], 0.5) for i in range(8 * bars)]


def text(midi: pretty_midi.PrettyMIDI) -> str:
    file = io.BytesIO()
    midi.write(file)
    return base64.b64encode(file.getvalue()).decode()


def test_a_chord_loop_is_read_with_its_key_and_tempo() -> None:
    sample = read_sample(text(midi_of({4: chords(DOO_WOP)}, bpm=83, up=3)))
    assert (sample.tracks, sample.key, sample.bpm) == (("keys",), "Eb major", 83)
    assert len(sample.phrases) == 1
    expected = [Note(16 * bar, p, 16) for bar, chord in enumerate(DOO_WOP) for p in sorted(chord)]
    assert sample.phrases[0].notes("keys") == expected


@pytest.mark.parametrize(
    ("notes", "tracks"),
    [
        ({0: tune()}, ("lead",)),  # single notes up high are a tune, whoever plays them
        ({80: tune()}, ("lead",)),
        ({33: [(0, 36, 2), (2, 43, 2)]}, ("bass",)),
        ({128: [(0, 36, 0.2), (1, 38, 0.2)]}, ("drums",)),
        ({0: chords(DOO_WOP), 128: [(0, 36, 0.2)]}, ("keys",)),
        ({0: chords(DOO_WOP), 80: tune()}, ("keys", "lead")),
        ({0: chords(DOO_WOP), 80: tune(), 33: [(0, 36, 2)], 128: [(0, 36, 0.2)]}, ("keys", "lead")),
    ],
)
def test_its_most_remembered_parts_are_given(
    notes: Mapping[int, list[tuple[float, int, float]]], tracks: tuple[str, ...]
) -> None:
    sample = sample_of(midi_of(notes))
    assert sample.tracks == tracks
    for phrase in sample.phrases:
        assert all(phrase.silent(t) for t in ("drums", *TONES) if t not in tracks)
    assert (sample.key is None) == (tracks == ("drums",))


@pytest.mark.parametrize(
    ("bars", "order"),
    [
        (1, [(0, 0, 0, 0)]),
        (2, [(0, 1, 0, 1)]),
        (3, [(0, 1, 2, 0)]),
        (4, [(0, 1, 2, 3)]),
        (5, [(0, 1, 2, 3)]),
        (6, [(0, 1, 2, 3), (4, 5, 4, 5)]),
        (20, [(0, 1, 2, 3), (4, 5, 6, 7), (8, 9, 10, 11), (12, 13, 14, 15)]),
    ],
)
def test_loops_of_any_length_fill_whole_phrases(bars: int, order: list[tuple[int, ...]]) -> None:
    # A silent bar first, then one pitch a bar.
    scale = [60 + 12 * (i // 7) % 24 + (0, 2, 4, 5, 7, 9, 11)[i % 7] for i in range(20)]
    sample = sample_of(midi_of({4: [(4.0 * (i + 1), scale[i], 4.0) for i in range(bars)]}))
    shift = -key_shift(str(sample.key))
    track = sample.tracks[0]
    heard = [[n.pitch % 12 for n in phrase.notes(track)] for phrase in sample.phrases]
    assert heard == [[(scale[bar] + shift) % 12 for bar in phrase] for phrase in order]


@pytest.mark.parametrize(("bpm", "heard", "apart"), [(45, 90, 8), (240, 120, 2), (100, 100, 4)])
def test_tempos_out_of_bounds_are_heard_doubled_or_halved(
    bpm: float, heard: int, apart: int
) -> None:
    sample = sample_of(midi_of({4: [(i, 60 + 4 * (i % 3), 1) for i in range(64)]}, bpm))
    assert sample.bpm == heard
    starts = [note.start for note in sample.phrases[0].notes("lead")]
    assert starts == list(range(0, 64, apart))


def test_parts_take_turns_and_hooks_get_the_second_half() -> None:
    sample = sample_of(midi_of({80: tune(16)}))
    assert len(sample.phrases) == 4
    assert [sample.part("verse", place) for place in range(3)] == [0, 1, 0]
    assert [sample.part("hook", place) for place in range(3)] == [2, 3, 2]
    short = sample_of(midi_of({80: tune(4)}))
    assert {short.part(kind, place) for kind in ("verse", "hook") for place in range(3)} == {0}


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ("", r"^The sample is empty\.$"),
        ("no base64 at all!", "did not arrive whole"),
        (base64.b64encode(b"PK\x03\x04 a zip").decode(), "neither MIDI nor wav, mp3, flac or ogg"),
        (base64.b64encode(b"MThd\x00\x00\x00\x06hello").decode(), "not a readable MIDI file"),
        (base64.b64encode(b"RIFF" + b"\0" * SAMPLE_LIMIT).decode(), "8 MB are the most"),
        (text(pretty_midi.PrettyMIDI()), r"^The sample has no notes\.$"),
        (text(midi_of({128: [(0, 20, 1)]})), "no notes that could be played"),
    ],
)
def test_what_cannot_be_used_is_one_plain_sentence(sent: str, sentence: str) -> None:
    with pytest.raises(SampleError, match=sentence):
        read_sample(sent)


def test_damaged_bytes_never_raise_anything_else() -> None:
    whole = bytearray(base64.b64decode(text(midi_of({0: chords(DOO_WOP), 80: tune()}))))
    random = np.random.default_rng(1)
    refused = 0
    for _ in range(60):
        damaged = bytearray(whole)
        for place in random.integers(4, len(damaged), 4):
            damaged[place] = int(random.integers(256))
        try:
            read_sample(base64.b64encode(damaged).decode())
        except SampleError:
            refused += 1
    assert refused > 10


WAVE = base64.b64encode(b"RIFF\x24\x00\x00\x00WAVEfmt ").decode()


def test_audio_goes_to_the_transcriber(monkeypatch: pytest.MonkeyPatch) -> None:
    class TranscriptionError(Exception):
        pass

    def transcribe(data: bytes, *, cancelled: Callable[[], bool]) -> pretty_midi.PrettyMIDI:
        assert not cancelled()
        if len(heard) == 1:
            raise TranscriptionError("The recording is silent.")
        heard.append(data)
        return midi_of({0: tune()})

    heard: list[bytes] = []
    module = ModuleType("models.music.transcriber")
    module.__dict__.update(transcribe=transcribe, TranscriptionError=TranscriptionError)
    monkeypatch.setitem(sys.modules, "models.music.transcriber", module)
    assert read_sample(WAVE).tracks == ("lead",)
    assert heard == [base64.b64decode(WAVE)]
    with pytest.raises(SampleError, match=r"^The recording is silent\.$"):
        read_sample(WAVE)


def test_audio_without_a_transcriber_is_one_plain_sentence(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def nothing(name: str) -> ModuleType:
        raise ImportError(name)

    monkeypatch.setattr(importlib, "import_module", nothing)
    with pytest.raises(SampleError) as caught:
        read_sample(WAVE)
    assert str(caught.value) == NO_TRANSCRIBER


def flipped(sample: Sample, **more: object) -> Song:
    wish = Wish("hiphop", seed=7, bars=32, sample=sample, **more)  # type: ignore[arg-type]
    return compose(RuleMaker(), wish)


def heard_in(song: Song, track: str, bar: int) -> set[tuple[int, int]]:
    """Give (sixteenth of the bar, pitch class) of the notes that start in a bar."""
    sixteenth = song.bar_seconds / 16
    swing = song.style.feel.swing
    found = set()
    for note in song.tracks[track]:
        step = note.start / sixteenth - 16 * bar
        step -= swing * (round(step) % 2)
        if -0.4 <= step < 15.6:
            found.add((round(step), note.pitch % 12))
    return found


def test_the_given_notes_are_in_every_section_but_the_bridge() -> None:
    sample = sample_of(midi_of({80: tune(4)}, bpm=88))
    song = flipped(sample)
    assert (song.bpm, song.key) == (88, sample.key)
    bar = {(2 * i, p % 12) for i, p in enumerate(TUNE)}
    kept = [s for s in song.sections if s.name != "bridge"]
    assert len(kept) < len(song.sections)
    for section in kept:
        for at in range(section.first, section.last + 1):
            assert heard_in(song, "lead", at) == bar, section


def test_asked_key_and_tempo_move_the_notes() -> None:
    sample = sample_of(midi_of({80: tune(4)}, bpm=88))
    plain, moved = flipped(sample), flipped(sample, bpm=120, key="D major")
    assert (moved.bpm, moved.key) == (120, "D major")
    up = key_shift("D major") - key_shift(plain.key)
    expected = {(step, (p + up) % 12) for step, p in heard_in(plain, "lead", 4)}
    assert heard_in(moved, "lead", 4) == expected


def test_drums_that_come_alone_are_kept_as_drums() -> None:
    beat = [(4.0 * bar + s, p, 0.1) for bar in range(2) for s, p in ((0, 36), (1.5, 36), (3, 40))]
    song = flipped(sample_of(midi_of({128: beat}, bpm=95)))
    assert song.bpm == 95
    hits = {(round(n.start / song.bar_seconds * 16) % 16, n.pitch)
            for n in song.tracks["drums"] if n.start < 3.9 * song.bar_seconds}  # fmt: skip
    assert hits == {(0, 36), (6, 36), (12, 38)}
    assert all(song.tracks[track] for track in TONES)


@pytest.fixture(scope="module")
def shipped() -> Generator:
    return load_generator(Registry().resolve("music").path)


def agreement(sample: Sample, played: Phrase) -> float:
    """Share of the accompaniment's pitch classes that sound in the sample at the same time."""
    own = taste.chroma(sample.phrases[0], sample.tracks[0])
    others = [taste.chroma(played, t) for t in ("bass", "keys", "pad") if t not in sample.tracks]
    return float(np.mean([(other & own).sum() / max(1, other.sum()) for other in others]))


def test_the_shipped_model_plays_around_the_sample_it_is_given(shipped: Generator) -> None:
    one, other = (sample_of(midi_of({4: chords(c)})) for c in (DOO_WOP, MINOR))
    z = shipped.latent(3, 24)
    around, apart = (
        shipped.phrases(
            z, style="hiphop", mode="major", tracks=("drums", *TONES), given=sample.phrases[0],
            given_tracks=sample.tracks,
        )
        for sample in (one, other)
    )  # fmt: skip
    assert all(p.notes("keys") == one.phrases[0].notes("keys") for p in around)
    for sample, mine, theirs in ((one, around, apart), (other, apart, around)):
        fit, misfit = (
            float(np.mean([agreement(sample, phrase) for phrase in made]))
            for made in (mine, theirs)
        )
        assert fit > misfit + 0.03, (fit, misfit)


def test_a_song_by_the_shipped_model_fits_its_own_sample_best(shipped: Generator) -> None:
    one, other = (sample_of(midi_of({4: chords(c)})) for c in (DOO_WOP, MINOR))
    # Same seed, style, key and tempo: only the given notes differ.
    songs = [
        compose(shipped, Wish("pop", 5, 8, 100, "C major", sample=sample))
        for sample in (one, other)
    ]

    def fit(song: Song, sample: Sample) -> float:
        wanted = taste.chroma(sample.phrases[0], "keys")
        hits = [
            wanted[round(n.start / song.bar_seconds * 16) % 64, n.pitch % 12]
            for n in song.tracks["bass"]
            if n.start < song.seconds - 0.1
        ]
        return float(np.mean(hits))

    assert fit(songs[0], one) > fit(songs[1], one) + 0.1
    assert fit(songs[1], other) > fit(songs[0], other) + 0.1
