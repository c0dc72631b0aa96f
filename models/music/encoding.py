"""Masters become files: the asked format, tagged, and never over the caller's byte limit.

ffmpeg is the binary that imageio-ffmpeg ships; nothing needs to be installed on the system.
"""

from __future__ import annotations

import base64
import struct
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imageio_ffmpeg
import numpy as np

from models.music.dsp import RATE, Audio

with warnings.catch_warnings():
    # pydub looks for a system ffmpeg while it is imported and warns when there is none.
    warnings.simplefilter("ignore")
    from pydub import AudioSegment

Form = Literal["mp3", "ogg", "wav", "flac"]
FFMPEG = imageio_ffmpeg.get_ffmpeg_exe()
AudioSegment.converter = FFMPEG
#: Kilobits a second, best first; 0 means lossless.
_MP3: tuple[tuple[Form, int], ...] = (("mp3", 192), ("mp3", 128), ("mp3", 96), ("mp3", 64))
LADDERS: dict[Form, tuple[tuple[Form, int], ...]] = {
    "mp3": _MP3,
    "ogg": (("ogg", 160), ("ogg", 128), ("ogg", 96), ("ogg", 64), ("ogg", 48)),
    "wav": (("wav", 0), *_MP3),
    "flac": (("flac", 0), *_MP3),
}
_CODEC = {
    "mp3": ("-c:a", "libmp3lame", "-compression_level", "7", "-id3v2_version", "3", "-f", "mp3"),
    "ogg": ("-c:a", "libopus", "-vbr", "constrained", "-compression_level", "5", "-f", "opus"),
    "wav": ("-c:a", "pcm_s16le", "-f", "wav"),
    "flac": ("-c:a", "flac", "-sample_fmt", "s16", "-f", "flac"),
}
_PICTURED = ("mp3", "flac")  # Ogg carries its picture among the tags


class EncodingError(Exception):
    """The audio cannot be delivered; the message is one plain sentence."""


@dataclass(frozen=True)
class Tags:
    """What a file says about itself."""

    title: str
    bpm: int
    key: str
    seed: int
    version: str
    artist: str = "Ghostwriter"
    album: str = ""
    track: str = ""  # "3/8"
    cover: bytes = b""  # PNG

    @property
    def comment(self) -> str:
        """Say in a line how to make this again."""
        return f"{self.bpm} bpm, {self.key}, seed {self.seed}, model {self.version}"


@dataclass(frozen=True)
class Encoded:
    """A finished file; ``format`` is what it truly is, which a size limit may have changed."""

    data: bytes
    format: Form
    kilobits: int  # a second; 0 lossless


def encode(
    audio: Audio,
    wanted: Form,
    tags: Tags,
    max_bytes: int | None = None,
    check: Callable[[], None] = lambda: None,
) -> Encoded:
    """Encode stereo float audio, stepping down the ladder until it fits; ``check`` may raise."""
    for form, kilobits in _rungs(audio, wanted, max_bytes, len(tags.cover)):
        data = _compressed(audio, form, kilobits, tags, check)
        if max_bytes is None or len(data) <= max_bytes:
            return Encoded(data, form, kilobits)
    raise EncodingError("The beat is too long for the file size allowed here; ask for fewer bars.")


def encode_at(
    audio: Audio, form: Form, kilobits: int, tags: Tags, check: Callable[[], None] = lambda: None
) -> Encoded:
    """Encode at one bit rate (0 for the lossless forms), whatever size comes out."""
    return Encoded(_compressed(audio, form, kilobits, tags, check), form, kilobits)


def _rungs(audio: Audio, wanted: Form, limit: int | None, cover: int) -> Iterator[tuple[Form, int]]:
    """Leave out what cannot fit: sizes of wav and of constant bit rates are known beforehand."""
    samples = audio.shape[1]
    for form, kilobits in LADDERS[wanted]:
        size = 4 * samples if form == "wav" else kilobits * 125 * samples // RATE
        if form == "ogg":
            size = size * 9 // 10  # constrained, not constant
        if limit is None or size + cover <= limit:
            yield form, kilobits


def sixteen_bit(audio: Audio) -> bytes:
    """Round to 16 bits with triangular dither, channels interleaved."""
    random = np.random.default_rng(audio.shape[1])
    dither = random.random(audio.shape, np.float32) - random.random(audio.shape, np.float32)
    whole = np.rint(np.clip(audio, -1, 1) * np.float32(32766) + dither)
    return np.clip(whole, -32768, 32767).astype("<i2").T.tobytes()


def segment(audio: Audio) -> AudioSegment:
    """Wrap stereo float audio for pydub."""
    return AudioSegment(sixteen_bit(audio), frame_rate=RATE, sample_width=2, channels=2)


def _compressed(
    audio: Audio, form: Form, kilobits: int, tags: Tags, check: Callable[[], None]
) -> bytes:
    check()
    with tempfile.TemporaryDirectory(prefix="beat-") as folder:
        source, facts, target = (Path(folder, name) for name in ("in.raw", "tags.txt", "out"))
        whole = kilobits == 0  # lossless formats keep 16 bits, which are dithered here
        source.write_bytes(sixteen_bit(audio) if whole else audio.T.astype("<f4").tobytes())
        facts.write_text(_metadata(tags, form), encoding="utf-8")
        inputs = ["-f", "s16le" if whole else "f32le", "-ar", str(RATE), "-ac", "2"]
        inputs += ["-i", str(source), "-i", str(facts)]
        maps = ["-map", "0:a", "-map_metadata", "1"]
        if tags.cover and form in _PICTURED:
            cover = Path(folder, "cover.png")
            cover.write_bytes(tags.cover)
            inputs += ["-i", str(cover)]
            maps += [
                "-map",
                "2:v",
                "-c:v",
                "copy",
                "-disposition:v",
                "attached_pic",
                "-metadata:s:v",
                "comment=Cover (front)",
            ]
        rate = () if whole else ("-b:a", f"{kilobits}k")
        # A file, not a pipe: the encoder goes back to write the duration into the header.
        command = [FFMPEG, "-v", "error", "-y", *inputs, *maps, "-fflags", "+bitexact",
                   "-flags:a", "+bitexact", *rate, *_CODEC[form], str(target)]  # fmt: skip
        _run(command, check)
        return target.read_bytes()


def _run(command: list[str], check: Callable[[], None]) -> None:
    """Run ffmpeg, asking ``check`` ten times a second; kill it when that raises."""
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        try:
            while True:
                try:
                    _, said = process.communicate(timeout=0.1)
                    break
                except subprocess.TimeoutExpired:
                    check()
        except BaseException:
            process.kill()
            raise
    if process.returncode:
        reason = said.decode(errors="replace").strip().splitlines()
        raise EncodingError("The audio could not be encoded.") from RuntimeError(*reason[-1:])


def _metadata(tags: Tags, form: Form) -> str:
    """Write the tags as ffmpeg's metadata file, with the names each format's players look for."""
    id3 = form in ("mp3", "wav")
    named = {
        "title": tags.title,
        "artist": tags.artist,
        "album": tags.album,
        "track" if id3 else "tracknumber": tags.track,
        "TBPM" if form == "mp3" else "bpm": str(tags.bpm),
        "TKEY" if form == "mp3" else "initialkey": short_key(tags.key),
        "comment": tags.comment,
        "seed": str(tags.seed),
        "model": tags.version,
    }
    if tags.cover and form == "ogg":
        named["METADATA_BLOCK_PICTURE"] = _picture_block(tags.cover)
    lines = [f"{name}={_escaped(value)}" for name, value in named.items() if value]
    return "\n".join([";FFMETADATA1", *lines, ""])


def _escaped(value: str) -> str:
    return "".join(f"\\{c}" if c in "=;#\\\n" else c for c in value)


def _picture_block(cover: bytes) -> str:
    """Pack a PNG as Vorbis comments carry pictures: a FLAC picture block in base64."""
    mime = b"image/png"
    head = struct.pack(">II", 3, len(mime)) + mime + struct.pack(">IIIII", 0, 0, 0, 0, 0)
    return base64.b64encode(head + struct.pack(">I", len(cover)) + cover).decode("ascii")


def short_key(key: str) -> str:
    """Write a key as tags do: ``A minor`` is ``Am``, ``Eb major`` is ``Eb``."""
    tonic, mode = key.split()
    return tonic + ("m" if mode == "minor" else "")
