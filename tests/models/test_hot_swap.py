"""The hot swap benchmark on a tiny model: what the readers must never notice."""

from __future__ import annotations

import shutil
from pathlib import Path

from benchmarks.hot_swap import measure, prepare
from models.registry import Registry
from tests.service_fixtures import served


async def test_a_swap_under_load_fails_and_mixes_nothing(
    tiny_registry: Path, tmp_path: Path
) -> None:
    registry, names = prepare(Registry(tiny_registry, None), tmp_path / "registry")
    with served(tmp_path / "registry", tmp_path) as url:
        figures = await measure(url, registry, names, streams=16, words=50)
    assert isinstance(figures["essays"], int) and figures["essays"] >= 32
    assert figures["failed"] == 0
    assert figures["mixed"] == 0
    counts = figures["by_version"]
    assert isinstance(counts, dict)
    assert counts[names[1]] > 0
    assert figures["versions_differ"]
    for stall in ("stall_beyond_a_step_ms", "rollback_stall_beyond_a_step_ms"):
        assert isinstance(figures[stall], float)
    rollback = figures["rollback_s"]
    assert isinstance(rollback, float) and rollback > 0


def test_two_versions_of_a_registry_are_swapped_as_they_are(
    tiny_registry: Path, tmp_path: Path
) -> None:
    root = tmp_path / "source"
    shutil.copytree(tiny_registry, root)
    source = Registry(root, None)
    live = source.resolve("essay")
    source.publish("essay", "later", live.path, parent=live.name, facts={"seed": 3})
    source.move_alias("essay", "live", "later")
    registry, names = prepare(source, tmp_path / "registry", ("previous", "live"))
    assert names == (live.name, "later") and registry.resolve("essay").name == live.name
    copy = registry.resolve("essay", "later")
    copy.verify()
    assert copy.manifest["seed"] == 3 and copy.parent == live.name
    _, alone = prepare(Registry(tiny_registry, None), tmp_path / "alone", ("previous", "live"))
    assert alone == ("swap-a", "swap-b")
