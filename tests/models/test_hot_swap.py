"""The hot swap benchmark on a tiny model: what the readers must never notice."""

from __future__ import annotations

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
    assert figures["essays"] == 32
    assert figures["failed"] == 0
    assert figures["mixed"] == 0
    counts = figures["by_version"]
    assert isinstance(counts, dict)
    assert counts[names[1]] > 0
    assert figures["versions_differ"]
    stall, rollback = figures["stall_beyond_a_step_ms"], figures["rollback_s"]
    assert isinstance(stall, float) and stall >= 0
    assert isinstance(rollback, float) and rollback > 0
