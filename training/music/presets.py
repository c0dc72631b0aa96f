"""Presets: small TOML overlays on the recipe, the networks' sizes and the loop's plan."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from models.music.codec import CodecConfig
from models.music.gan import GanConfig
from training.loop import Plan
from training.music.batches import Mixing
from training.music.task import Recipe

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

_T = TypeVar("_T", bound="DataclassInstance")
FOLDER = Path(__file__).parents[1] / "presets"


@dataclass(frozen=True)
class Judge:
    """Sizes of the discriminator."""

    width: int = 160
    private: int = 64
    spectral: bool = True
    counts: bool = False  # a head that sees what a musician would count


@dataclass(frozen=True)
class Preset:
    """Everything a run is told apart from its corpus."""

    recipe: Recipe = field(default_factory=Recipe)
    generator: GanConfig = field(default_factory=GanConfig)
    judge: Judge = field(default_factory=Judge)
    plan: Plan = field(default_factory=lambda: Plan(steps=20_000, sample_every=500))
    own_plan: Plan | None = None  # for --continue-from; None: as plan


def read_preset(name: str) -> Preset:
    """Read ``music-<name>.toml``; an unknown name or key raises ValueError with one sentence."""
    path = FOLDER / f"music-{name}.toml"
    if not path.is_file():
        known = ", ".join(sorted(p.stem.removeprefix("music-") for p in FOLDER.glob("music-*")))
        raise ValueError(f"There is no music preset called {name}; there are {known}.")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    mixing = Mixing(**data.pop("mixing", {}))
    codec = data.pop("codec", {})
    if "codes" in codec:
        codec["codes"] = tuple(codec["codes"])
    base = Preset()
    plan = _over(base.plan, data.pop("plan", {}))
    return Preset(
        _over(base.recipe, data.pop("recipe", {}), mixing=mixing),
        _over(base.generator, data.pop("generator", {}), codec=replace(CodecConfig(), **codec)),
        _over(base.judge, data.pop("judge", {})),
        plan,
        _over(plan, data.pop("own", {})),
    )


def _over(base: _T, values: dict[str, Any], **more: Any) -> _T:
    return replace(base, **values, **more)
