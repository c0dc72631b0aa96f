"""Audio files become samples, with limits on what a stranger's file may cost."""

from __future__ import annotations

import subprocess
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from models.music.dsp import Audio
from models.music.encoding import FFMPEG

RATE = 22050  # what basic-pitch hears; drums need no more
LARGEST = 200_000_000  # bytes of a file
LONGEST = 20 * 60.0  # seconds of audio
SHORTEST = 1.0
_PATIENCE = 120.0  # seconds ffmpeg may take
#: Containers of audio alone: playlists and the like could name other files and addresses.
_FORMATS = "mp3,wav,w64,aiff,caf,flac,ogg,mov,mp4,m4a,aac,asf,matroska,webm,au"


class TranscriptionError(Exception):
    """Audio cannot be transcribed; the message is one plain sentence."""


def decode(
    data: bytes, *, longest: float = LONGEST, check: Callable[[], None] = lambda: None
) -> Audio:
    """Decode a file of any usual audio format to mono; ``check`` may raise to give up."""
    if not data:
        raise TranscriptionError("The audio file is empty.")
    if len(data) > LARGEST:
        raise TranscriptionError(f"The audio file is larger than {LARGEST // 1_000_000} MB.")
    with tempfile.TemporaryDirectory(prefix="hear-") as folder:
        source, target = Path(folder, "in"), Path(folder, "out.raw")
        source.write_bytes(data)  # not a pipe: some formats keep their index at the end
        command = [FFMPEG, "-v", "error", "-nostdin", "-protocol_whitelist", "file",
                   "-format_whitelist", _FORMATS, "-t", f"{longest + 1:.3f}",
                   "-i", str(source), "-map", "0:a:0", "-vn", "-sn", "-dn", "-ac", "1",
                   "-ar", str(RATE), "-f", "f32le", str(target)]  # fmt: skip
        _run(command, check)
        heard = np.fromfile(target, "<f4") if target.exists() else np.zeros(0, np.float32)
    return _sound(heard.astype(np.float32), longest)


def _sound(heard: Audio, longest: float) -> Audio:
    """Check what was decoded and bring its peak to full scale."""
    if len(heard) > longest * RATE:
        raise TranscriptionError(f"The audio is longer than {_duration(longest)}.")
    if len(heard) < SHORTEST * RATE:
        raise TranscriptionError("The audio is shorter than one second.")
    heard = np.nan_to_num(heard, nan=0.0, posinf=0.0, neginf=0.0)
    peak = float(np.abs(heard).max())
    if peak < 1e-4:
        raise TranscriptionError("The audio is silent.")
    return heard / np.float32(peak)


def _duration(seconds: float) -> str:
    return f"{seconds / 60:g} minutes" if seconds >= 120 else f"{seconds:g} seconds"


def _run(command: list[str], check: Callable[[], None]) -> None:
    """Run ffmpeg, asking ``check`` ten times a second; kill it when that raises."""
    until = time.monotonic() + _PATIENCE
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    check()
                    if time.monotonic() > until:
                        raise TranscriptionError("The audio takes too long to decode.") from None
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        reason = said.decode(errors="replace").strip().splitlines()
        raise TranscriptionError("The file holds no audio that can be read.") from RuntimeError(
            *reason[-1:]
        )
