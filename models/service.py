"""The generation service: every model it holds, how requests get in, and how versions change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.contract import (
    KEYS,
    BeatRequest,
    EngineHealth,
    EssayRequest,
    Family,
    Health,
    ModelInfo,
    Models,
    Reloaded,
)
from models.desks import BeatDesk, BeatModel, EssayDesk, EssayModel, Stream
from models.essay.engine import EssayEngine
from models.music.studio import BeatStudio
from models.registry import Registry, RegistryError, Version

log = logging.getLogger(__name__)

#: An engine that has work but has made no step for this long is stuck.
STUCK_SECONDS = 30.0


class Unacceptable(Exception):
    """The request or the version is wrong; the message is one plain sentence."""


@dataclass(frozen=True)
class Makers:
    """How the engines are made; tests put smaller ones in."""

    essay: Callable[[], EssayModel]
    music: Callable[[], BeatModel]

    @classmethod
    def real(cls, device: str = "auto", soundfont: Path | None = None) -> Makers:
        """Make the real engines on a device."""
        return cls(
            essay=lambda: EssayEngine(device=device),
            music=lambda: BeatStudio(device=device, soundfont=soundfont),
        )


class GenerationService:
    """Holds one desk for each family that has a version; lives on one event loop."""

    def __init__(
        self, registry: Registry, makers: Makers, *, stuck_seconds: float = STUCK_SECONDS
    ) -> None:
        self._registry = registry
        self._makers = makers
        self._stuck_seconds = stuck_seconds
        self._essays: EssayDesk | None = None
        self._beats: BeatDesk | None = None
        self._remarks: dict[Family, str] = {}
        self._locks = {family: asyncio.Lock() for family in Family}

    async def start(self) -> None:
        """Load the live version of each family, or the one before it if that is damaged."""
        for family in Family:
            try:
                await self.reload(family)
            except Unacceptable as error:
                log.error("live %s model not loaded: %s", family.value, error)
                with suppress(Unacceptable):
                    instead = await self.reload(family, "previous")
                    self._remarks[family] = f"{error} {instead.now} is used instead."

    async def stop(self) -> None:
        """End every engine's threads."""
        if self._beats is not None:
            self._beats.stop()
        if self._essays is not None:
            await asyncio.to_thread(self._essays.stop)

    def essay(self, request: EssayRequest) -> Stream:
        """Queue an essay; raise Unacceptable or Full."""
        if self._essays is None:
            raise Unacceptable(self._remarks[Family.ESSAY])
        self._check(self._essays.info(), request.style, request.version)
        return self._essays.open(request)

    def beat(self, request: BeatRequest) -> Stream:
        """Queue a beat; raise Unacceptable or Full."""
        if self._beats is None:
            raise Unacceptable(self._remarks[Family.MUSIC])
        self._check(self._beats.info(), request.style, request.version)
        if request.key is not None and request.key not in KEYS:
            raise Unacceptable(f"{request.key!r} is not a key; try 'C minor' or 'F# major'.")
        return self._beats.open(request)

    def models(self) -> Models:
        """List what is held, with the aliases that point at it."""
        return Models(models=tuple(self._named(desk.info()) for desk in self._desks()))

    def health(self) -> Health:
        """Say whether every engine that has work moves, and which does not."""
        engines = tuple(self._judge(desk.health()) for desk in self._desks())
        stuck = [engine.family.value for engine in engines if not engine.ok]
        if stuck:
            names = " and the ".join(stuck)
            return Health(ok=False, engines=engines, sentence=f"The {names} model does not move.")
        if self._remarks:
            return Health(ok=True, engines=engines, sentence=" ".join(self._remarks.values()))
        return Health(ok=True, engines=engines)

    async def reload(self, family: Family, ref: str = "live") -> Reloaded:
        """Load a version of the family beside the old one and swap; raise Unacceptable.

        Whatever goes wrong, the version held before stays and keeps serving.
        """
        async with self._locks[family]:
            begun = time.monotonic()
            before = self._held(family)
            try:
                version = await asyncio.to_thread(self._load, family, ref, before)
            except Unacceptable as error:
                if before is None:
                    self._remarks[family] = str(error)
                raise
            self._remarks.pop(family, None)
            seconds = time.monotonic() - begun
        log.info("%s: %s -> %s in %.2f s", family.value, before, version.name, seconds)
        return Reloaded(family=family, before=before, now=version.name, seconds=seconds)

    def _load(self, family: Family, ref: str, before: str | None) -> Version:
        """Verify and load a version; runs in a thread."""
        try:
            if not self._registry.versions(family.value):
                raise Unacceptable(f"There is no {family.value} model yet.")
            version = self._registry.resolve(family.value, ref)
            version.verify()
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except (OSError, ValueError) as error:
            raise Unacceptable(f"The {family.value} models cannot be read.") from error
        try:
            if version.name != before:
                self._take_up(family, version)
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except Exception as error:
            log.exception("%s %s cannot be loaded", family.value, version.name)
            raise Unacceptable(f"{family.value} {version.name} cannot be loaded.") from error
        return version

    def _take_up(self, family: Family, version: Version) -> None:
        if family is Family.ESSAY:
            essays = self._essays or EssayDesk(self._makers.essay())
            essays.load(version)
            self._essays = essays
        else:
            beats = self._beats or BeatDesk(self._makers.music())
            beats.load(version)
            self._beats = beats

    def _check(self, model: ModelInfo, style: str | None, version: str | None) -> None:
        """Refuse a style or a version that the model does not have."""
        styles = [known.name for known in model.styles]
        if style is not None and style not in styles:
            raise Unacceptable(f"There is no style called {style!r}; choose {_either(styles)}.")
        if version is None:
            return
        if self._aliases(model.family).get(version, version) != model.version:
            raise Unacceptable(
                f"The {model.family.value} model {version!r} is not in use; {model.version} is."
            )

    def _named(self, model: ModelInfo) -> ModelInfo:
        aliases = self._aliases(model.family)
        names = sorted(alias for alias, name in aliases.items() if name == model.version)
        return model.model_copy(update={"aliases": tuple(names)})

    def _aliases(self, family: Family) -> dict[str, str]:
        """Read the aliases of a family; none while their file is broken."""
        try:
            return self._registry.aliases(family.value)
        except (OSError, ValueError):
            return {}

    def _judge(self, engine: EngineHealth) -> EngineHealth:
        working = engine.active + engine.waiting > 0
        stuck = working and engine.idle_seconds > self._stuck_seconds
        return engine.model_copy(update={"ok": engine.ok and not stuck})

    def _held(self, family: Family) -> str | None:
        desk = self._essays if family is Family.ESSAY else self._beats
        return desk.info().version if desk is not None else None

    def _desks(self) -> list[EssayDesk | BeatDesk]:
        return [desk for desk in (self._essays, self._beats) if desk is not None]


def _either(names: list[str]) -> str:
    """Join names for a sentence: ``a, b or c``."""
    if len(names) < 2:
        return "".join(names) or "none"
    return f"{', '.join(names[:-1])} or {names[-1]}"
