from __future__ import annotations

import subprocess
import sys

import pytest

from models.memory import give_back

#: Fills the heap with blocks too small to be mapped alone, frees nearly all, and looks.
SCATTERED = """
from models.memory import give_back, share_heaps
def resident():
    with open("/proc/self/status") as file:
        return next(int(line.split()[1]) for line in file if line.startswith("VmRSS")) // 1024
assert share_heaps()
blocks = [bytearray(b"x") * 60_000 for _ in range(2000)]
kept, full = blocks[::50], resident()
del blocks
held = resident()
assert give_back()
print(full, held, resident())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="only glibc can be told")
def test_what_is_free_goes_back_to_the_system() -> None:
    done = subprocess.run([sys.executable, "-c", SCATTERED], capture_output=True, check=True)
    full, held, after = map(int, done.stdout.split())
    assert full > 110 and held > 100  # free, and yet held
    assert after < full - 90


def test_where_there_is_no_say_nothing_happens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("models.memory._function", lambda name: None)
    assert not give_back()
