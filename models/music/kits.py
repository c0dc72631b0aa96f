"""The drum kits as figures: what ``drumkit`` needs to build each sound."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Kick:
    """A tuned sine that falls in pitch, a click, and how hard both are driven."""

    start: float  # Hz at the beater
    end: float  # Hz it settles on
    sweep: float  # seconds of the fall
    decay: float  # seconds to 1/e
    click: float = 0.3
    click_hertz: float = 3500
    drive: float = 1.0


@dataclass(frozen=True)
class Snare:
    """A shell with two tones under rattling wires."""

    tone: float  # Hz of the shell
    shell: float  # seconds to 1/e
    wires: float  # seconds to 1/e
    snap: float = 1.0  # wires against shell
    bright: float = 7000  # Hz where the wires begin to fade
    room: float = 0.0  # share of gated room
    drive: float = 0.6


@dataclass(frozen=True)
class Hat:
    """Two cymbals: metal partials and air."""

    closed: float = 0.035  # seconds to 1/e
    open: float = 0.26
    low: float = 6500  # Hz of the high-pass
    metal: float = 0.6  # share of ringing partials, the rest is noise
    tune: float = 1.0


@dataclass(frozen=True)
class Kit:
    """A drum kit; ``levels`` are decibels against the plain balance."""

    name: str
    kick: Kick
    snare: Snare
    hat: Hat = Hat()
    clap: Literal["clap", "rim"] = "clap"
    toms: tuple[float, float, float] = (88, 124, 172)  # Hz: low, middle, high
    tom_decay: float = 0.24
    percussion: Literal["conga", "cowbell", "wood", "blip"] = "conga"
    cymbals: float = 1.0  # length of crash and ride
    chip: bool = False  # square and stepped, as a game console makes them
    levels: Mapping[str, float] = field(default_factory=dict)


_KITS = (
    Kit("808", Kick(150, 47, 0.028, 0.34, 0.22, 2600, 0.8), Snare(185, 0.11, 0.13, 0.8, 6500),
        Hat(0.026, 0.3, 7800, 0.8, 1.0), percussion="cowbell", toms=(78, 110, 150), tom_decay=0.32,
        levels={"clap": 1.0, "closed_hat": -1.0, "percussion": -4}),
    Kit("soft808", Kick(120, 49, 0.024, 0.26, 0.16, 2200, 0.5), Snare(200, 0.08, 0.1, 0.7, 5200),
        Hat(0.022, 0.22, 8200, 0.6, 1.1), clap="rim", percussion="wood", toms=(82, 116, 158),
        levels={"snare": -0.5, "closed_hat": -2}),
    Kit("boombap", Kick(138, 58, 0.016, 0.15, 0.5, 2800, 2.2),
        Snare(196, 0.085, 0.13, 1.1, 6000, 0.35, 1.8), Hat(0.04, 0.22, 5200, 0.45, 0.92),
        percussion="conga", levels={"snare": 1.0}),
    Kit("pop", Kick(160, 56, 0.016, 0.16, 0.5, 3600, 1.0),
        Snare(208, 0.1, 0.16, 1.1, 8500, 0.3),
        Hat(0.036, 0.28, 6800, 0.55), percussion="wood"),
    Kit("house", Kick(230, 51, 0.022, 0.24, 0.45, 4200, 1.6),
        Snare(220, 0.07, 0.14, 1.2, 9000, 0.15),
        Hat(0.03, 0.24, 7600, 0.7, 1.06), percussion="conga",
        levels={"kick": 1.0, "clap": 1.0, "open_hat": 1.5}),
    Kit("rock", Kick(135, 61, 0.012, 0.15, 0.7, 3400, 1.2),
        Snare(188, 0.12, 0.2, 1.0, 7500, 0.8, 1.0),
        Hat(0.05, 0.36, 5600, 0.5, 0.95), clap="rim", percussion="cowbell", tom_decay=0.3,
        cymbals=1.25, levels={"snare": 0.5, "percussion": -3}),
    Kit("metal", Kick(170, 60, 0.009, 0.11, 1.3, 4600, 1.6),
        Snare(210, 0.1, 0.17, 1.1, 9000, 0.7, 1.5), Hat(0.045, 0.32, 6000, 0.55), clap="rim",
        percussion="cowbell", tom_decay=0.26, cymbals=1.2, levels={"kick": 0.5, "percussion": -4}),
    Kit("funk", Kick(130, 66, 0.013, 0.12, 0.5, 3000, 1.0), Snare(232, 0.08, 0.12, 1.15, 8000, 0.2),
        Hat(0.028, 0.2, 7000, 0.5, 1.05), percussion="conga", tom_decay=0.2),
    Kit("latin", Kick(125, 62, 0.014, 0.14, 0.35, 2800, 0.7),
        Snare(240, 0.09, 0.13, 1.0, 8000, 0.25),
        Hat(0.03, 0.22, 7200, 0.5, 1.1), clap="rim", toms=(150, 220, 300), tom_decay=0.18,
        percussion="conga", levels={"percussion": 3, "shaker": 2, "kick": -1.5}),
    Kit("soft", Kick(105, 57, 0.02, 0.18, 0.2, 2200, 0.3),
        Snare(180, 0.1, 0.17, 0.8, 5000, 0.3, 0.2),
        Hat(0.045, 0.3, 6200, 0.4, 0.94), clap="rim", tom_decay=0.32, percussion="wood",
        cymbals=1.4, levels={"snare": -1.5, "closed_hat": -3, "ride": -1, "crash": -3}),
    Kit("chip", Kick(260, 55, 0.02, 0.1, 0.2), Snare(220, 0.05, 0.1), Hat(0.022, 0.12), chip=True,
        percussion="blip", toms=(110, 160, 230), tom_decay=0.14, cymbals=0.4,
        levels={"kick": -1, "snare": -3, "closed_hat": -5, "open_hat": -5, "crash": -4}),
)  # fmt: skip
KITS = {kit.name: kit for kit in _KITS}
