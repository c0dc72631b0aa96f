"""The benchmark of the essay engine, on a tiny model in its smallest setting."""

from __future__ import annotations

import json
from pathlib import Path

from typer.testing import CliRunner

from benchmarks.essay_engine import GOALS, app
from benchmarks.essay_ways import Row
from models.registry import Registry


def test_every_way_is_measured_and_set_beside_the_others(
    tiny_registry: Path, tmp_path: Path
) -> None:
    folder = Registry(tiny_registry, None).resolve("essay").path
    words = ["--streams", "1,2", "--words", "50", "--tokens", "5", "--user-words", "60"]
    words += ["--user-essays", "2", "--out", str(tmp_path / "out.json")]
    result = CliRunner().invoke(app, [str(folder), *words])
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out.json").read_text())
    ways = {row["way"] for row in told["rows"]}
    assert len(ways) == 8
    users = [row for row in told["rows"] if row["way"] == "engine, one user, 60 words"]
    for way in ways - {users[0]["way"]}:
        assert sum(row["way"] == way for row in told["rows"]) == 2
    for row in told["rows"]:
        assert row["tokens_per_second"] > 0
        if row["way"].startswith("engine"):
            assert row["first_words_ms"] > 0 and row["memory_mb"] > 10
            assert row["first_words_ms"] <= 1000 * row["essay_seconds"]
            assert row["ratios"]["nn.LSTM loop"] > 0 and row["ratios"]["memory limit, int8"] > 0
    assert [goal["measured"] for goal in told["goals"]] == [
        users[0]["first_words_ms"],
        users[0]["essay_seconds"],
    ]


def test_goals_are_reached_from_above_or_from_below() -> None:
    alone, together = GOALS["30m"]
    rows = [Row("engine, one candidate", 1, 700.0), Row("engine, one candidate", 8, 9000.0)]
    judged = alone.judged(rows)
    assert judged is not None and judged["reached"] and judged["measured"] == 700
    assert together.judged(rows) is None  # 32 streams were not measured
    first, last = GOALS["own"]
    user = Row("engine, one user, 500 words", 1, 300.0, first_words_ms=151.0, essay_seconds=2.0)
    told = [goal.judged([user]) for goal in (first, last)]
    assert [one["reached"] for one in told if one] == [False, True]
