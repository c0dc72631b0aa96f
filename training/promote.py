"""The gate between a candidate and the live version, the same for every family."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from models.registry import Registry, Version
from training.runs import Outcome

LIVE = "live"
_ALIAS = re.compile(r"(?:[a-z0-9][a-z0-9._-]{0,48}\.)?live")
MARGIN = 0.02  # of a plain figure's live value


@dataclass(frozen=True)
class Figure:
    """A measured value, which way is better, and how much worse is still the same."""

    value: float
    better: Literal["lower", "higher"] = "lower"
    margin: float | None = None  # absolute; None = MARGIN of the live value

    def is_worse_than(self, live: Figure) -> bool:
        """Tell whether this is worse than a live value by more than the margin."""
        loss = self.value - live.value if self.better == "lower" else live.value - self.value
        margin = MARGIN * abs(live.value) if self.margin is None else self.margin
        return not loss <= margin  # a value that is no number is worse


Figures = Mapping[str, Figure | float]


def judge(candidate: Figures, live: Figures | None) -> list[str]:
    """Say in words every figure in which a candidate is worse than the live version."""
    complaints = []
    for name, value in candidate.items():
        figure = _figure(value)
        if figure.value != figure.value:
            complaints.append(f"{_spoken(name)} could not be measured")
        elif live is not None and name in live and figure.is_worse_than(_figure(live[name])):
            before = _figure(live[name]).value
            complaints.append(f"{_spoken(name)} is {figure.value:.3g} instead of {before:.3g}")
    return complaints


def check_alias(alias: str) -> str:
    """Give an alias that may be promoted to; raise ValueError for any other name."""
    if not _ALIAS.fullmatch(alias):
        raise ValueError(f"{alias!r} cannot be moved: give live, or a name as in s12.live.")
    return alias


def rival(registry: Registry, family: str, alias: str = LIVE) -> Version | None:
    """Find what a candidate is compared with: the alias' version, else the live one, else none."""
    aliases = registry.aliases(family)
    known = next((name for name in (alias, LIVE) if name in aliases), None)
    return registry.resolve(family, known) if known else None


def promote(
    registry: Registry,
    family: str,
    version: Version,
    candidate: Figures,
    live: Figures | None,
    alias: str = LIVE,
) -> Outcome:
    """Move an alias to a version that is nowhere worse than its rival; say so in one sentence."""
    prefix = check_alias(alias).removesuffix(LIVE)
    complaints = judge(candidate, live)
    values = {name: _figure(value).value for name, value in candidate.items()}
    before = {name: _figure(value).value for name, value in (live or {}).items()}
    if complaints:
        sentence = f"The new version {version.name} stays a candidate: {complaints[0]}."
        registry.move_alias(family, f"{prefix}candidate", version.name, why=sentence)
        return Outcome("refused", sentence, version.name, values, before)
    place = f" for {prefix[:-1]}" if prefix else ""
    sentence = f"The new version {version.name} is live{place}{_gain(candidate, live)}."
    registry.move_alias(family, alias, version.name, why=sentence)
    return Outcome("promoted", sentence, version.name, values, before)


def fresh_name(registry: Registry, family: str) -> str:
    """Name the next version of one's own; what ships is named otherwise, also in later releases."""
    prefix = f"{family}-own-"
    ends = [v.name.removeprefix(prefix) for v in registry.versions(family)]
    last = max((int(end) for end in ends if end.isdecimal()), default=0)
    return f"{prefix}{last + 1:04d}"


def _gain(candidate: Figures, live: Figures | None) -> str:
    """Word what the first figure gained."""
    if not live:
        return ""
    name = next((n for n in candidate if n in live), None)
    if name is None:
        return ""
    new, old = _figure(candidate[name]).value, _figure(live[name]).value
    return f": {_spoken(name)} went from {old:.3g} to {new:.3g}"


def _figure(value: Figure | float) -> Figure:
    return value if isinstance(value, Figure) else Figure(float(value))


def _spoken(name: str) -> str:
    return name.replace("_", " ")
