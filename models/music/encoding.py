"""Masters become files: the asked format, tagged, and never over the caller's byte limit.

ffmpeg is the binary that imageio-ffmpeg ships; nothing needs to be installed on the system.
"""

from __future__ import annotations

import base64
import io
import subprocess
import tempfile
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import imageio_ffmpeg
import numpy as np
from mutagen.flac import FLAC, Picture
from mutagen.id3 import APIC, COMM, ID3, TALB, TBPM, TIT2, TKEY, TPE1, TRCK, TXXX
from mutagen.oggopus import OggOpus
from mutagen.wave import WAVE

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
    "mp3": ("-c:a", "libmp3lame", "-f", "mp3"),
    "ogg": ("-c:a", "libopus", "-vbr", "constrained", "-f", "opus"),
    "flac": ("-c:a", "flac", "-sample_fmt", "s16", "-f", "flac"),
}


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
        return f"seed {self.seed}, model {self.version}"


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
        data = _tagged(_compressed(audio, form, kilobits, check), form, tags)
        if max_bytes is None or len(data) <= max_bytes:
            return Encoded(data, form, kilobits)
    raise EncodingError("The beat is too long for the file size allowed here; ask for fewer bars.")


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


def _compressed(audio: Audio, form: Form, kilobits: int, check: Callable[[], None]) -> bytes:
    check()
    if form == "wav":
        return bytes(segment(audio).export(io.BytesIO(), format="wav").getvalue())
    with tempfile.TemporaryDirectory(prefix="beat-") as folder:
        source, target = Path(folder, "in.raw"), Path(folder, "out")
        lossless = form == "flac"
        source.write_bytes(sixteen_bit(audio) if lossless else audio.T.astype("<f4").tobytes())
        rate = () if kilobits == 0 else ("-b:a", f"{kilobits}k")
        # A file, not a pipe: the encoder goes back to write the duration into the header.
        command = [
            FFMPEG, "-v", "error", "-y", "-f", "s16le" if lossless else "f32le",
            "-ar", str(RATE), "-ac", "2", "-i", str(source),
            "-map_metadata", "-1", "-fflags", "+bitexact", "-flags:a", "+bitexact",
            *rate, *_CODEC[form], str(target),
        ]  # fmt: skip
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


def _tagged(data: bytes, form: Form, tags: Tags) -> bytes:
    file = io.BytesIO(data)
    if form == "mp3":
        id3 = ID3()
        _fill_id3(id3, tags)
        id3.save(file, v2_version=3)
        return file.getvalue()
    if form == "wav":
        wave = WAVE(file)
        wave.add_tags()
        _fill_id3(wave.tags, tags)
        wave.save(file, v2_version=3)
        return file.getvalue()
    vorbis = OggOpus(file) if form == "ogg" else FLAC(file)
    for name, value in _plain(tags).items():
        vorbis[name] = value
    if tags.cover:
        _add_cover(vorbis, tags.cover)
    file.seek(0)
    vorbis.save(file)
    return file.getvalue()


def _plain(tags: Tags) -> dict[str, str]:
    named = {
        "title": tags.title, "artist": tags.artist, "album": tags.album, "tracknumber": tags.track,
        "bpm": str(tags.bpm), "initialkey": short_key(tags.key), "comment": tags.comment,
        "seed": str(tags.seed), "model": tags.version,
    }  # fmt: skip
    return {name: value for name, value in named.items() if value}


def _fill_id3(id3: ID3, tags: Tags) -> None:
    id3.add(TIT2(encoding=3, text=tags.title))
    id3.add(TPE1(encoding=3, text=tags.artist))
    id3.add(TBPM(encoding=3, text=str(tags.bpm)))
    id3.add(TKEY(encoding=3, text=short_key(tags.key)))
    id3.add(COMM(encoding=3, lang="eng", desc="", text=tags.comment))
    id3.add(TXXX(encoding=3, desc="seed", text=str(tags.seed)))
    id3.add(TXXX(encoding=3, desc="model", text=tags.version))
    if tags.album:
        id3.add(TALB(encoding=3, text=tags.album))
    if tags.track:
        id3.add(TRCK(encoding=3, text=tags.track))
    if tags.cover:
        id3.add(APIC(encoding=3, mime="image/png", type=3, desc="cover", data=tags.cover))


def _add_cover(file: OggOpus | FLAC, cover: bytes) -> None:
    picture = Picture()
    picture.type, picture.mime, picture.data = 3, "image/png", cover
    if isinstance(file, FLAC):
        file.add_picture(picture)
    else:
        file["metadata_block_picture"] = base64.b64encode(picture.write()).decode()


def short_key(key: str) -> str:
    """Write a key as tags do: ``A minor`` is ``Am``, ``Eb major`` is ``Eb``."""
    tonic, mode = key.split()
    return tonic + ("m" if mode == "minor" else "")
