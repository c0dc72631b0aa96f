"""The table of faults in docs/operating.md names tests that there are."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_every_fault_of_the_table_is_shown_by_a_test() -> None:
    text = (ROOT / "docs" / "operating.md").read_text(encoding="utf-8")
    table = text.split("## What can go wrong\n")[1]
    rows = [line for line in table.splitlines() if line.startswith("| ")][1:]
    assert len(rows) > 40
    for row in rows:
        named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", row)
        assert named, row
        for path, test in named:
            code = (ROOT / path).read_text(encoding="utf-8")
            assert re.search(rf"def {test}\b" if test else "def test_", code), f"{path}::{test}"
