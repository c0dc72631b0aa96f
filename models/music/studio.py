"""The beat studio: one request in, one finished take out, on the version that is loaded."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from models.contract import (
    KEYS,
    AudioFormat,
    BeatRequest,
    BeatTake,
    Family,
    ModelInfo,
    Progress,
    StyleInfo,
)
from models.music import encoding, mixer, multitrack, picture, stems
from models.music.arranger import Streams, Wish, compose
from models.music.encoding import Tags
from models.music.gan import CONFIG, Generator, load_generator
from models.music.mixer import Mixed
from models.music.song import Song, to_midi
from models.music.styles import style_of
from models.music.voices import Players
from models.registry import Version

Report = Callable[[Progress], None]
Cancel = Callable[[], bool]
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
        self._loaded: _Loaded | None = None
        self._in_flight = 0

    def load(self, version: Version) -> None:
        """Check, read and try a version, then swap it in; raises RegistryError when damaged."""
        version.verify()
        config = version.read_json(CONFIG)
        generator = load_generator(version.path)
        parameters = sum(p.numel() for p in generator.parameters())
        loaded = _Loaded(version, generator, _styles(config), parameters)
        compose(generator, Wish(_default_style(loaded), seed=0, bars=4))
        self._loaded = loaded

    def info(self) -> ModelInfo:
        """Describe the loaded version."""
        loaded = self._now()
        return ModelInfo(
            family=Family.MUSIC,
            version=loaded.version.name,
            styles=loaded.styles,
            default_style=_default_style(loaded),
            parameters=loaded.parameters,
            licence=str(loaded.version.manifest.get("licence", "unknown")),
            device=self.device,
            in_flight=self._in_flight,
        )

    def make(self, request: BeatRequest, report: Report, cancelled: Cancel) -> BeatTake:
        """Make a take; raises ValueError for a wrong wish and Cancelled when asked to stop."""
        started, loaded = time.monotonic(), self._now()

        def check() -> None:
            if cancelled():
                raise Cancelled

        self._in_flight += 1
        try:
            return self._make(request, loaded, report, check, started)
        finally:
            self._in_flight -= 1

    def _make(
        self, request: BeatRequest, loaded: _Loaded, report: Report,
        check: Callable[[], None], started: float,
    ) -> BeatTake:  # fmt: skip
        wish = _wish(request, loaded)
        report(Progress(stage="planning", done=0))
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

    def _now(self) -> _Loaded:
        if self._loaded is None:
            raise RuntimeError("No music model is loaded.")
        return self._loaded


def _wish(request: BeatRequest, loaded: _Loaded) -> Wish:
    """Check a request against the version and settle its style."""
    names = [style.name for style in loaded.styles]
    if request.style is not None and request.style not in names:
        raise ValueError(f"There is no style called {request.style}; try {', '.join(names)}.")
    if request.key is not None and request.key not in KEYS:
        raise ValueError(f"There is no key called {request.key}; write one like A minor.")
    style = request.style
    if style is None:
        style = names[int(Streams(request.seed, "").of("style").integers(len(names)))]
    return Wish(style, request.seed, request.bars, request.bpm, request.key, request.variation)


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
