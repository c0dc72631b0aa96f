"""Versions moved by an admin, against a real registry and a service that can refuse."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot.versions import VersionRefused, Versions
from models.client import GenerationRefused, GenerationUnavailable
from models.contract import Family
from models.registry import Registry, RegistryError

ESSAY = Family.ESSAY


class Service:
    """Stands where the client stands."""

    def __init__(self) -> None:
        self.refs: list[str] = []
        self.error: Exception | None = None

    async def reload(self, family: Family, ref: str = "live") -> None:
        self.refs.append(ref)
        if self.error is not None:
            raise self.error


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    made = tmp_path / "made"
    made.mkdir()
    (made / "config.json").write_text("{}")
    registry = Registry(tmp_path / "registry", None)
    for name in ("e-1", "e-2", "e-3"):
        registry.publish("essay", name, made, parent=None)
    registry.move_alias("essay", "live", "e-1")
    return registry


@pytest.fixture
def service() -> Service:
    return Service()


@pytest.fixture
def versions(registry: Registry, service: Service) -> Versions:
    return Versions(registry, service)  # type: ignore[arg-type]


async def test_live_and_previous_change_places(
    versions: Versions, registry: Registry, service: Service
) -> None:
    await versions.promote(ESSAY, "s7", "e-2", "why")
    with pytest.raises(VersionRefused, match="no earlier version"):
        await versions.rollback(ESSAY, "s7", "why")
    await versions.promote(ESSAY, "s7", "e-3", "why")
    assert (await versions.rollback(ESSAY, "s7", "why")).name == "e-2"
    assert (await versions.rollback(ESSAY, "s7", "why")).name == "e-3"
    assert registry.aliases("essay") == {"live": "e-1", "s7.live": "e-3", "s7.previous": "e-2"}
    assert service.refs == ["s7.live"] * 4


async def test_damaged_or_unknown_versions_move_nothing(
    versions: Versions, registry: Registry, service: Service
) -> None:
    (registry.resolve("essay", "e-2").path / "config.json").write_text("x")
    for name, sentence in (("e-2", "e-2 is damaged"), ("e-9", "no version called e-9")):
        with pytest.raises(VersionRefused, match=sentence):
            await versions.promote(ESSAY, None, name, "why")
    assert registry.aliases("essay") == {"live": "e-1"} and service.refs == []


@pytest.mark.parametrize("style", [None, "s7"])
async def test_what_the_service_refuses_is_as_if_nothing_had_been(
    versions: Versions, registry: Registry, service: Service, style: str | None
) -> None:
    before = registry.aliases("essay")
    service.error = GenerationRefused("It cannot be loaded.")
    with pytest.raises(VersionRefused, match="e-2 cannot be used"):
        await versions.promote(ESSAY, style, "e-2", "why")
    assert registry.aliases("essay") == before


async def test_a_service_that_is_away_takes_it_later(
    versions: Versions, registry: Registry, service: Service
) -> None:
    service.error = GenerationUnavailable("away")
    await versions.promote(ESSAY, None, "e-2", "why")
    assert registry.aliases("essay")["live"] == "e-2"


def test_an_alias_is_dropped_and_the_version_stays(registry: Registry) -> None:
    registry.move_alias("essay", "s7.live", "e-2")
    registry.drop_alias("essay", "s7.live", "gone")
    registry.drop_alias("essay", "s7.live")
    assert registry.aliases("essay") == {"live": "e-1"}
    assert registry.resolve("essay", "e-2").name == "e-2"
    with pytest.raises(RegistryError):
        registry.drop_alias("essay", "../live")


async def test_what_a_run_made_live_is_loaded_or_taken_back(
    versions: Versions, registry: Registry, service: Service
) -> None:
    registry.move_alias("essay", "live", "e-2")
    await versions.take_up(ESSAY, None, "e-2")
    assert service.refs == ["live"] and registry.aliases("essay")["live"] == "e-2"
    service.error = GenerationRefused("damaged")
    with pytest.raises(VersionRefused):
        await versions.take_up(ESSAY, None, "e-2")
    assert registry.aliases("essay")["live"] == "e-1"
    registry.move_alias("essay", "s3.live", "e-3")
    with pytest.raises(VersionRefused):
        await versions.take_up(ESSAY, "s3", "e-3")
    assert "s3.live" not in registry.aliases("essay")


async def test_a_deleted_style_leaves_no_alias(versions: Versions, registry: Registry) -> None:
    for name in ("e-2", "e-3"):
        registry.move_alias("essay", "s3.live", name)
    registry.move_alias("essay", "s4.live", "e-3")
    await versions.forget(ESSAY, "s3")
    assert not [name for name in registry.aliases("essay") if name.startswith("s3.")]
    assert registry.aliases("essay")["s4.live"] == "e-3"
