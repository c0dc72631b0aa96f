"""What the load benchmark says of a crowd: its times, its turns, and what was lost."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import Any

import pytest

from benchmarks.load import A_WHILE, Memory, Plan, audit, fairness, spread, table, times
from benchmarks.town import Asked, _see, quantile
from bot.store import Store
from tests.bot.store.rows import essay


def new(kind: str) -> Any:
    return Asked(kind, 1, 1, at=0.0)


def card(text: str, *acts: str, footer: str = "#1") -> dict[str, Any]:
    buttons = [{"custom_id": f"gw:{act}:1"} for act in acts]
    embed = {"title": "t", "description": text, "footer": {"text": footer}}
    return {"embeds": [embed], "components": [{"components": buttons}]}


def test_a_card_is_read_as_a_person_would() -> None:
    asked = new("essay")
    _see(asked, card("You are next.", "cancel"))
    assert asked.number == 1 and not asked.first_words and not asked.over
    _see(asked, card("The sea ▌", "cancel"))
    assert asked.first_words and not asked.over
    for _ in range(2):  # the same end twice is one
        _see(asked, card("The sea.", "again", footer="200 words · #1"))
    assert asked.over and len(asked.faces) == 1
    _see(asked, card("It failed.", "again"))
    assert len(asked.faces) == 2
    refused = new("beat")
    _see(refused, {"content": "Please wait."})
    assert refused.over and not refused.number


def test_figures_are_what_they_are_called() -> None:
    assert quantile([], 0.5) is None and quantile(range(100), 0.99) == 99
    assert spread([1.0, 2.0, 4.0]) == {"p50": 2.0, "p99": 4.0, "max": 4.0}
    asked = [Asked("essay", n, 0, 10.0, acknowledged=10.5, ended=12.0 + n) for n in range(3)]
    assert times(asked)["essay_result_s"] == {"p50": 3.0, "p99": 4.0, "max": 4.0}
    assert times(asked)["acknowledged_s"]["p99"] == 0.5
    waits = fairness({1: [2.0, 2.0], 2: [2.0, 10.0]})
    assert waits["largest_wait_ratio"] == 5.0
    assert waits["largest_wait_ratio_of_a_user"] == 1.5
    assert "| wait s | p50 2.0" in table(waits)


def test_memory_is_that_of_the_process_and_of_its_children() -> None:
    code = "import os; keep = b'x' * 50_000_000; os.write(1, b'.'); os.read(0, 1)"
    child = subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    assert child.stdout is not None and child.stdin is not None
    with child:
        child.stdout.read(1)
        memory = Memory(os.getpid())
        memory.look(A_WHILE - 1)
        assert set(memory.figures()["service_memory_mb"]) == {"start", "most"}
        memory.look(A_WHILE)
        child.stdin.close()
    seen = memory.figures()
    assert set(seen["bot_memory_mb"]) == {"start", "most", f"after_{A_WHILE}"}
    assert seen["service_memory_mb"][f"after_{A_WHILE}"] >= 50


def test_a_plan_turns_nobody_away(tmp_path: Any) -> None:
    settings = Plan(requests=7).settings(tmp_path, "sqlite://")
    assert settings["user_open_limit"] == settings["queue_limit"] == 7


@pytest.mark.parametrize("over", [True, False])
async def test_what_nobody_ended_is_lost(sqlite_store: Store, sqlite_url: str, over: bool) -> None:
    made = await sqlite_store.requests.create(essay(1))
    claimed = await sqlite_store.requests.claim({"discord"}, "w")
    assert claimed is not None
    asked = Asked("essay", 1, 1, 0.0, acknowledged=1.0, number=made.id)
    if over:
        await sqlite_store.requests.finish(claimed, 5)
        asked.ended = 2.0
    figures = await audit([asked, Asked("essay", 2, 1, 0.0)], sqlite_url)
    assert figures["lost"] == (0 if over else 1) and figures["unanswered"] == 1
    assert figures["states"] == {"done" if over else "running": 1}
