"""The whole way from an audio file to a transcription."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import pretty_midi

from models.music.dsp import Audio
from models.music.midi import find_key
from models.music.transcriber.decoding import LONGEST, RATE, TranscriptionError, decode
from models.music.transcriber.drums import drum_activity, hits_of
from models.music.transcriber.net import Ears, load_ears
from models.music.transcriber.notes import (
    Heard,
    Scene,
    judge,
    notes_of,
    threshold_of,
    without_overtones,
)
from models.music.transcriber.parts import split
from models.music.transcriber.pitches import FRAME, hear_pitches
from models.music.transcriber.pulse import find_pulse
from models.music.transcriber.spectrum import broad_bands, semitones
from models.music.transcriber.transcription import Transcription, confidence_of

SAMPLE_THREADS = 2  # a service has other work
SAMPLE_SECONDS = 120.0  # of a sample that are heard: a loop lies in its beginning
_DECODED, _HEARD = 0.1, 0.9  # shares of the work

Report = Callable[[float], None]


class TranscriptionCancelled(Exception):
    """The caller no longer wants the transcription."""


def transcribe(
    data: bytes, *, report: Report | None = None, cancelled: Callable[[], bool] | None = None
) -> pretty_midi.PrettyMIDI:
    """Give the beginning of an audio file as MIDI of up to five tracks on an even grid."""
    heard = analyse(
        data, seconds=SAMPLE_SECONDS, threads=SAMPLE_THREADS, report=report, cancelled=cancelled
    )
    return heard.midi()


def analyse(
    data: bytes, *, seconds: float | None = None, longest: float = LONGEST, threads: int = 0,
    report: Report | None = None, cancelled: Callable[[], bool] | None = None,
) -> Transcription:  # fmt: skip
    """Transcribe an audio file, or its first ``seconds``; ``report`` gets the share done.

    Raise TranscriptionError, or TranscriptionCancelled as soon as ``cancelled`` says so.
    """

    def check() -> None:
        if cancelled is not None and cancelled():
            raise TranscriptionCancelled

    def say(share: float) -> None:
        check()
        if report is not None:
            report(share)

    sound = decode(data, longest=longest, check=check)
    if seconds is not None:
        sound = sound[: int(seconds * RATE)]
    say(_DECODED)
    heard = transcription_of(
        sound, load_ears(), threads=threads,
        report=lambda share: say(_DECODED + share * (_HEARD - _DECODED)),
    )  # fmt: skip
    say(1.0)
    return heard


def transcription_of(
    sound: Audio, ears: Ears, *, threads: int = 0, report: Report = lambda _: None
) -> Transcription:
    """Transcribe mono samples at the transcriber's rate."""
    seconds = len(sound) / RATE
    pitches = hear_pitches(sound, threads=threads, report=report)
    bands = broad_bands(sound)
    activity = drum_activity(bands, ears)
    scene = Scene(pitches, semitones(sound), activity)
    candidates = judge(scene, ears)
    threshold = threshold_of(candidates.sure)
    notes = without_overtones(notes_of(scene, candidates, threshold), scene)
    hits = hits_of(activity, bands, ears)
    if not notes and not hits:
        raise TranscriptionError("No notes could be heard in the audio.")
    pulse = find_pulse(bands, hits, notes, seconds)
    parts = split(notes, scene, ears)
    low = candidates.sure < threshold
    doubted = list(
        zip((candidates.frame[low] * FRAME).tolist(), candidates.sure[low].tolist(), strict=True)
    )
    taken = [(n.start, n.sure) for n in notes] + [(h.start, h.sure) for h in hits]
    return Transcription(
        {part: tuple(found) for part, found in parts.items()}, tuple(hits), pulse,
        _key(parts), confidence_of(pulse, taken, doubted), seconds,
    )  # fmt: skip


def _key(parts: Mapping[str, Sequence[Heard]]) -> str:
    """Estimate the key of everything that was heard."""
    midi = pretty_midi.PrettyMIDI()
    instrument = pretty_midi.Instrument(0)
    instrument.notes = [
        pretty_midi.Note(96, n.pitch, n.start, n.end) for notes in parts.values() for n in notes
    ]
    midi.instruments.append(instrument)
    return find_key(midi)
