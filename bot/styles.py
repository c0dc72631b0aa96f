"""The styles the models can write and play in, kept at hand so that nobody waits for them."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Protocol

import structlog

from bot.parameters import FAMILY, Kind
from models.client import GenerationError
from models.contract import Family, ModelInfo, Models, StyleInfo
from models.registry import MANIFEST, SHIPPED

log = structlog.get_logger()

REFRESH_SECONDS = 30.0
#: What a model calls the manner of files without a style: a community's own texts and songs, or,
#: of a shipped model, the loose files of its corpus.
OWN = "own"


class ModelSource(Protocol):
    """Whoever knows the models: the generation client."""

    async def models(self) -> Models:
        """List the models the service holds."""


class Styles:
    """The last list of models the service gave."""

    def __init__(self, source: ModelSource, shipped: Path = SHIPPED) -> None:
        self._source = source
        self._shipped = shipped
        self._models: dict[Family, ModelInfo] = {}
        #: Families whose model is a shipped one: nobody here has taught it a style.
        self._loose: frozenset[Family] = frozenset()

    async def refresh(self) -> bool:
        """Ask the service; False when it did not answer, and the old list stays."""
        try:
            listed = await self._source.models()
        except GenerationError as error:
            log.debug("styles.unavailable", why=error.sentence)
            return False
        # Of each family the live version comes first.
        self._models = {model.family: model for model in reversed(listed.models)}
        self._loose = await asyncio.to_thread(self._families_shipped)
        return True

    def _families_shipped(self) -> frozenset[Family]:
        return frozenset(
            family
            for family, model in self._models.items()
            if (self._shipped / family.value / model.version / MANIFEST).is_file()
        )

    async def keep(self) -> None:
        """Refresh for ever."""
        while True:
            fresh = await self.refresh()
            await asyncio.sleep(REFRESH_SECONDS if fresh else 1.0)

    def model(self, kind: Kind) -> ModelInfo | None:
        """Describe the model of a kind; None while the service has not answered."""
        return self._models.get(FAMILY[kind])

    def of(self, kind: Kind) -> tuple[StyleInfo, ...]:
        """List the styles of a kind; empty while the service has not answered."""
        model = self.model(kind)
        return model.styles if model else ()

    def offered(self, kind: Kind) -> tuple[StyleInfo, ...]:
        """List those that mean something to people; the others are known, but not shown."""
        if FAMILY[kind] not in self._loose:
            return self.of(kind)
        return tuple(style for style in self.of(kind) if style.name != OWN)

    def find(self, kind: Kind, name: str) -> str | None:
        """Give the style's own spelling; None for an unknown one."""
        wanted = name.strip().casefold()
        return next((s.name for s in self.of(kind) if s.name.casefold() == wanted), None)
