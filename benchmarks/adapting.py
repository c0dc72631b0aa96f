"""Adapting a version as the bot does, in a registry of a benchmark's own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from models.registry import SHIPPED, Registry, Version
from training.runs import read_outcome

ROOT = Path(__file__).parents[1]


@dataclass(frozen=True)
class Adapted:
    """How a run ended; ``version`` is there unless it failed, whatever the gate said."""

    passed: bool
    sentence: str
    minutes: float  # that a person waits: reading, learning, measuring, the gate
    version: Version | None


@dataclass(frozen=True)
class Ground:
    """Where and how runs are made."""

    out: Path
    base: Version
    minutes: float
    preset: str
    threads: int

    @property
    def registry(self) -> Path:
        """Give the study's own registry."""
        return self.out / "registry"

    def adapt(self, corpus: Path, name: str) -> Adapted:
        """Adapt the base to a corpus as ``/train start`` does."""
        run = self.out / name
        run.mkdir(parents=True, exist_ok=True)
        began = time.monotonic()
        call(self.command(corpus, run, f"{name}.live"), self.threads, run / "log.txt")
        minutes = (time.monotonic() - began) / 60
        told = read_outcome(run) or {"state": "failed", "sentence": "The run broke off."}
        house, version = Registry(self.registry), told.get("version")
        return Adapted(
            told["state"] == "promoted",
            str(told["sentence"]),
            minutes,
            house.resolve(self.base.family, version) if version else None,
        )

    def command(self, corpus: Path, run: Path, alias: str) -> list[str]:
        """Word the command, as the bot does."""
        return [
            *(sys.executable, "-m", "training", self.base.family),
            *("--corpus", str(corpus.resolve()), "--out", str(run.resolve())),
            *("--continue-from", self.base.name, "--registry", str(self.registry.resolve())),
            *("--max-minutes", f"{self.minutes:g}", "--promote", "--alias", alias),
            *("--preset", self.preset),
        ]


def call(command: Sequence[str], threads: int, log: Path) -> None:
    """Run a command to its end; its outcome is read from its folder."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "MKL_NUM_THREADS": str(threads)}
    with log.open("wb") as output:
        subprocess.run(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=False
        )


def prepare(
    family: str, out: Path, base: str, source: Path | None, minutes: float, preset: str,
    threads: int,
) -> Ground:  # fmt: skip
    """Make the study's registry; a base that does not ship is copied into it."""
    torch.set_num_threads(threads)
    if (out / "registry").exists():
        raise ValueError(f"{out} holds a study already; please give another folder.")
    out.mkdir(parents=True, exist_ok=True)
    own = Registry(out / "registry")
    found = Registry(source).resolve(family, base)
    found.verify()
    if not found.path.is_relative_to(SHIPPED):
        kept = {k: v for k, v in found.manifest.items() if k not in ("files", "version", "parent")}
        own.publish(family, found.name, found.path, parent=None, facts=kept)
    return Ground(out, own.resolve(family, found.name), minutes, preset, threads)
