"""A short rehearsal of ``make kills``: the whole bot and its real service, killed under load."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kills import Schedule, rehearse


async def test_killed_under_load_nothing_is_lost_or_doubled(
    sqlite_url: str, tmp_path: Path, tiny_registry: Path
) -> None:
    figures = await rehearse(
        Schedule(kills=2, longest=1.0), tmp_path / "data", sqlite_url, tiny_registry
    )
    assert figures["accepted"] > 0 and figures["restarts"] >= 1
    assert (figures["lost"], figures["doubled"], figures["contradicted"]) == (0, 0, 0)


def test_the_schedule_is_fair_and_the_same_every_time() -> None:
    drawn = Schedule(kills=50).draw()
    assert drawn == Schedule(kills=50).draw() != Schedule(kills=50, seed=6).draw()
    assert sum(kill.victim == "bot" for kill in drawn) == 25 and len(drawn) == 50
    assert any(kill.early for kill in drawn) and max(kill.after for kill in drawn) <= 3
