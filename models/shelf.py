"""Which versions are held at once, and which one leaves when memory runs short.

The version in use by default never leaves, nor one that a request needs; of the others the one that
nobody has asked for the longest goes first.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from models.contract import Family

MEGABYTE = 2**20


@dataclass
class _Held:
    """One version in memory."""

    size: int  # bytes
    drop: Callable[[], None]
    users: int = 0


class Shelf:
    """Keeps count of what is held, for all families together; lives on one event loop."""

    def __init__(self, budget_mb: float) -> None:
        self._budget = int(budget_mb * MEGABYTE)
        self._held: dict[tuple[Family, str], _Held] = {}  # the longest unused first
        self._live: dict[Family, str] = {}
        self.loads: Counter[tuple[Family, str]] = Counter()  # by family and outcome
        self.evictions: Counter[Family] = Counter()

    def __contains__(self, key: tuple[Family, str]) -> bool:
        return key in self._held

    def live(self, family: Family) -> str | None:
        """Name the version that requests get by default."""
        return self._live.get(family)

    def names(self, family: Family) -> list[str]:
        """Name the versions held, the one in use by default first, then the latest used."""
        found = [name for kind, name in reversed(self._held) if kind is family]
        return sorted(found, key=lambda name: name != self._live.get(family))

    def put(self, family: Family, name: str, size: int, drop: Callable[[], None]) -> None:
        """Take a version of ``size`` bytes in; ``drop`` frees it."""
        self._held[family, name] = _Held(size, drop)
        self._tidy()

    def make_live(self, family: Family, name: str) -> None:
        """Choose the version that requests get by default."""
        self._live[family] = name
        self._touch(family, name)
        self._tidy()

    def use(self, family: Family, name: str) -> Callable[[], None]:
        """Keep a version for one request; the answer is to be called when that has ended."""
        held = self._held[family, name]
        held.users += 1
        self._touch(family, name)

        def done() -> None:
            held.users -= 1
            self._tidy()

        return done

    def sizes(self) -> Iterator[tuple[Family, int, int]]:
        """Yield, for each family, how many versions are held and their bytes."""
        for family in Family:
            held = [v.size for (kind, _), v in self._held.items() if kind is family]
            yield family, len(held), sum(held)

    def _touch(self, family: Family, name: str) -> None:
        self._held[family, name] = self._held.pop((family, name))

    def _tidy(self) -> None:
        """Let versions go until the rest fit; the newest stays at first, for whom it came."""
        newest = next(reversed(self._held), None)
        for key in list(self._held):
            if sum(held.size for held in self._held.values()) <= self._budget:
                return
            held = self._held[key]
            if held.users or key == newest or self._live.get(key[0]) == key[1]:
                continue
            del self._held[key]
            held.drop()
            self.evictions[key[0]] += 1
