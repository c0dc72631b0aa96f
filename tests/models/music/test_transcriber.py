"""Audio to MIDI: a song played by the SoundFont comes back, and bad files are told apart."""

from __future__ import annotations

import hashlib
import io
import wave
from dataclasses import replace
from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from models.music import transcriber
from models.music.midi import roles_of, song_of
from models.music.transcriber import (
    Transcription,
    TranscriptionCancelled,
    TranscriptionError,
    analyse,
    parts,
    transcribe,
)
from models.music.transcriber import transcription as writing
from models.music.transcriber.decoding import RATE, decode
from models.music.transcriber.drums import DRUMS, Hit, hits_of
from models.music.transcriber.net import Ears, load_ears
from models.music.transcriber.notes import (
    Candidates,
    Heard,
    Scene,
    once_each,
    threshold_of,
    without_overtones,
)
from models.music.transcriber.parts import one_voice
from models.music.transcriber.pitches import FRAME, HOP, LOWEST, PITCHES, Pitches, hear_pitches
from models.music.transcriber.pulse import Pulse, find_pulse
from models.music.transcriber.spectrum import BANDS, SEMITONES, broad_bands, semitones
from models.music.voices import DEFAULT_SOUNDFONT
from training.songs.rendering import Band, mp3

BPM, BARS = 100, 12
BEAT = 60 / BPM
CHORDS = ((48, 60, 64, 67), (45, 57, 60, 64), (41, 53, 57, 60), (43, 55, 59, 62))
TUNE = (76, 79, 77, 74)


def written() -> pretty_midi.PrettyMIDI:
    """Write a plain song in C: kick, snare, hats, bass, chords and a tune."""
    midi = pretty_midi.PrettyMIDI(initial_tempo=BPM)
    drums, bass, keys, lead = (
        pretty_midi.Instrument(p, d) for p, d in ((0, True), (33, False), (0, False), (73, False))
    )

    def add(instrument: pretty_midi.Instrument, beat: float, beats: float, pitch: int) -> None:
        start = beat * BEAT
        loud = 120 if instrument.is_drum else 70  # the SoundFont has quiet drums
        instrument.notes.append(pretty_midi.Note(loud, pitch, start, start + beats * BEAT * 0.95))

    for bar in range(BARS):
        chord = CHORDS[bar % 4]
        for beat in range(4):
            add(drums, 4 * bar + beat, 0.2, 36 if beat % 2 == 0 else 38)
            add(drums, 4 * bar + beat, 0.2, 42)
            add(drums, 4 * bar + beat + 0.5, 0.2, 42)
            add(lead, 4 * bar + beat, 1, TUNE[(bar + beat) % 4])
        for half in (0, 2):
            add(bass, 4 * bar + half, 2, chord[0] - 12)
        for pitch in chord[1:]:
            add(keys, 4 * bar, 4, pitch)
    midi.instruments += [drums, bass, keys, lead]
    return midi


@pytest.fixture(scope="module")
def song() -> bytes:
    return mp3(Band(DEFAULT_SOUNDFONT).play(written()))


@pytest.fixture(scope="module")
def heard(song: bytes) -> Transcription:
    return analyse(song, threads=1)


def f1(true: list[tuple[float, int]], found: list[tuple[float, int]]) -> float:
    left, right = sorted(found), 0
    for start, what in sorted(true):
        match = next((r for r in left if r[1] == what and abs(r[0] - start) <= 0.05), None)
        if match:
            left.remove(match)
            right += 1
    return 2 * right / max(len(true) + len(found), 1)


def test_notes_and_strokes_come_back(heard: Transcription) -> None:
    notes = [(n.start, n.pitch) for i in written().instruments[1:] for n in i.notes]
    assert f1(notes, [(n.start, n.pitch) for part in heard.parts.values() for n in part]) > 0.75
    for key, name, at_least in ((36, "kick", 0.9), (38, "snare", 0.9), (42, "hat", 0.6)):
        strokes = [(n.start, 0) for n in written().instruments[0].notes if n.pitch == key]
        assert f1(strokes, [(h.start, 0) for h in heard.drums if name in h.drum]) > at_least, name


def test_tempo_bars_and_key_come_back(heard: Transcription) -> None:
    assert abs(heard.bpm / BPM - 1) < 0.01
    off = np.mod(heard.pulse.downbeats[1:6] / (4 * BEAT) + 0.5, 1) - 0.5
    assert np.abs(off).max() < 0.05, "bars begin where they begin"
    assert heard.key in ("C major", "A minor")
    assert len(heard.confidence) == BARS
    assert all(0 <= sure <= 1 for sure in heard.confidence)


def test_the_bass_is_told_from_the_rest(heard: Transcription) -> None:
    low = [n for n in heard.parts["bass"] if n.pitch <= 36]
    assert len(low) > 0.6 * 2 * BARS
    assert sum(n.pitch > 52 for n in heard.parts["bass"]) <= 2
    starts = [n.start for n in heard.parts["bass"]]
    assert len(starts) == len(set(starts)), "one voice"
    rest = sum(len(heard.parts[part]) for part in ("keys", "lead", "pad"))
    assert rest > 5 * BARS


def test_the_midi_is_on_the_grid_and_its_tracks_have_their_roles(heard: Transcription) -> None:
    midi = heard.midi()
    assert roles_of(midi.instruments) == [i.name for i in midi.instruments]
    assert {"drums", "bass"} <= {i.name for i in midi.instruments}
    read = song_of(midi)
    assert abs(read.bpm - heard.bpm) < 0.5 and read.key == heard.key
    assert len(read.phrases) == 3
    kicks = [n.start for i in midi.instruments if i.is_drum for n in i.notes if n.pitch == 36]
    beats = np.array(kicks) / (60 / heard.bpm)
    assert np.abs(beats - np.rint(beats)).mean() < 0.06


def test_a_service_gets_midi_at_once(song: bytes) -> None:
    midi = transcribe(song)
    file = io.BytesIO()
    midi.write(file)
    again = pretty_midi.PrettyMIDI(io.BytesIO(file.getvalue()))
    assert len(again.instruments) == len(midi.instruments) >= 3


def test_progress_is_told_and_a_cancelled_transcription_ends(song: bytes) -> None:
    shares: list[float] = []
    short = 4.0
    analyse(song, seconds=short, report=shares.append)
    assert shares == sorted(shares) and shares[-1] == 1.0 and len(shares) > 2
    with pytest.raises(TranscriptionCancelled):
        analyse(song, seconds=short, cancelled=lambda: True)
    answers = iter([False, False, False])
    with pytest.raises(TranscriptionCancelled):
        analyse(song, seconds=short, cancelled=lambda: next(answers, True))


def wav(samples: np.ndarray[tuple[int], np.dtype[np.float64]]) -> bytes:
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setparams((1, 2, RATE, 0, "NONE", ""))
        out.writeframes((samples * 32000).astype("<i2").tobytes())
    return file.getvalue()


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "empty"),
        (b"<html>no song</html>" * 100, "no audio"),
        (wav(np.zeros(2 * RATE)), "silent"),
        (wav(np.ones(RATE // 2)), "shorter than one second"),
        (wav(np.sin(np.arange(4 * RATE) / 9)), "longer than 2.5 seconds"),
    ],
)
def test_bad_audio_is_one_plain_sentence(data: bytes, says: str) -> None:
    with pytest.raises(TranscriptionError, match=says) as caught:
        analyse(data, longest=2.5)
    assert str(caught.value).endswith(".") and str(caught.value).count(". ") == 0


def test_a_playlist_reads_no_other_file(tmp_path: Path) -> None:
    (tmp_path / "secret.wav").write_bytes(wav(np.sin(np.arange(2 * RATE) / 9)))
    for text in (
        f"ffconcat version 1.0\nfile {tmp_path}/secret.wav\n",
        f"#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{tmp_path}/secret.wav\n#EXT-X-ENDLIST\n",
    ):
        with pytest.raises(TranscriptionError, match="no audio"):
            decode(text.encode())


def test_windows_are_joined_without_a_seam() -> None:
    """The same tone wherever it lies between windows gives the same picture, moved."""
    tone = np.sin(2 * np.pi * 440 * np.arange(RATE) / RATE).astype(np.float32) * 0.5
    places = (40, 141, 300)  # frames
    sound = np.zeros(8 * RATE, np.float32)
    pictures = []
    for place in places:
        sound[:] = 0
        sound[place * HOP : place * HOP + len(tone)] = tone
        picture = hear_pitches(sound, threads=1)
        assert len(picture) == len(sound) // HOP + 1
        pictures.append(picture.sounding[place + 3 : place + 80, 69 - 21])
    assert min(p.min() for p in pictures) > 0.5
    assert max(np.abs(p - pictures[0]).mean() for p in pictures) < 0.1


def test_pictures_have_one_row_a_frame_and_peak_where_they_should() -> None:
    sound = np.sin(2 * np.pi * 440 * np.arange(2 * RATE) / RATE).astype(np.float32)
    picture = semitones(sound)
    assert picture.shape == (len(sound) // HOP + 1, SEMITONES)
    assert int(np.argmax(picture[50])) == 69 - 21
    low, high = (
        broad_bands(np.sin(2 * np.pi * f * np.arange(RATE) / RATE).astype(np.float32))[40]
        for f in (60, 6000)
    )
    assert np.argmax(low) < 4 and np.argmax(high) > 28


def test_what_was_learnt_is_plain_arrays_and_survives_being_saved(tmp_path: Path) -> None:
    ears = load_ears()
    ears.save(tmp_path / "ears.npz")
    again: Ears = load_ears(tmp_path / "ears.npz")
    rows = np.zeros((3, len(ears.notes.mean)), np.float32)
    assert np.array_equal(ears.notes.logits(rows), again.notes.logits(rows))
    assert np.array_equal(ears.drum_thresholds, again.drum_thresholds)


def test_the_network_of_others_is_the_one_that_was_attributed() -> None:
    folder = Path(transcriber.__file__).parent
    digest = hashlib.sha256((folder / "basic-pitch.onnx").read_bytes()).hexdigest()
    assert digest in (folder / "NOTICE.md").read_text(encoding="utf-8")
    assert "Apache License" in (folder / "basic-pitch.LICENSE.txt").read_text(encoding="utf-8")


def test_an_uneven_pulse_is_followed() -> None:
    beat = np.cumsum(np.concatenate([[0.5], np.linspace(0.55, 0.47, 40)]))
    hits = [Hit(float(t), "kick" if i % 2 == 0 else "snare", 0.95, 1) for i, t in enumerate(beat)]
    bands = np.full((round((beat[-1] + 1) * RATE / HOP), 36), -3, np.float32)
    for time in beat:
        bands[round(time * RATE / HOP)] = 0
    pulse = find_pulse(bands, hits, [], float(beat[-1]) + 1)
    assert not pulse.steady
    away = [np.abs(pulse.beats - time).min() for time in beat]
    assert np.mean(away) < 0.03


def test_long_songs_are_judged_in_blocks_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(2)
    times = np.sort(random.uniform(0, 20, 200)).tolist()
    notes = [Heard(t, t + 0.5, int(random.integers(30, 90)), 0.8, 0.8) for t in times]
    size = 22 * RATE // HOP
    pitches = Pitches(*(random.random((size, 88)).astype(np.float32) for _ in range(2)))
    scene = Scene(pitches, random.random((size, SEMITONES)).astype(np.float32), pitches.sounding)
    whole = parts.part_features(notes, scene)
    monkeypatch.setattr(parts, "_BLOCK", 7)
    assert np.array_equal(parts.part_features(notes, scene), whole)
    assert len(whole) == 200 and len(parts.part_features([], scene)) == 0


def scene_of(notes: list[Heard], level: dict[Heard, float]) -> Scene:
    """Make the pictures of notes that sound as loud (log energy) as they are told to."""
    frames = 2000
    spectrum = np.full((frames, SEMITONES), -3.0, np.float32)
    for note in notes:
        frame = int(note.start / FRAME)
        spectrum[frame : frame + 8, note.pitch - LOWEST] = level.get(note, -1.0)
    blank = np.zeros((frames, PITCHES), np.float32)
    return Scene(Pitches(blank, blank), spectrum, np.zeros((frames, len(DRUMS)), np.float32))


def doubled(count: int, gain: float, spread: float, alone: int = 0) -> tuple[list[Heard], Scene]:
    """Make tones with a note an octave above, louder by a gain, and some without."""
    draw = np.random.default_rng(5)
    notes, level = [], {}
    for n in range(count + alone):
        tone = Heard(0.5 * n / 2, 0.5 * n / 2 + 0.2, 40 + n % 12, 0.9, 0.8)
        notes.append(tone)
        if n < count:
            upper = replace(tone, pitch=tone.pitch + 12)
            level[upper] = -1.0 + gain + spread * float(draw.uniform(-1, 1))
            notes.append(upper)
    return notes, scene_of(notes, level)


def test_overtones_of_one_bright_sound_are_no_notes() -> None:
    notes, scene = doubled(30, 1.0, 0.2, alone=9)
    kept = without_overtones(notes, scene)
    assert [n.pitch for n in kept] == [40 + n % 12 for n in range(39)]
    assert without_overtones([], scene) == []


@pytest.mark.parametrize(
    ("count", "gain", "spread", "alone"),
    [(30, 1.0, 1.5, 0), (30, 0.1, 0.2, 0), (10, 1.0, 0.2, 0), (25, 1.0, 0.2, 60)],
    ids=["played ever louder or softer", "no louder than the tone", "few", "seldom"],
)
def test_octaves_that_are_played_stay(count: int, gain: float, spread: float, alone: int) -> None:
    notes, scene = doubled(count, gain, spread, alone)
    assert without_overtones(notes, scene) == notes


def test_of_onsets_too_near_for_two_notes_the_surest_is_one() -> None:
    frames = np.array([20, 24, 33, 20], np.int64)
    columns = np.array([40, 40, 40, 52], np.int64)
    sure = np.array([0.5, 0.9, 0.7, 0.6], np.float32)
    found = once_each(Candidates(frames, columns, sure))
    assert found.sure.tolist() == pytest.approx([0.0, 0.9, 0.7, 0.6])


def test_what_is_plain_asks_for_surer_notes_than_a_mix() -> None:
    plain = np.array([0.98] * 30 + [0.05] * 30, np.float32)
    mixed = np.array([0.7] * 20 + [0.45] * 20 + [0.3] * 40, np.float32)
    assert 0.45 < threshold_of(plain) <= 0.5
    assert 0.25 <= threshold_of(mixed) < 0.35
    assert threshold_of(np.zeros(0, np.float32)) == 0.25


def test_what_sounds_with_the_bass_is_played_by_another() -> None:
    notes = [Heard(1.0, 2.0, 36, 0.9, 0.8), Heard(1.01, 1.5, 43, 0.9, 0.8),
             Heard(1.5, 2.5, 38, 0.9, 0.8)]  # fmt: skip
    voice, others = one_voice(notes)
    assert [(n.pitch, n.end) for n in voice] == [(36, 1.5), (38, 2.5)]
    assert [n.pitch for n in others] == [43]


def test_a_hat_is_open_or_closed() -> None:
    bands = np.zeros((100, BANDS), np.float32)
    activity = np.zeros((100, len(DRUMS)), np.float32)
    activity[20, DRUMS.index("hat")], activity[21, DRUMS.index("open_hat")] = 0.8, 0.9
    activity[20, DRUMS.index("kick")] = 0.95
    activity[60, DRUMS.index("hat")] = 0.9
    found = [
        (hit.drum, round(hit.start * RATE / HOP)) for hit in hits_of(activity, bands, load_ears())
    ]
    assert found == [("kick", 20), ("open_hat", 21), ("hat", 60)]
    activity *= 0.6
    assert not hits_of(activity, bands, load_ears()), "no stroke is clear: there is no drummer"


def test_doubtful_bars_are_cut_out_of_the_midi() -> None:
    pulse = Pulse(np.arange(0, 20.5, 0.5), 0, 120.0, True)
    notes = tuple(Heard(2.0 * bar, 2.0 * bar + 0.4, 60 + bar, 0.9, 0.8) for bar in range(4))
    sure = (0.9, 0.2, 0.8, writing.LEAST)
    heard = Transcription(
        {"bass": (), "keys": notes, "lead": (), "pad": ()}, (Hit(4.0, "kick", 1, 1),), pulse,
        "C major", sure, 8.0,
    )  # fmt: skip
    assert heard.bars == (0, 2, 3)
    drums, keys = heard.midi().instruments
    assert [(n.pitch, round(n.start, 3)) for n in keys.notes] == [(60, 0), (62, 2), (63, 4)]
    assert [(n.pitch, round(n.start, 3)) for n in drums.notes] == [(36, 2)]
    assert [round(n.start) for n in heard.heard().instruments[1].notes] == [0, 2, 4, 6]


def test_confidence_is_the_f1_to_expect() -> None:
    pulse = Pulse(np.arange(0, 20.5, 0.5), 0, 120.0, True)
    kept = [(0.1 + 0.1 * i, 1.0) for i in range(10)] + [(2.1 + 0.1 * i, 0.5) for i in range(10)]
    kept.append((6.0, 1.0))
    sure = writing.confidence_of(pulse, kept, [(2.2, 0.4)] * 20)
    assert sure == (1.0, 0.458, 1.0, 1.0), "a silent bar is as sure as can be"
    assert sure[1] < writing.LEAST
