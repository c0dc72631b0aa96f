"""Versions made live or taken back by an admin: checked first, then moved, then loaded."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from bot.sentences import Sentence
from models.client import GenerationClient, GenerationRefused, GenerationUnavailable
from models.contract import Family
from models.registry import DamagedVersion, Registry, RegistryError, UnknownVersion, Version

log = structlog.get_logger(__name__)

LIVE, PREVIOUS, CANDIDATE = "live", "previous", "candidate"


class VersionRefused(Exception):
    """A version cannot be used; ``sentence`` says why."""

    def __init__(self, sentence: Sentence) -> None:
        super().__init__(sentence)
        self.sentence = sentence


def alias(style: str | None, name: str) -> str:
    """Name an alias: of the model that every guild shares, or of the style with that key."""
    return name if style is None else f"{style}.{name}"


class Versions:
    """Moves the aliases of the registry, and makes the service follow."""

    def __init__(self, registry: Registry, client: GenerationClient) -> None:
        self._registry = registry
        self._client = client
        self._door = asyncio.Lock()

    async def promote(self, family: Family, style: str | None, name: str, why: str) -> Version:
        """Make a version live; raise VersionRefused, and nothing has changed."""
        async with self._door:
            version = await asyncio.to_thread(self._verified, family, name)
            await self._move(family, style, version, why)
        return version

    async def rollback(self, family: Family, style: str | None, why: str) -> Version:
        """Make the version before the live one live again; raise VersionRefused."""
        async with self._door:
            aliases = await asyncio.to_thread(self._registry.aliases, family.value)
            name = aliases.get(alias(style, PREVIOUS))
            if name is None:
                raise VersionRefused(Sentence("version_first"))
            version = await asyncio.to_thread(self._verified, family, name)
            await self._move(family, style, version, why)
        return version

    def _verified(self, family: Family, name: str) -> Version:
        try:
            version = self._registry.resolve(family.value, name)
            version.verify()
        except DamagedVersion as error:
            log.error("damaged version", reason=str(error))
            raise VersionRefused(Sentence("version_damaged", version=name)) from error
        except UnknownVersion as error:
            raise VersionRefused(Sentence("version_unknown", version=name)) from error
        return version

    async def _move(self, family: Family, style: str | None, version: Version, why: str) -> None:
        """Move the alias and load; go back to what was before if the service refuses."""
        ref = alias(style, LIVE)
        before = await asyncio.to_thread(self._registry.aliases, family.value)
        await asyncio.to_thread(self._registry.move_alias, family.value, ref, version.name, why)
        try:
            await self._client.reload(family, ref)
        except GenerationRefused as error:
            log.error("version refused", version=version.name, reason=error.sentence)
            await asyncio.to_thread(self._back, family, ref, before)
            raise VersionRefused(Sentence("run_unusable", version=version.name)) from error
        except GenerationUnavailable:
            pass  # the alias has moved: the service takes it when it comes back

    def _back(self, family: Family, ref: str, before: dict[str, str]) -> None:
        """Restore the aliases that a move has changed."""
        previous = ref.removesuffix(LIVE) + PREVIOUS
        with suppress(RegistryError):
            for name in (ref, previous):  # in this order: moving live moves previous, too
                if name in before:
                    self._registry.move_alias(family.value, name, before[name], "refused")
                else:
                    self._registry.drop_alias(family.value, name, "refused")
