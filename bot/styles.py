"""The styles the models can write and play in, kept at hand so that nobody waits for them."""

from __future__ import annotations

import asyncio
from typing import Protocol

import structlog

from bot.parameters import FAMILY, Kind
from models.client import GenerationError
from models.contract import Family, ModelInfo, Models, StyleInfo

log = structlog.get_logger()

REFRESH_SECONDS = 30.0


class ModelSource(Protocol):
    """Whoever knows the models: the generation client."""

    async def models(self) -> Models:
        """List the models the service holds."""


class Styles:
    """The last list of models the service gave."""

    def __init__(self, source: ModelSource) -> None:
        self._source = source
        self._models: dict[Family, ModelInfo] = {}

    async def refresh(self) -> bool:
        """Ask the service; False when it did not answer, and the old list stays."""
        try:
            listed = await self._source.models()
        except GenerationError as error:
            log.debug("styles.unavailable", why=error.sentence)
            return False
        # Of each family the live version comes first.
        self._models = {model.family: model for model in reversed(listed.models)}
        return True

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

    def find(self, kind: Kind, name: str) -> str | None:
        """Give the style's own spelling; None for an unknown one."""
        wanted = name.strip().casefold()
        return next((s.name for s in self.of(kind) if s.name.casefold() == wanted), None)
