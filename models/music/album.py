"""An album: tracks planned for contrast, a cover drawn from the music, a medley, one zip.

Pure functions; ``models.music.record`` calls them in turn.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw

from models.contract import BPM_MAX, BPM_MIN, TRACKS_MAX, TRACKS_MIN
from models.music import encoding, keys
from models.music.arranger import Streams, Wish, choose
from models.music.dsp import RATE, Audio, audio
from models.music.encoding import Encoded, EncodingError, Tags
from models.music.lettering import fitted
from models.music.pianoroll import read_key
from models.music.picture import COLOURS
from models.music.song import Song
from models.music.styles import style_of

MEDLEY_SECONDS = 30.0
_OVERLAP = 0.6  # seconds of a crossfade
_COVER, _STAMP = 1000, 300  # pixels
#: Bit rates of the tracks, best first; all of them alike.
RATES = (192, 128, 96, 64, 48)
#: Most bytes a tagged MP3 has beside its sound and picture, and a zip for each file.
_HEAD, _ENTRY = 4096, 512
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
class Sleeve:
    """What every track of a record says about itself."""

    title: str
    tracks: int
    version: str
    picture: bytes  # PNG, small: it goes into each file


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
        energy = round(energy, 2)
        seed_of_track = streams.number("track", index + 1)
        wish = Wish(style, seed_of_track, length, round(bpm), key, energy=energy)
        planned.append(Plan(index + 1, wish, energy))
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
    """Join the liveliest stretch of each track, crossfaded, into at most ``seconds`` of audio.

    ``liveliest`` may have cut the stretches before, so that whole tracks need not be kept.
    """
    pieces = [liveliest(sound, len(sounds), seconds) for sound in sounds]
    joined = pieces[0]
    for piece in pieces[1:]:
        joined = _crossfaded(joined, piece, int(_OVERLAP * RATE))
    edge = min(int(0.8 * RATE), joined.shape[1] // 4)
    joined[:, :edge] *= np.linspace(0, 1, edge, dtype=np.float32)
    joined[:, -edge:] *= np.cos(np.linspace(0, np.pi / 2, edge, dtype=np.float32)) ** 2
    return joined


def liveliest(sound: Audio, tracks: int, seconds: float = MEDLEY_SECONDS) -> Audio:
    """Cut the loudest stretch, as long as one of so many tracks has in a medley."""
    seconds = (seconds + _OVERLAP * (tracks - 1)) / tracks
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
    return _png(image.reduce(scale), 256)


def stamp(cover: bytes) -> bytes:
    """Make the cover small enough to go into every track."""
    with Image.open(io.BytesIO(cover)) as image:
        small = image.convert("RGB").resize((_STAMP, _STAMP), Image.Resampling.LANCZOS)
    return _png(small, 64)


def _png(image: Image.Image, colours: int) -> bytes:
    file = io.BytesIO()
    image.quantize(colours, Image.Quantize.MEDIANCUT).save(file, "PNG", compress_level=9)
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
    text, font = fitted(title, size // 14, size // 40, size * 0.86)
    pen.text((size / 2, size * 0.9), text, (240, 240, 244), font=font, anchor="mm")


def rate(seconds: Sequence[float], pictures: int, max_bytes: int | None) -> int:
    """Choose the best bit rate at which tracks of these lengths fit; ``pictures`` is in bytes."""
    for kilobits in RATES:
        sound = sum(kilobits * 125 * length for length in seconds)
        if max_bytes is None or sound + pictures + len(seconds) * (_HEAD + _ENTRY) <= max_bytes:
            return kilobits
    raise EncodingError("The album is too long for the size allowed here; ask for fewer tracks.")


def cut(
    number: int, title: str, song: Song, sound: Audio, sleeve: Sleeve, kilobits: int,
    check: Callable[[], None] = lambda: None,
) -> Cut:  # fmt: skip
    """Encode and tag one track."""
    tags = Tags(title, song.bpm, song.key, song.seed, sleeve.version, album=sleeve.title,
                track=f"{number}/{sleeve.tracks}", cover=sleeve.picture)  # fmt: skip
    encoded = encoding.encode_at(sound, "mp3", kilobits, tags, check)
    return Cut(f"{number:02d} {file_name(title)}.{encoded.format}", encoded)


def file_name(title: str) -> str:
    """Keep what every file system can name, at most 60 characters."""
    kept = "".join(c if c.isalnum() or c in " -_'(),&" else "_" for c in title)
    return " ".join(kept.split())[:60].strip() or "track"


def pack(cuts: Sequence[Cut], picture: bytes) -> bytes:
    """Pack the files as they are, dated the same so that the same album is the same bytes."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as pack:
        for name, data in [*((c.name, c.encoded.data) for c in cuts), ("cover.png", picture)]:
            pack.writestr(zipfile.ZipInfo(name, (2000, 1, 1, 0, 0, 0)), data)
    return file.getvalue()
