"""An album: tracks planned for contrast, a cover drawn from the music, a medley, one zip.

Pure functions: whoever makes the beats calls ``plan`` for the requests and the rest with the takes.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from models.contract import BPM_MAX, BPM_MIN, TRACKS_MAX, TRACKS_MIN
from models.music import encoding, keys
from models.music.arranger import Streams, Wish, choose
from models.music.dsp import RATE, Audio, audio
from models.music.encoding import Encoded, EncodingError, Form, Tags
from models.music.pianoroll import read_key
from models.music.picture import COLOURS
from models.music.song import Song
from models.music.styles import style_of

MEDLEY_SECONDS = 30.0
_COVER = 1000  # pixels
#: Shape of a record: energy of each track by its place, first to last (0 calm .. 1 full).
_PLACES = (0.0, 0.2, 0.45, 0.6, 0.75, 0.9, 1.0)
_ENERGIES = (0.6, 0.9, 0.5, 1.0, 0.3, 0.85, 0.2)
_FIFTHS = (0, 7, -5, 9, -3, 5, 2)  # steps between the tonics of neighbours: related, not equal


@dataclass(frozen=True)
class Plan:
    """One track of an album before it is made."""

    number: int
    wish: Wish
    energy: float  # 0 calm .. 1 full


@dataclass(frozen=True)
class Finished:
    """One track of an album as it sounds."""

    number: int
    title: str
    song: Song
    sound: Audio


@dataclass(frozen=True)
class Cut:
    """A file inside the album's zip."""

    name: str
    encoded: Encoded


def plan(tracks: int, style: str, seed: int, *, bars: int = 32) -> tuple[Plan, ...]:
    """Plan 3 to 12 tracks: neighbours differ in tempo and key, energy follows an arc."""
    if not TRACKS_MIN <= tracks <= TRACKS_MAX:
        raise ValueError(f"An album has between {TRACKS_MIN} and {TRACKS_MAX} tracks.")
    streams = Streams(seed, style)
    random = streams.of("album")
    low, high = tempos(style)
    _, _, first_key = choose(Wish(style, streams.number("track", 1)))
    tonic, _ = read_key(first_key)
    planned: list[Plan] = []
    for index in range(tracks):
        place = index / (tracks - 1)
        energy = float(np.interp(place, _PLACES, _ENERGIES))
        bpm = low + (high - low) * (0.75 * energy + 0.25 * random.random())
        if planned:
            bpm = _apart(bpm, planned[-1].wish.bpm or 0, low, high)
            tonic = (tonic + int(random.choice(_FIFTHS[1:]))) % 12
        minor = random.random() < style_of(style).minor
        key = keys.spell(tonic, "minor" if minor else "major")
        length = bars if energy > 0.35 else max(4, bars * 3 // 4)
        wish = Wish(style, streams.number("track", index + 1), length, round(bpm), key)
        planned.append(Plan(index + 1, wish, round(energy, 2)))
    return tuple(planned)


def tempos(style: str) -> tuple[int, int]:
    """Give the slowest and fastest tempo of an album: a little beyond the style's own range."""
    low, high = style_of(style).bpm
    return max(BPM_MIN, round(0.92 * low)), min(BPM_MAX, round(1.1 * high))


def _apart(bpm: float, before: int, low: int, high: int) -> float:
    """Keep a tempo at least an eighth of the range, and 4 bpm, from the one before."""
    least = max(4.0, (high - low) / 8)
    if abs(bpm - before) >= least:
        return bpm
    up, down = before + least, before - least
    return up if (bpm >= before and up <= high) or down < low else down


def medley(sounds: Sequence[Audio], seconds: float = MEDLEY_SECONDS) -> Audio:
    """Join the liveliest stretch of each track, crossfaded, into at most ``seconds`` of audio."""
    overlap = 0.6
    each = (seconds + overlap * (len(sounds) - 1)) / len(sounds)
    pieces = [_liveliest(sound, each) for sound in sounds]
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = _crossfaded(joined, piece, int(overlap * RATE))
    edge = min(int(0.8 * RATE), joined.shape[1] // 4)
    joined[:, :edge] *= np.linspace(0, 1, edge, dtype=np.float32)
    joined[:, -edge:] *= np.cos(np.linspace(0, np.pi / 2, edge, dtype=np.float32)) ** 2
    return joined


def _liveliest(sound: Audio, seconds: float) -> Audio:
    """Cut the loudest stretch, by steps of a second."""
    n = int(seconds * RATE)
    if sound.shape[1] <= n:
        return sound.copy()
    power = (sound[:, : sound.shape[1] // RATE * RATE] ** 2).mean(0).reshape(-1, RATE).mean(1)
    window = max(1, min(len(power), round(seconds)))
    sums = np.convolve(power, np.ones(window), "valid")
    at = min(int(sums.argmax()) * RATE, sound.shape[1] - n)
    return sound[:, at : at + n].copy()


def _crossfaded(one: Audio, other: Audio, overlap: int) -> Audio:
    """Join with constant power."""
    overlap = min(overlap, one.shape[1], other.shape[1])
    turn = np.linspace(0, np.pi / 2, overlap, dtype=np.float32)
    middle = one[:, -overlap:] * np.cos(turn) + other[:, :overlap] * np.sin(turn)
    peak = float(np.abs(middle).max(initial=0.0))
    middle *= np.float32(min(1.0, 0.82 / max(peak, 1e-6)))  # two masters must not add up
    return audio(np.concatenate([one[:, :-overlap], middle, other[:, overlap:]], axis=1))


def cover(title: str, songs: Sequence[Song], seed: int) -> bytes:
    """Draw a square PNG: the album's own notes as rings, a ring a track, the title below."""
    scale = 2
    size = _COVER * scale
    random = np.random.default_rng([seed, 11])
    hue = float(random.random())
    image = Image.new("RGB", (size, size))
    pen = ImageDraw.Draw(image)
    for y in range(size):
        pen.line([(0, y), (size, y)], _shade(hue, y / size))
    centre, inner, outer = (size / 2, size * 0.44), size * 0.06, size * 0.37
    step = (outer - inner) / max(1, len(songs))
    for ring, song in enumerate(songs):
        _ring(pen, song, centre, inner + step * ring, step * 0.86, float(random.uniform(0, 360)))
    _title(pen, title, size)
    small = image.reduce(scale)
    file = io.BytesIO()
    small.quantize(256, Image.Quantize.MEDIANCUT).save(file, "PNG", compress_level=9)
    return file.getvalue()


def _shade(hue: float, down: float) -> tuple[int, int, int]:
    base = [0.5 + 0.5 * np.cos(2 * np.pi * (hue + third)) for third in (0, 1 / 3, 2 / 3)]
    red, green, blue = (int(14 + 34 * value * (1 - 0.75 * down)) for value in base)
    return red, green, blue


def _ring(
    pen: ImageDraw.ImageDraw, song: Song, centre: tuple[float, float], radius: float,
    width: float, turn: float,
) -> None:  # fmt: skip
    """Bend a song's notes around the centre: time is the angle, a lane a track."""
    lane = width / len(COLOURS)
    for index, (track, colour) in enumerate(COLOURS.items()):
        distance = radius + (index + 0.5) * lane
        x, y = centre
        box = [x - distance, y - distance, x + distance, y + distance]
        for note in song.tracks[track]:
            if note.start >= song.seconds:
                continue
            start = turn + 360 * note.start / song.seconds
            end = max(start + 0.5, turn + 360 * min(note.end, song.seconds) / song.seconds - 0.2)
            strength = 0.35 + 0.65 * note.velocity / 127
            ink = tuple(int(value * strength) for value in colour)
            pen.arc(box, start, end, ink, max(2, int(lane * 0.72)))


def _title(pen: ImageDraw.ImageDraw, title: str, size: int) -> None:
    room, points = size * 0.86, size // 14
    font = ImageFont.load_default(points)
    while points > size // 40 and pen.textlength(title, font) > room:
        points -= 4
        font = ImageFont.load_default(points)
    while len(title) > 2 and pen.textlength(title, font) > room:
        title = title[:-2] + "…"
    pen.text((size / 2, size * 0.9), title, (240, 240, 244), font=font, anchor="mm")


def press(
    tracks: Sequence[Finished], album: str, version: str, *, picture: bytes,
    max_bytes: int | None = None, form: Form = "mp3",
) -> bytes:  # fmt: skip
    """Encode, tag and zip the tracks; bit rates fall together until the zip fits."""
    rungs = [kilobits for kind, kilobits in encoding.LADDERS[form] if kind == form] or [0]
    seconds = sum(track.sound.shape[1] for track in tracks) / RATE
    for kilobits in rungs:
        if max_bytes is not None and kilobits * 125 * seconds > max_bytes:
            continue
        cuts = [_cut(track, tracks, album, version, picture, form, kilobits) for track in tracks]
        data = _zip(cuts, picture)
        if max_bytes is None or len(data) <= max_bytes:
            return data
    raise EncodingError("The album is too long for the size allowed here; ask for fewer tracks.")


def _cut(
    track: Finished, tracks: Sequence[Finished], album: str, version: str, picture: bytes,
    form: Form, kilobits: int,
) -> Cut:  # fmt: skip
    song = track.song
    tags = Tags(track.title, song.bpm, song.key, song.seed, version, album=album,
                track=f"{track.number}/{len(tracks)}", cover=picture)  # fmt: skip
    encoded = encoding.encode_at(track.sound, form, kilobits, tags)
    return Cut(f"{track.number:02d} {file_name(track.title)}.{encoded.format}", encoded)


def file_name(title: str) -> str:
    """Keep what every file system can name, at most 60 characters."""
    kept = "".join(c if c.isalnum() or c in " -_'()" else "_" for c in title)
    return " ".join(kept.split())[:60].strip() or "track"


def _zip(cuts: Sequence[Cut], picture: bytes) -> bytes:
    """Pack the files as they are, dated the same so that the same album is the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        for name, data in [*((c.name, c.encoded.data) for c in cuts), ("cover.png", picture)]:
            pack.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data)
    return file.getvalue()
