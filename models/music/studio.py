"""The beat studio: one request in, one finished take out, on the version that is loaded."""

from __future__ import annotations

import base64
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from models.contract import (
    KEYS,
    AlbumRequest,
    AlbumTake,
    AudioFormat,
    BeatRequest,
    BeatTake,
    Family,
    ModelInfo,
    Progress,
    StyleInfo,
)
from models.music import encoding, mixer, multitrack, picture, record, stems
from models.music.arranger import Streams, Wish, compose
from models.music.encoding import Tags
from models.music.gan import CONFIG, Generator, load_generator
from models.music.mixer import Mixed
from models.music.record import Band
from models.music.sample import Sample, read_sample
from models.music.song import Song, to_midi
from models.music.styles import style_of
from models.music.voices import Players
from models.registry import Version

Report = Callable[[Progress], None]
Cancel = Callable[[], bool]
#: Names the tracks of a record that is played in a style.
Namer = Callable[[str, Cancel], Sequence[str]]
_FAVOURITE = "hiphop"
_FORM: dict[AudioFormat, encoding.Form] = {
    AudioFormat.MP3: "mp3",
    AudioFormat.OGG: "ogg",
    AudioFormat.WAV: "wav",
    AudioFormat.FLAC: "flac",
}


class Cancelled(Exception):
    """The caller no longer wants the take."""


@dataclass(frozen=True)
class _Sounds:
    """What is heard of a song: the mix as a file, and its parts."""

    mixed: Mixed | None = None
    encoded: encoding.Encoded | None = None
    parts: bytes | None = None


@dataclass(frozen=True)
class _Loaded:
    """A version with everything read from it."""

    version: Version
    generator: Generator
    styles: tuple[StyleInfo, ...]
    parameters: int


class BeatStudio:
    """Makes beats; safe to share by threads. A take keeps the version it began with.

    Phrases are made in milliseconds on a CPU and sound is made with numpy, so ``device`` is taken
    for likeness with other engines and everything runs on the CPU.
    """

    def __init__(self, *, device: str = "auto", soundfont: Path | None = None) -> None:
        self.device = "cpu"
        self._players = Players(soundfont)
        self._held: dict[str, _Loaded] = {}
        self._live: _Loaded | None = None
        self._in_flight: Counter[str] = Counter()

    def hold(self, version: Version) -> int:
        """Check, read and try a version beside the others; raises RegistryError when damaged.

        Gives the bytes it takes.
        """
        version.verify()
        config = version.read_json(CONFIG)
        generator = load_generator(version.path)
        parameters = sum(p.numel() for p in generator.parameters())
        loaded = _Loaded(version, generator, _styles(config), parameters)
        compose(generator, Wish(_default_style(loaded), seed=0, bars=4))
        self._held[version.name] = loaded
        kept = [*generator.parameters(), *generator.buffers()]
        return sum(tensor.nbytes for tensor in kept)

    def promote(self, name: str) -> None:
        """Give a version that is held to the beats that ask for none."""
        self._live = self._held[name]

    def drop(self, name: str) -> None:
        """Let a version go; takes in the making keep theirs."""
        self._held.pop(name, None)

    def load(self, version: Version) -> None:
        """Hold a version in the place of the live one, which leaves."""
        self.hold(version)
        before, self._live = self._live, self._held[version.name]
        if before is not None and before.version.name != version.name:
            self.drop(before.version.name)

    def info(self, name: str | None = None) -> ModelInfo:
        """Describe a version that is held, or the live one."""
        loaded = self._asked(name)
        return ModelInfo(
            family=Family.MUSIC,
            version=loaded.version.name,
            styles=loaded.styles,
            default_style=_default_style(loaded),
            parameters=loaded.parameters,
            licence=str(loaded.version.manifest.get("licence", "unknown")),
            device=self.device,
            in_flight=self._in_flight[loaded.version.name],
        )

    def make(self, request: BeatRequest, report: Report, cancelled: Cancel) -> BeatTake:
        """Make a take; raises ValueError for a wrong wish and Cancelled when asked to stop."""
        started, loaded = time.monotonic(), self._asked(request.version)

        def check() -> None:
            if cancelled():
                raise Cancelled

        self._in_flight[loaded.version.name] += 1
        try:
            return self._make(request, loaded, report, check, started)
        finally:
            self._in_flight[loaded.version.name] -= 1

    def press(
        self, request: AlbumRequest, namer: Namer, report: Report, cancelled: Cancel
    ) -> AlbumTake:
        """Make a record; raises as ``make`` does."""
        loaded = self._asked(request.version)
        style = _style(request.style, request.seed, loaded)

        def check() -> None:
            if cancelled():
                raise Cancelled

        self._in_flight[loaded.version.name] += 1
        try:
            band = Band(loaded.generator, loaded.version.name, self._players)
            name = partial(namer, style, cancelled)
            return record.make(request, style, band, name, report, check)
        finally:
            self._in_flight[loaded.version.name] -= 1

    def _make(
        self, request: BeatRequest, loaded: _Loaded, report: Report,
        check: Callable[[], None], started: float,
    ) -> BeatTake:  # fmt: skip
        report(Progress(stage="planning", done=0))
        wish = _wish(request, loaded, check)
        song = compose(loaded.generator, wish, check)
        title = f"{song.style.name} beat {song.seed}"
        midi = to_midi(song, title)
        check()
        image = picture.draw(song, title)
        check()
        sounds = self._sounds(request, song, title, loaded.version.name, report, check)
        report(Progress(stage="encoding", done=1))
        return _take(song, loaded.version.name, midi, image, sounds, started)

    def _sounds(
        self, request: BeatRequest, song: Song, title: str, version: str, report: Report,
        check: Callable[[], None],
    ) -> _Sounds:  # fmt: skip
        """Play, mix and encode what was asked for; the parts are taken before they are summed."""
        wants_mix = request.format is not AudioFormat.MID
        if not (wants_mix or request.stems):
            return _Sounds()
        report(Progress(stage="playing", done=0.15))
        played = stems.record(song, self._players, check)
        report(Progress(stage="mixing", done=0.45))
        faded = mixer.balance(song, played, check)
        parts: bytes | None = None
        if request.stems:
            parts = multitrack.pack(song, faded, title, version, request.max_bytes, check)
        if not wants_mix:
            return _Sounds(parts=parts)
        mixed = mixer.finish(faded, song, check)
        report(Progress(stage="encoding", done=0.8))
        tags = Tags(title, song.bpm, song.key, song.seed, version)
        form = _FORM[request.format]
        encoded = encoding.encode(mixed.audio, form, tags, request.max_bytes, check)
        return _Sounds(mixed, encoded, parts)

    def _asked(self, name: str | None) -> _Loaded:
        loaded = self._held.get(name) if name is not None else self._live
        if loaded is None:
            raise RuntimeError("No music model is loaded." if name is None else f"{name} is gone.")
        return loaded


def _wish(request: BeatRequest, loaded: _Loaded, check: Callable[[], None]) -> Wish:
    """Check a request against the version and settle its style."""
    if request.key is not None and request.key not in KEYS:
        raise ValueError(f"There is no key called {request.key}; write one like A minor.")
    style = _style(request.style, request.seed, loaded)
    sample = _sample(request.sample, check) if request.sample is not None else None
    return Wish(
        style, request.seed, request.bars, request.bpm, request.key, request.variation, sample,
        request.energy,
    )  # fmt: skip


def _sample(text: str, check: Callable[[], None]) -> Sample:
    """Read a sample; audio takes seconds to hear, which may be cut short."""

    def cancelled() -> bool:
        try:
            check()
        except Cancelled:
            return True
        return False

    try:
        return read_sample(text, cancelled)
    finally:
        check()  # whatever the reader made of being stopped


def _style(wanted: str | None, seed: int, loaded: _Loaded) -> str:
    """Settle a style; without a wish the seed chooses."""
    names = [style.name for style in loaded.styles]
    if wanted is None:
        return names[int(Streams(seed, "").of("style").integers(len(names)))]
    if wanted not in names:
        raise ValueError(f"There is no style called {wanted}; try {', '.join(names)}.")
    return wanted


def _take(
    song: Song, version: str, midi: bytes, image: bytes, sounds: _Sounds, started: float
) -> BeatTake:
    mixed, encoded = sounds.mixed, sounds.encoded
    return BeatTake(
        style=song.style.name,
        bpm=song.bpm,
        bars=song.bars,
        key=song.key,
        seed=song.seed,
        model_version=version,
        sections=song.section_names(),
        duration=round(mixed.seconds if mixed else song.seconds, 3),
        format=_format(encoded),
        audio=_text(encoded.data) if encoded else None,
        midi=_text(midi),
        picture=_text(image),
        stems=_text(sounds.parts) if sounds.parts else None,
        loudness=round(mixed.loudness, 2) if mixed else None,
        true_peak=round(mixed.true_peak, 2) if mixed else None,
        seconds=round(time.monotonic() - started, 3),
    )


def _format(encoded: encoding.Encoded | None) -> AudioFormat:
    return AudioFormat(encoded.format) if encoded else AudioFormat.MID


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def _styles(config: dict[str, Any]) -> tuple[StyleInfo, ...]:
    """List what a version can play: the styles its corpus had music for, described."""
    descriptions = config.get("descriptions") or {}
    names = [name for name in config["styles"] if name in (config.get("masks") or config["styles"])]
    return tuple(
        StyleInfo(name=n, description=descriptions.get(n) or style_of(n).description) for n in names
    )


def _default_style(loaded: _Loaded) -> str:
    names = [style.name for style in loaded.styles]
    return _FAVOURITE if _FAVOURITE in names else names[0]
