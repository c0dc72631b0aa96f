"""The generation service: every model it holds, how requests get in, and how versions change."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
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
        self._missing: dict[Family, str] = {}
        self._locks = {family: asyncio.Lock() for family in Family}

    async def start(self) -> None:
        """Load the live version of each family; a family that cannot be loaded stays closed."""
        for family in Family:
            try:
                await self.reload(family)
            except Unacceptable as error:
                log.warning("no %s model: %s", family.value, error)

    async def stop(self) -> None:
        """End every engine's threads."""
        if self._beats is not None:
            self._beats.stop()
        if self._essays is not None:
            await asyncio.to_thread(self._essays.stop)

    def essay(self, request: EssayRequest) -> Stream:
        """Queue an essay; raise Unacceptable or Full."""
        if self._essays is None:
            raise Unacceptable(self._missing[Family.ESSAY])
        self._check(self._essays.info(), request.style, request.version)
        return self._essays.open(request)

    def beat(self, request: BeatRequest) -> Stream:
        """Queue a beat; raise Unacceptable or Full."""
        if self._beats is None:
            raise Unacceptable(self._missing[Family.MUSIC])
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
        if self._missing:
            return Health(ok=True, engines=engines, sentence=" ".join(self._missing.values()))
        return Health(ok=True, engines=engines)

    async def reload(self, family: Family) -> Reloaded:
        """Load the family's live version beside the old one and swap; raise Unacceptable.

        Whatever goes wrong, the version held before stays and keeps serving.
        """
        async with self._locks[family]:
            begun = time.monotonic()
            before = self._held(family)
            try:
                version = await asyncio.to_thread(self._load, family, before)
            except Unacceptable as error:
                if before is None:
                    self._missing[family] = str(error)
                raise
            self._missing.pop(family, None)
            seconds = time.monotonic() - begun
        log.info("%s: %s -> %s in %.2f s", family.value, before, version.name, seconds)
        return Reloaded(family=family, before=before, now=version.name, seconds=seconds)

    def _load(self, family: Family, before: str | None) -> Version:
        """Verify and load the live version; runs in a thread."""
        try:
            version = self._registry.resolve(family.value)
        except RegistryError as error:
            raise Unacceptable(f"There is no {family.value} model yet.") from error
        try:
            version.verify()
            if version.name != before:
                self._take_up(family, version)
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except Exception as error:
            log.exception("%s %s cannot be loaded", family.value, version.name)
            raise Unacceptable(
                f"{family.value} {version.name} cannot be loaded, so the model in use stays."
                if before
                else f"{family.value} {version.name} cannot be loaded."
            ) from error
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
        if version is not None and version != model.version:
            aliases = self._registry.aliases(model.family.value)
            if aliases.get(version) != model.version:
                raise Unacceptable(
                    f"The {model.family.value} model {version!r} is not in use; {model.version} is."
                )

    def _named(self, model: ModelInfo) -> ModelInfo:
        aliases = self._registry.aliases(model.family.value)
        names = sorted(alias for alias, name in aliases.items() if name == model.version)
        return model.model_copy(update={"aliases": tuple(names)})

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
