from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from models.registry import (
    MANIFEST,
    DamagedVersion,
    Registry,
    RegistryError,
    UnknownVersion,
    Version,
)


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    """A writable registry over a shipped one that holds essay e-0, which is live."""
    shipped = Registry(tmp_path / "shipped", None)
    put(shipped, tmp_path, "e-0")
    shipped.move_alias("essay", "live", "e-0")
    return Registry(tmp_path / "own", tmp_path / "shipped")


def put(registry: Registry, tmp_path: Path, name: str, parent: str | None = None) -> Version:
    folder = tmp_path / "made" / name
    (folder / "deep").mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"name": name}))
    (folder / "deep" / "weights").write_bytes(name.encode() * 100)
    return registry.publish("essay", name, folder, parent=parent, facts={"licence": "MIT"})


def test_shipped_and_own_versions_are_one_list(registry: Registry, tmp_path: Path) -> None:
    put(registry, tmp_path, "e-1", parent="e-0")
    assert [version.name for version in registry.versions("essay")] == ["e-0", "e-1"]
    assert registry.resolve("essay", "e-1").parent == "e-0"
    assert registry.resolve("essay", "e-1").read_json("config.json") == {"name": "e-1"}
    assert registry.families() == ["essay"]


def test_moving_live_overrides_the_shipped_alias_and_remembers_it(
    registry: Registry, tmp_path: Path
) -> None:
    put(registry, tmp_path, "e-1")
    assert registry.resolve("essay").name == "e-0"
    registry.move_alias("essay", "live", "e-1", "better by 3 %")
    assert registry.aliases("essay") == {"live": "e-1", "previous": "e-0"}
    history = (tmp_path / "own" / "essay" / "history.jsonl").read_text().splitlines()
    assert json.loads(history[-1])["why"] == "better by 3 %"
    assert json.loads((tmp_path / "shipped/essay/aliases.json").read_text()) == {"live": "e-0"}


def test_rollback_goes_back_and_forth(registry: Registry, tmp_path: Path) -> None:
    with pytest.raises(UnknownVersion, match="no earlier"):
        registry.rollback("essay")
    put(registry, tmp_path, "e-1")
    registry.move_alias("essay", "live", "e-1")
    assert registry.rollback("essay").name == "e-0"
    assert registry.rollback("essay").name == "e-1"


def update(registry: Registry, tmp_path: Path, name: str) -> None:
    """Let the shipped root hold another version alone, which is live."""
    assert registry.shipped is not None
    shutil.rmtree(registry.shipped)
    shipped = Registry(registry.shipped, None)
    put(shipped, tmp_path, name)
    shipped.move_alias("essay", "live", name)


def test_an_update_reaches_a_server_whose_style_was_promoted(
    registry: Registry, tmp_path: Path
) -> None:
    put(registry, tmp_path, "own-1")
    registry.move_alias("essay", "s12.live", "own-1")
    update(registry, tmp_path, "e-9")
    assert registry.aliases("essay") == {"live": "e-9", "s12.live": "own-1"}


def test_what_an_update_took_away_is_live_no_more(registry: Registry, tmp_path: Path) -> None:
    put(registry, tmp_path, "own-1")
    registry.move_alias("essay", "live", "own-1")
    registry.rollback("essay")
    update(registry, tmp_path, "e-9")
    assert registry.aliases("essay") == {"live": "e-9", "previous": "own-1"}


def test_a_version_is_immutable(registry: Registry, tmp_path: Path) -> None:
    version = put(registry, tmp_path, "e-1")
    with pytest.raises(RegistryError, match="e-1 exists already"):
        registry.publish("essay", "e-1", tmp_path / "made" / "e-1", parent=None)
    version.verify()


@pytest.mark.parametrize("file", ["config.json", "deep/weights"])
def test_a_changed_or_lost_file_is_named(registry: Registry, tmp_path: Path, file: str) -> None:
    version = put(registry, tmp_path, "e-1")
    path = version.path / file
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"?")
    with pytest.raises(DamagedVersion, match=f"e-1 is damaged: {file} differs"):
        version.verify()
    path.unlink()
    with pytest.raises(DamagedVersion, match=f"e-1 is damaged: {file} is missing"):
        version.verify()


@pytest.mark.parametrize("broken", ["", "{", "[]", "{}"])
def test_a_broken_manifest_harms_its_own_version_alone(
    registry: Registry, tmp_path: Path, broken: str
) -> None:
    version = put(registry, tmp_path, "e-1")
    (version.path / MANIFEST).write_text(broken)
    with pytest.raises(DamagedVersion, match="e-1 is damaged"):
        registry.resolve("essay", "e-1").verify()
    registry.resolve("essay").verify()


def test_an_alias_can_only_point_at_a_version_that_exists(registry: Registry) -> None:
    with pytest.raises(UnknownVersion, match="no essay model called e-9"):
        registry.move_alias("essay", "live", "e-9")
    assert registry.resolve("essay").name == "e-0"


@pytest.mark.parametrize("name", ["../x", "/etc", "a/b", "", ".", "..", "A", "x" * 65, "a\n"])
def test_names_cannot_leave_the_folder(registry: Registry, tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(RegistryError):
        registry.publish("essay", name, tmp_path / "folder", parent=None)
    with pytest.raises(RegistryError):
        registry.versions(name)
    with pytest.raises(RegistryError):
        registry.move_alias("essay", name, "e-0")


def test_what_a_dead_process_left_is_no_version(registry: Registry, tmp_path: Path) -> None:
    put(registry, tmp_path, "e-1")
    (tmp_path / "own" / "essay" / "e-1").rename(tmp_path / "own" / "essay" / ".e-1.77")
    (tmp_path / "own" / "README.md").touch()
    assert [version.name for version in registry.versions("essay")] == ["e-0"]
    assert registry.families() == ["essay"]


def test_a_registry_without_a_writable_root_is_read_only(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match="read only"):
        put(Registry(None, tmp_path), tmp_path, "e-1")


def test_a_style_has_aliases_and_a_way_back_of_its_own(tmp_path: Path) -> None:
    registry, folder = Registry(tmp_path / "own", shipped=None), tmp_path / "made"
    folder.mkdir()
    (folder / "weights").write_text("x")
    for name in ("base", "first", "second"):
        registry.publish("essay", name, folder, parent=None)
    registry.move_alias("essay", "live", "base")
    registry.move_alias("essay", "s7.live", "first")
    registry.move_alias("essay", "s7.live", "second")

    back = registry.rollback("essay", style="s7")

    assert back.name == "first"
    assert registry.aliases("essay") == {
        "live": "base",
        "s7.live": "first",
        "s7.previous": "second",
    }
