"""Versions made live or taken back: checked first, then moved, then loaded."""

from __future__ import annotations

import asyncio
from contextlib import suppress

import structlog

from bot.sentences import Objection, Sentence
from models.client import GenerationClient, GenerationRefused, GenerationUnavailable
from models.contract import Family
from models.registry import DamagedVersion, Registry, RegistryError, UnknownVersion, Version

log = structlog.get_logger(__name__)

LIVE, PREVIOUS, CANDIDATE = ALIASES = ("live", "previous", "candidate")
#: How long to wait for a service that is away before what a run made live is left to it.
RELOAD_PAUSES = (2.0, 5.0, 10.0, 30.0)


class VersionRefused(Objection):
    """A version cannot be used."""


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

    async def take_up(self, family: Family, style: str | None, name: str) -> None:
        """Load what a run has made live; raise VersionRefused, and the version before is live."""
        for pause in (*RELOAD_PAUSES, None):
            try:
                await self._client.reload(family, alias(style, LIVE))
                return
            except GenerationRefused as error:
                log.error("new version refused", version=name, reason=error.sentence)
                await asyncio.to_thread(self._take_back, family, style, error.sentence)
                raise VersionRefused(Sentence("run_unusable", version=name)) from error
            except GenerationUnavailable:
                if pause is not None:
                    await asyncio.sleep(pause)
        # The alias has moved: the service takes the new version when it comes back.

    def _take_back(self, family: Family, style: str | None, why: str) -> None:
        """Let the version before serve again; a style's first version leaves nobody behind."""
        try:
            self._registry.rollback(family.value, why, style)
        except RegistryError:
            with suppress(RegistryError):
                self._registry.drop_alias(family.value, alias(style, LIVE), why)

    async def forget(self, family: Family, style: str) -> None:
        """Drop the aliases of a deleted style; its versions stay for what they have made."""
        for name in ALIASES:
            with suppress(RegistryError):
                await asyncio.to_thread(
                    self._registry.drop_alias, family.value, alias(style, name), "style deleted"
                )

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
