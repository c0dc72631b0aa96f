from __future__ import annotations

import pytest

from models.contract import Family
from models.shelf import MEGABYTE, Shelf

ESSAY, MUSIC = Family.ESSAY, Family.MUSIC


class Memory:
    """A shelf for two megabytes, and what left it."""

    def __init__(self) -> None:
        self.shelf = Shelf(2)
        self.gone: list[str] = []

    def put(self, name: str, family: Family = ESSAY) -> None:
        self.shelf.put(family, name, MEGABYTE, lambda: self.gone.append(name))


@pytest.fixture
def memory() -> Memory:
    return Memory()


def test_the_longest_unused_leaves_first(memory: Memory) -> None:
    memory.put("a")
    memory.put("b")
    memory.shelf.use(ESSAY, "a")()
    memory.put("c")
    assert memory.gone == ["b"]
    assert memory.shelf.names(ESSAY) == ["c", "a"]
    assert memory.shelf.evictions[ESSAY] == 1


def test_the_live_version_never_leaves(memory: Memory) -> None:
    memory.put("live")
    memory.shelf.make_live(ESSAY, "live")
    for name in ("a", "b", "c"):
        memory.put(name)
    assert memory.gone == ["a", "b"]
    assert memory.shelf.names(ESSAY) == ["live", "c"]


def test_a_version_that_a_request_needs_leaves_after_it(memory: Memory) -> None:
    memory.put("a")
    done = memory.shelf.use(ESSAY, "a")
    memory.put("b", MUSIC)
    again = memory.shelf.use(MUSIC, "b")
    memory.put("c")
    assert memory.gone == []
    done()
    assert memory.gone == ["a"]
    again()
    assert (MUSIC, "b") in memory.shelf


def test_a_version_larger_than_everything_allowed_stays_for_whom_it_came() -> None:
    gone: list[str] = []
    shelf = Shelf(0)
    shelf.put(ESSAY, "large", 5, lambda: gone.append("large"))
    assert (ESSAY, "large") in shelf
    shelf.put(ESSAY, "next", 5, lambda: gone.append("next"))
    assert gone == ["large"]
    assert list(shelf.sizes()) == [(ESSAY, 1, 5), (MUSIC, 0, 0)]
