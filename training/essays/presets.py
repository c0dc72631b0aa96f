"""What a preset decides: sizes, data, and the phases of training."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from models.essay.lstm import EssayConfig
from training.essays.task import Recipe

FOLDER = Path(__file__).parents[1] / "presets"
Data = Literal["mixture", "essays", "best", "own"]


@dataclass(frozen=True)
class Phase:
    """One phase: what it reads, its share of the time, how it learns."""

    name: str
    data: Data
    share: float  # of the minutes and of the steps
    replay: float = 0.0  # share of general text (of all text, for "own") among the tokens
    keep_best: bool = False  # go on from the best weights instead of the last
    evaluate_every: int | None = None  # steps; None = as the preset says
    sample_every: int | None = None  # likewise
    patience: int | None = None  # looks without a better score after which the phase ends
    temper: bool = False  # go back towards the parent as far as held-out essays like it
    dropout: float = 0.0
    weight_drop: float = 0.0
    recipe: Recipe = field(default_factory=Recipe)


@dataclass(frozen=True)
class Preset:
    """Everything about a training run that is not the corpus."""

    name: str = "cpu"
    steps: int = 40_000  # of all phases together
    minutes: float | None = 110.0
    vocabulary: int = 8192
    embed: int = 256
    hidden: int = 384
    condition: int = 256
    layers: int = 2
    head: int = 2048
    threads: int = 0  # 0 = leave as it is
    warm: float = 1.0  # share of the rates in a warm start
    precision: Literal["no", "bf16"] = "no"  # of the products; weights stay fp32
    minimum_documents: int = 20
    minimum_mark: float = 93.0
    general_chunks: int = 48_000  # pieces of the encyclopedia that are read
    unseen_topics: tuple[str, ...] = (
        "Phones and driving",
        "Cell phones in classrooms",
        "Places to visit",
        "Honesty",
        "Imagination",
        "Lunch menus",
        "Year-round school",
    )
    held_out_share: float = 0.05
    held_out_documents: int = 40  # scored while training, of each set
    evaluate_every: int = 600
    save_every: int = 200
    sample_every: int = 600
    phases: tuple[Phase, ...] = ()
    own_phase: Phase = field(default_factory=lambda: Phase("own", "own", 1.0))  # --continue-from

    def warmed(self) -> Preset:
        """Learn more slowly: the weights that a run begins with have read much."""
        slower = [
            replace(p, recipe=replace(p.recipe, rate=self.warm * p.recipe.rate))
            for p in self.phases
        ]
        return replace(self, phases=tuple(slower), warm=1.0)

    def adapting(self) -> Preset:
        """Split a collection of one's own: it is small, and may be about anything."""
        return replace(self, unseen_topics=(), held_out_share=0.1)

    def config(self, vocabulary: int) -> EssayConfig:
        """Give the model's sizes."""
        return EssayConfig(
            vocab_size=vocabulary,
            embed_size=self.embed,
            hidden_size=self.hidden,
            condition_size=self.condition,
            num_hidden_layers=self.layers,
            head_size=min(self.head, vocabulary // 2),
        )


def read_preset(name: str) -> Preset:
    """Read ``training/presets/essay-<name>.toml`` over the defaults."""
    path = FOLDER / f"essay-{name}.toml"
    if not path.is_file():
        known = ", ".join(
            sorted(p.stem.removeprefix("essay-") for p in FOLDER.glob("essay-*.toml"))
        )
        raise ValueError(f"There is no preset {name}; there are: {known}.")
    data = tomllib.loads(path.read_text(encoding="utf-8"))
    phases = tuple(_phase(p) for p in data.pop("phase", []))
    # People watch a style grow: one short sample in its own manner at each look.
    watched = {"samples": 1, "sample_words": 120, "sample_style": "own"}
    own = _phase({"name": "own", "data": "own", "share": 1.0, **watched, **data.pop("own", {})})
    if "unseen_topics" in data:
        data["unseen_topics"] = tuple(data["unseen_topics"])
    return replace(Preset(name=name, phases=phases, own_phase=own), **data)


def _phase(data: dict[str, Any]) -> Phase:
    """Split a phase's table into its own keys and its recipe's."""
    own = {k: data[k] for k in Phase.__dataclass_fields__ if k in data and k != "recipe"}
    rest = {k: v for k, v in data.items() if k not in own}
    return Phase(**own, recipe=replace(Recipe(), **rest))
