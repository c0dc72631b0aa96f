import io
import struct
import time

import pretty_midi
import pytest

from models.music import midifile
from models.music.midifile import HostileMidi

END = b"\x00\xff\x2f\x00"


def file_of(*tracks: bytes, division: int = 96, form: int = 1) -> bytes:
    chunks = b"".join(b"MTrk" + struct.pack(">I", len(t)) + t for t in tracks)
    return b"MThd" + struct.pack(">IHHh", 6, form, len(tracks), division) + chunks


def tempo(microseconds: int) -> bytes:
    return b"\x00\xff\x51\x03" + microseconds.to_bytes(3)


NOTE = b"\x00\x90\x3c\x40\x60\x80\x3c\x00"


def test_whole_files_pass_with_everything_a_file_may_hold() -> None:
    midi = pretty_midi.PrettyMIDI(initial_tempo=93)
    midi.time_signature_changes.append(pretty_midi.TimeSignature(4, 4, 0))
    piano = pretty_midi.Instrument(4, name="Rhodes")
    piano.notes += [pretty_midi.Note(90, 60 + i % 12, i * 0.2, i * 0.2 + 0.1) for i in range(500)]
    piano.control_changes.append(pretty_midi.ControlChange(64, 127, 0.5))
    piano.pitch_bends.append(pretty_midi.PitchBend(100, 1.0))
    midi.instruments.append(piano)
    file = io.BytesIO()
    midi.write(file)
    midifile.check(file.getvalue())
    running = b"\x00\xf0\x02\x01\xf7" + NOTE + b"\x00\x90\x3c\x40\x10\x3c\x00" + END
    midifile.check(file_of(tempo(500_000) + running))


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"MThd", "not a readable MIDI file"),
        (file_of(), "not a readable MIDI file"),
        (file_of(NOTE + END)[:-6], "not a readable MIDI file"),
        (file_of(NOTE + END, form=2), "not a readable MIDI file"),
        (file_of(NOTE + END, division=0), "not a readable MIDI file"),
        (file_of(NOTE + END, division=-6400), "not a readable MIDI file"),
        (file_of(b"\x00\x3c\x40"), "not a readable MIDI file"),
        (file_of(b"\x00\xf0\x01\xf7\x00\x3c\x40"), "not a readable MIDI file"),
        (file_of(b"\x00\xff\x01\x7fhello"), "not a readable MIDI file"),
        (file_of(b"\x00\x90\x3c\xff" + END), "not a readable MIDI file"),
        (file_of(b"\xff\xff\xff\xff\x7f\x90\x3c\x40"), "not a readable MIDI file"),
        (file_of(b"\x80" * 300_000 + b"\x00\x90\x3c\x40"), "not a readable MIDI file"),
        (file_of(b"\xff\xff\xff\x7f\x90\x3c\x40" + END), "at most 512 bars"),
        (file_of(b"\xff\xff\x7f\x90\x3c\x40" + END, division=1), "at most 512 bars"),
        (file_of(tempo(1) + NOTE), r"tempo is beyond 10 to 1000 beats a minute\.$"),
        (file_of(tempo(0) + NOTE), "tempo is beyond"),
        (file_of(b"\x00\x90\x3c\x40" * 1500), "too many notes"),
        (file_of(b"\x01\x90\x3c\x40\x01\x3c\x00" * 21_000), "too many notes"),
        (file_of(NOTE * 70_000), "too large"),
    ],
)
def test_hostile_files_are_refused_at_once(data: bytes, sentence: str) -> None:
    began = time.process_time()
    with pytest.raises(HostileMidi, match=sentence):
        midifile.check(data)
    assert time.process_time() - began < 1
