"""The models of a service: found in the registry, loaded at a family's desk, kept on the shelf."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from models.acceptance import Unacceptable
from models.contract import Family, ModelInfo, Models, Reloaded
from models.desks import BeatDesk, BeatModel, EssayDesk, EssayModel
from models.essay.engine import EssayEngine
from models.music.soundfont import SoundFontError
from models.music.studio import BeatStudio
from models.pool import step_back
from models.registry import Registry, RegistryError, Version
from models.shelf import Shelf

log = logging.getLogger(__name__)

#: What the versions of all families may take together.
MEMORY_MB = 1024.0
#: Loading makes way for those who write and play.
LOADER_NICENESS = 5
#: How often, and how long after each other, the engine is asked whether it has stepped.
STEP_CHECKS, STEP_SECONDS = 50, 0.02
LIVE, PREVIOUS = "live", "previous"


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


Desk = EssayDesk | BeatDesk


class Library:
    """Holds one desk for each family that has a version; lives on one event loop."""

    def __init__(self, registry: Registry, makers: Makers, memory_mb: float = MEMORY_MB) -> None:
        """Load nothing yet; ``memory_mb`` is for the versions of all families together."""
        self.shelf = Shelf(memory_mb)
        self.essays: EssayDesk | None = None
        self.beats: BeatDesk | None = None
        self.remarks: dict[Family, str] = {}  # why a family has no desk, or an older version
        self._registry = registry
        self._makers = makers
        self._locks = {family: asyncio.Lock() for family in Family}
        self._loader = ThreadPoolExecutor(
            len(Family), "loader", initializer=step_back, initargs=(LOADER_NICENESS,)
        )
        self._known: dict[tuple[Family, str], str] = {}  # what each reloaded alias stood for

    async def start(self) -> None:
        """Load the live version of each family, or the one before it if that is damaged."""
        for family in Family:
            try:
                await self.reload(family)
            except Unacceptable as error:
                log.error("live %s model not loaded: %s", family.value, error)
                with suppress(Unacceptable):
                    instead = await self.reload(family, PREVIOUS)
                    self.remarks[family] = f"{error} {instead.now} is used instead."

    async def stop(self) -> None:
        """End every engine's threads."""
        self._loader.shutdown(wait=False, cancel_futures=True)
        if self.beats is not None:
            self.beats.stop()
        if self.essays is not None:
            await asyncio.to_thread(self.essays.stop)

    def desk(self, family: Family) -> Desk:
        """Give the desk of a family; raise Unacceptable."""
        desk = self.essays if family is Family.ESSAY else self.beats
        if desk is None:
            raise Unacceptable(f"There is no {family.value} model yet.")
        return desk

    def desks(self) -> list[Desk]:
        """List the desks there are."""
        return [desk for desk in (self.essays, self.beats) if desk is not None]

    def models(self) -> Models:
        """List what is held, of each family the live version first, with its aliases."""
        return Models(
            models=tuple(
                self._named(desk.info(name))
                for desk in self.desks()
                for name in self.shelf.names(desk.family)
            )
        )

    def stands_for(self, family: Family, ref: str | None) -> str | None:
        """Name the version that an alias or a name stands for now; None for the live one."""
        if ref is None or ref == LIVE:
            return None
        name = self._aliases(family).get(ref, ref)
        if (family, name) in self.shelf:
            return name
        try:
            return self._registry.resolve(family.value, ref).name
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except (OSError, ValueError) as error:
            raise Unacceptable(f"The {family.value} models cannot be read.") from error

    async def hold(self, family: Family, name: str) -> None:
        """Load a version beside the others unless it is held; raise Unacceptable."""
        async with self._locks[family]:
            await self._load(family, name)

    async def reload(self, family: Family, ref: str = LIVE) -> Reloaded:
        """Load what an alias stands for beside what is held; raise Unacceptable.

        With ``live`` new requests then get that version. Whatever goes wrong, the version that
        was live before stays and keeps serving.
        """
        async with self._locks[family]:
            begun = time.monotonic()
            live = self.shelf.live(family)
            before = live if ref == LIVE else self._known.get((family, ref))
            try:
                name = await self._load(family, ref)
            except Unacceptable as error:
                if live is None:
                    self.remarks[family] = str(error)
                raise
            if ref == LIVE or live is None:
                self.desk(family).promote(name)
                self.shelf.make_live(family, name)
                self.remarks.pop(family, None)
            self._known[family, ref] = name
            seconds = time.monotonic() - begun
            stall = await self._stall(family, begun)
        log.info("%s %s: %s -> %s in %.2f s", family.value, ref, before, name, seconds)
        return Reloaded(family=family, before=before, now=name, seconds=seconds, stall=stall)

    async def _load(self, family: Family, ref: str) -> str:
        """Verify a version and load it unless it is held; raise Unacceptable. Needs the lock."""
        loop = asyncio.get_running_loop()
        try:
            version = await loop.run_in_executor(self._loader, self._find, family, ref)
            if (family, version.name) in self.shelf:
                return version.name
            desk, size = await loop.run_in_executor(self._loader, self._take_up, family, version)
        except Unacceptable:
            self.shelf.loads[family, "refused"] += 1
            raise
        if isinstance(desk, EssayDesk):
            self.essays = desk
        else:
            self.beats = desk
        self.shelf.loads[family, "done"] += 1
        self.shelf.put(family, version.name, size, lambda: desk.drop(version.name))
        return version.name

    def _find(self, family: Family, ref: str) -> Version:
        """Find a version and check its files; runs in a thread."""
        try:
            if not self._registry.versions(family.value):
                raise Unacceptable(f"There is no {family.value} model yet.")
            version = self._registry.resolve(family.value, ref)
            version.verify()
        except RegistryError as error:
            raise Unacceptable(str(error)) from error
        except (OSError, ValueError) as error:
            raise Unacceptable(f"The {family.value} models cannot be read.") from error
        return version

    def _take_up(self, family: Family, version: Version) -> tuple[Desk, int]:
        """Load a version at the family's desk, a new one if there is none; runs in a thread."""
        try:
            if family is Family.ESSAY:
                essays = self.essays or EssayDesk(self._makers.essay())
                return essays, essays.hold(version)
            beats = self.beats or BeatDesk(self._makers.music())
            return beats, beats.hold(version)
        except (RegistryError, SoundFontError) as error:
            raise Unacceptable(str(error)) from error
        except Exception as error:
            log.exception("%s %s cannot be loaded", family.value, version.name)
            raise Unacceptable(f"{family.value} {version.name} cannot be loaded.") from error

    async def _stall(self, family: Family, begun: float) -> float | None:
        """Measure the slowest step since a moment, the first one after now included."""
        desk, now = self.desk(family), time.monotonic()
        for _ in range(STEP_CHECKS):
            if desk.health().active == 0 or desk.stall(now) is not None:
                break
            await asyncio.sleep(STEP_SECONDS)
        return desk.stall(begun)

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
