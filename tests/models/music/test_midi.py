from pathlib import Path

import numpy as np
import pretty_midi
import pytest

from models.music.midi import MidiError, find_key, read_song, song_of, to_midi
from models.music.pianoroll import TRACKS, Note, Phrase

TUNE = {
    "drums": [Note(step, 36 if step % 8 == 0 else 42, 1) for step in range(0, 64, 2)],
    "bass": [Note(step, 36 + 7 * (step % 32 == 16), 8) for step in range(0, 64, 16)],
    "keys": [Note(s, p, 14) for s in range(0, 64, 16) for p in (60, 64, 67)],
    "lead": [Note(4 * i, p, 3) for i, p in enumerate((72, 74, 76, 77, 79, 77, 76, 74) * 2)],
    "pad": [Note(0, p, 64) for p in (60, 67)],
}


def same(one: Phrase, other: Phrase) -> bool:
    return all(one.notes(track) == other.notes(track) for track in TRACKS)


@pytest.mark.parametrize(("bpm", "key"), [(90.0, "C"), (173.0, "E"), (61.5, "F# minor")])
def test_written_phrases_are_read_back(tmp_path: Path, bpm: float, key: str) -> None:
    first = Phrase.from_notes(TUNE)
    second = Phrase.from_notes({**TUNE, "lead": TUNE["lead"][:9]})
    path = tmp_path / "song.mid"
    to_midi([first, second], bpm, key).write(str(path))
    song = read_song(path)
    assert song.bpm == pytest.approx(bpm, rel=0.01)
    assert len(song.phrases) == 2
    # The tune may be heard as C major or A minor; both are written with the same notes.
    assert same(song.phrases[0], first) and same(song.phrases[1], second)


def test_key_of_a_scale() -> None:
    midi = to_midi([Phrase.from_notes(TUNE)], 100, "D")
    assert find_key(midi) in ("D major", "B minor")


def test_grid_follows_a_change_of_tempo(tmp_path: Path) -> None:
    midi = pretty_midi.PrettyMIDI(initial_tempo=120)
    tick_scales = midi._tick_scales
    half = 4 * midi.resolution  # after one bar
    tick_scales.append((half, 60.0 / (60 * midi.resolution)))
    midi._update_tick_to_time(16 * midi.resolution)
    piano = pretty_midi.Instrument(0)
    for beat in range(8):  # a note a beat, half as fast from the second bar on
        start = midi.tick_to_time(beat * midi.resolution)
        piano.notes.append(pretty_midi.Note(90, 60 + beat, start, start + 0.1))
    midi.instruments.append(piano)
    phrase = song_of(midi).phrases[0]
    notes = [note for track in ("keys", "lead", "bass") for note in phrase.notes(track)]
    assert sorted(note.start for note in notes) == [4 * beat for beat in range(8)]


def test_instruments_get_roles_by_programme_and_register() -> None:
    midi = pretty_midi.PrettyMIDI()
    for program, pitch, track in (
        (0, 60, "keys"),
        (0, 84, "lead"),
        (38, 30, "bass"),
        (50, 60, "pad"),
    ):
        instrument = pretty_midi.Instrument(program)
        chord = (0, 4, 7) if track in ("keys", "pad") else (0,)
        instrument.notes = [
            pretty_midi.Note(90, pitch + i, t / 2, t / 2 + 0.5) for t in range(8) for i in chord
        ]
        midi.instruments.append(instrument)
    phrase = song_of(midi).phrases[0]
    counts = {track: len(phrase.notes(track)) for track in TRACKS}
    assert counts == {"drums": 0, "bass": 8, "keys": 24, "lead": 8, "pad": 24}


def test_unreadable_file_gets_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "bad.mid"
    path.write_bytes(b"MThd\x00\x00\x00\x06" + bytes(np.arange(60, dtype=np.uint8)))
    with pytest.raises(MidiError, match=r"bad\.mid is not a readable MIDI file\."):
        read_song(path)


def test_file_without_notes_gets_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "empty.mid"
    pretty_midi.PrettyMIDI().write(str(path))
    with pytest.raises(MidiError, match="has no notes"):
        read_song(path)
