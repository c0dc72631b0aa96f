"""A sample to flip: somebody's MIDI or audio as the loop that a beat is built around."""

from __future__ import annotations

import base64
import binascii
import importlib
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pretty_midi

from models.contract import BPM_MAX, BPM_MIN, SAMPLE_LIMIT
from models.music import midifile
from models.music.midi import find_key, grid_of, roles_of, steps_of, voices_of
from models.music.pianoroll import BARS, LENGTH, STEPS, TONES, Note, Phrase, key_shift

MOST_PHRASES = 4  # of four bars; what comes later in a file is not used
MOST_TRACKS = 2  # with more given, little is left to be played around them
NO_TRANSCRIBER = "Audio samples need the transcriber, which is not installed; a MIDI file works."
#: How much a note of each track makes it the one that people remember.
_REMEMBERED = {"lead": 1.2, "keys": 1.0, "pad": 0.8, "bass": 0.6}
_TUNE_FROM = 57  # mean pitch of single notes above which they are a tune

Rows = list[tuple[int, int, int]]  # start, length, pitch


class SampleError(ValueError):
    """A sample cannot be used; the message is one plain sentence."""


@dataclass(frozen=True, eq=False)
class Sample:
    """A loop on the grid: up to four phrases in C or A minor that hold only the given tracks."""

    phrases: tuple[Phrase, ...]
    tracks: tuple[str, ...]
    key: str | None  # None: drums alone have no key
    bpm: int

    def part(self, kind: str, place: int) -> int:
        """Number the phrase for the nth four bars of a section; hooks take the second half."""
        first = 2 if kind == "hook" and len(self.phrases) > 2 else 0
        return first + place % min(2, len(self.phrases) - first)


def read_sample(text: str, cancelled: Callable[[], bool] = lambda: False) -> Sample:
    """Read a file in base64; raise SampleError.

    The transcriber asks ``cancelled`` now and then and raises an error of its own when it is true.
    """
    try:
        data = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError) as error:
        raise SampleError("The sample did not arrive whole; please send it again.") from error
    if not data:
        raise SampleError("The sample is empty.")
    if len(data) > SAMPLE_LIMIT:
        raise SampleError(f"The sample is too large; {SAMPLE_LIMIT // 1_000_000} MB are the most.")
    if data.startswith(b"MThd"):
        return sample_of(_parsed(data))
    return sample_of(_transcribed(data, cancelled))


def _parsed(data: bytes) -> pretty_midi.PrettyMIDI:
    try:
        midifile.check(data)
    except midifile.HostileMidi as error:
        raise SampleError(str(error)) from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # tempos in odd places, which the parser reads anyway
            return pretty_midi.PrettyMIDI(io.BytesIO(data))
    except Exception as error:  # the parser raises whatever a broken byte leads it to
        raise SampleError("The sample is not a readable MIDI file.") from error


def _transcribed(data: bytes, cancelled: Callable[[], bool]) -> pretty_midi.PrettyMIDI:
    if not _is_audio(data):
        raise SampleError("The sample is neither MIDI nor wav, mp3, flac or ogg.")
    try:
        transcriber = importlib.import_module("models.music.transcriber")
    except ImportError as error:
        raise SampleError(NO_TRANSCRIBER) from error
    try:
        midi: pretty_midi.PrettyMIDI = transcriber.transcribe(data, cancelled=cancelled)
    except transcriber.TranscriptionError as error:
        raise SampleError(str(error)) from error
    return midi


def _is_audio(data: bytes) -> bool:
    wave = data[:4] == b"RIFF" and data[8:12] == b"WAVE"
    frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0  # mp3 without tags
    return wave or frame or data.startswith((b"ID3", b"fLaC", b"OggS"))


def sample_of(midi: pretty_midi.PrettyMIDI) -> Sample:
    """Make a loop of a parsed file: its one or two most remembered parts, or else its drums."""
    if not any(instrument.notes for instrument in midi.instruments):
        raise SampleError("The sample has no notes.")
    pace, bpm = _tempo(midi)
    rows = _rows(midi, pace)
    tracks = _chosen(rows)
    first = min(start for track in tracks for start, _, _ in rows[track]) // STEPS * STEPS
    rows = {
        track: [(start - first, length, pitch) for start, length, pitch in rows[track]]
        for track in tracks
    }
    key = find_key(midi) if tracks != ("drums",) else None
    shift = -key_shift(key) if key else 0
    phrases = tuple(_phrase(rows, bars, shift) for bars in _loop(rows))
    if not any(phrase.onset.any() for phrase in phrases):
        raise SampleError("The sample has no notes that could be played.")
    return Sample(phrases, tracks, key, bpm)


def _tempo(midi: pretty_midi.PrettyMIDI) -> tuple[float, int]:
    """Give the beats to hear where the file has one, and the tempo that makes within bounds."""
    beats = np.diff(grid_of(midi)[::4])
    bpm, pace = float(60 / np.median(beats)), 1.0
    while bpm < BPM_MIN:
        bpm, pace = 2 * bpm, 2 * pace
    while bpm > BPM_MAX:
        bpm, pace = bpm / 2, pace / 2
    return pace, max(BPM_MIN, min(BPM_MAX, round(bpm)))


def _rows(midi: pretty_midi.PrettyMIDI, pace: float) -> dict[str, Rows]:
    """Sort the notes of each role."""
    grid = grid_of(midi, pace)
    played = [instrument for instrument in midi.instruments if instrument.notes]
    roles = roles_of(played)
    tones = [i for i in played if not i.is_drum]
    if [role for role in roles if role != "drums"] == ["keys"]:
        pitch = np.mean([note.pitch for note in tones[0].notes])
        if voices_of(tones[0]) < 1.2 and pitch >= _TUNE_FROM:
            roles[roles.index("keys")] = "lead"
    rows: dict[str, Rows] = {}
    for role, instrument in zip(roles, played, strict=True):
        rows.setdefault(role, []).extend(steps_of(instrument, grid))
    return rows


def _chosen(rows: Mapping[str, Rows]) -> tuple[str, ...]:
    """Choose what is kept: the two most remembered of the pitched parts, else the drums."""
    tones = [track for track in TONES if track in rows]
    if not tones:
        return ("drums",)
    counts = {
        track: _REMEMBERED[track] * len({(start, pitch) for start, _, pitch in rows[track]})
        for track in tones
    }
    best = sorted(tones, key=lambda track: -counts[track])[:MOST_TRACKS]
    return tuple(track for track in tones if track in best)


def _loop(rows: Mapping[str, Rows]) -> list[Sequence[int]]:
    """Say which bars of the file make each phrase; short loops go round within one."""
    last = max(start for track in rows.values() for start, _, _ in track)
    bars = min(last // STEPS + 1, BARS * MOST_PHRASES)
    if bars == 3:
        return [(0, 1, 2, 0)]
    if bars < BARS:
        return [[bar % bars for bar in range(BARS)]]
    whole, rest = divmod(bars, BARS)
    phrases: list[Sequence[int]] = [range(BARS * i, BARS * (i + 1)) for i in range(whole)]
    if rest > 1:  # a lone bar is mostly where the last note ends
        phrases.append([BARS * whole + bar % rest for bar in range(BARS)])
    return phrases


def _phrase(rows: Mapping[str, Rows], bars: Sequence[int], shift: int) -> Phrase:
    """Write some bars as a phrase; a note lasts over a bar line where the next bar follows."""
    notes: dict[str, list[Note]] = {track: [] for track in rows}
    for track, written in rows.items():
        for start, length, pitch in written:
            bar, step = divmod(start, STEPS)
            for place, source in enumerate(bars):
                if source == bar:
                    at = place * STEPS + step
                    room = _unbroken(bars, place) * STEPS - step
                    notes[track].append(Note(at, pitch, min(length, room, LENGTH - at)))
    return Phrase.from_notes(notes, shift)


def _unbroken(bars: Sequence[int], place: int) -> int:
    """Count the bars from a place on that follow each other in the file, too."""
    count = 1
    while place + count < len(bars) and bars[place + count] == bars[place] + count:
        count += 1
    return count
