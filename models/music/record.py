"""A whole record: planned, named, played track by track, packed.

A track is encoded while the next one is played, and only the stretch that the medley needs of it is
kept, so a long record takes little memory.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass

from models.contract import AlbumRequest, AlbumTake, AlbumTrack, Progress
from models.music import album, encoding
from models.music.album import Cut, Sleeve
from models.music.arranger import compose
from models.music.dsp import RATE, Audio
from models.music.encoding import EncodingError, Tags
from models.music.material import PhraseMaker
from models.music.mixer import produce
from models.music.song import Song
from models.music.stems import length_of
from models.music.voices import Players

Check = Callable[[], None]
Report = Callable[[Progress], None]
#: Share of the work that is done when the last track has been played.
_PLAYED = 0.95
_MEDLEY_RATE = 128


@dataclass(frozen=True)
class Band:
    """Who plays: a version's generator and the instruments."""

    maker: PhraseMaker
    version: str
    players: Players


@dataclass(frozen=True)
class Recorded:
    """What is kept of a track that was played."""

    stretch: Audio
    seconds: float
    cut: Future[Cut]


def make(
    request: AlbumRequest,
    style: str,
    band: Band,
    name: Callable[[], Sequence[str]],
    report: Report,
    check: Check,
) -> AlbumTake:
    """Make a record; ``name`` gives the tracks their names, ``check`` may raise to stop."""
    started = time.monotonic()
    report(Progress(stage="planning", done=0, parts=request.tracks))
    songs = [
        compose(band.maker, planned.wish, check)
        for planned in album.plan(request.tracks, style, request.seed)
    ]
    titles = name()
    check()
    cover = album.cover(request.title, songs, request.seed)
    sleeve = Sleeve(request.title, len(songs), band.version, album.stamp(cover))
    pictures = len(cover) + len(songs) * len(sleeve.picture)
    lengths = [length_of(song) / RATE for song in songs]
    kilobits = album.rate(lengths, pictures, request.max_bytes)
    with ThreadPoolExecutor(1, "cuts") as cutter:
        recorded = []
        try:
            for number, (song, title) in enumerate(zip(songs, titles, strict=True), 1):
                mixed = _play(song, number, len(songs), band, report, check)
                cut = cutter.submit(album.cut, number, title, song, mixed, sleeve, kilobits, check)
                stretch = album.liveliest(mixed, len(songs))
                recorded.append(Recorded(stretch, mixed.shape[1] / RATE, cut))
            report(Progress(stage="encoding", done=_PLAYED, part=len(songs), parts=len(songs)))
            medley = _medley(request, songs[0], recorded, band.version, check)
            archive = album.pack([track.cut.result() for track in recorded], cover)
        except BaseException:
            cutter.shutdown(wait=False, cancel_futures=True)
            raise
    if request.max_bytes is not None and len(archive) > request.max_bytes:
        raise EncodingError("The album is too large for this place; ask for fewer tracks.")
    report(Progress(stage="encoding", done=1, part=len(songs), parts=len(songs)))
    return AlbumTake(
        title=request.title,
        style=style,
        seed=request.seed,
        model_version=band.version,
        tracks=tuple(_tracks(songs, titles, recorded)),
        archive=_text(archive),
        medley=_text(medley),
        cover=_text(cover),
        seconds=round(time.monotonic() - started, 3),
    )


def _play(song: Song, number: int, count: int, band: Band, report: Report, check: Check) -> Audio:
    """Play and mix one track, saying how far the record is."""
    share = _PLAYED / count

    def say(stage: str, within: float) -> None:
        done = (number - 1 + within) * share
        report(Progress(stage=stage, done=done, part=number, parts=count))  # type: ignore[arg-type]

    say("playing", 0.0)
    return produce(song, band.players, check, lambda: say("mixing", 0.6)).audio


def _medley(
    request: AlbumRequest, first: Song, recorded: Sequence[Recorded], version: str, check: Check
) -> bytes:
    """Encode a taste of every track; of it only the first has tempo and key."""
    sound = album.medley([track.stretch for track in recorded])
    tags = Tags(f"{request.title} (medley)", first.bpm, first.key, request.seed, version,
                album=request.title)  # fmt: skip
    return encoding.encode_at(sound, "mp3", _MEDLEY_RATE, tags, check).data


def _tracks(
    songs: Sequence[Song], titles: Sequence[str], recorded: Sequence[Recorded]
) -> list[AlbumTrack]:
    return [
        AlbumTrack(
            number=number,
            title=title,
            bpm=song.bpm,
            key=song.key,
            bars=song.bars,
            duration=round(track.seconds, 3),
        )
        for number, (song, title, track) in enumerate(zip(songs, titles, recorded, strict=True), 1)
    ]


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
