"""Audio to MIDI: pitches by basic-pitch's network, drums, pulse, key and parts by our own."""

from models.music.transcriber.analysis import TranscriptionCancelled, analyse, transcribe
from models.music.transcriber.decoding import TranscriptionError
from models.music.transcriber.transcription import Transcription

__all__ = ["Transcription", "TranscriptionCancelled", "TranscriptionError", "analyse", "transcribe"]
