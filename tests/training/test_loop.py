from __future__ import annotations

import math
import os
import signal
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch

from training.loop import Diverged, Plan, run
from training.runs import ask_to_stop, progress


class Line:
    """Fits one number; carries a random draw in every step."""

    unit = "points"

    def __init__(self, poison_at: int = -1) -> None:
        self.fraction_done = 0.0
        self.value = torch.zeros(1)
        self.steps, self.poison_at = 0, poison_at
        self.at_step: dict[int, Any] = {}
        self.fractions: list[float] = []

    def step(self) -> tuple[dict[str, float], int]:
        self.steps += 1
        self.fractions.append(self.fraction_done)
        if action := self.at_step.get(self.steps):
            action()
        self.value += torch.randn(1) * 0.1 + 1
        return {"loss": math.nan if self.steps == self.poison_at else 1 / self.steps}, 3

    def evaluate(self) -> dict[str, float]:
        return {"score": 1 / self.steps}

    def sample(self, directory: Path, step: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        (directory / f"{step}.txt").write_text(str(step))

    def tensors(self) -> dict[str, torch.Tensor]:
        return {"value": self.value, "random": torch.get_rng_state()}

    def facts(self) -> dict[str, Any]:
        return {"steps": self.steps}

    def restore(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        self.value, self.steps = tensors["value"].clone(), facts["steps"]
        torch.set_rng_state(tensors["random"])


PLAN = Plan(steps=12, evaluate_every=4, save_every=3, log_every=2, sample_every=6)


def test_a_run_leaves_everything_a_watcher_needs(tmp_path: Path) -> None:
    outcome = run(Line(), tmp_path, PLAN, seed=1, phase="fit")
    assert outcome.state == "finished"
    assert outcome.figures == {"score": 1 / 12}
    lines = list(progress(tmp_path))
    steps = [line for line in lines if "loss" in line]
    assert [line["step"] for line in steps] == [2, 4, 6, 8, 10, 12]
    assert steps[-1]["units"] == 36
    assert steps[-1]["fraction"] == 1.0
    assert steps[2]["eta_s"] is not None
    assert {line["phase"] for line in lines} == {"fit"}
    assert [x["held_out"]["score"] for x in lines if "held_out" in x][:2] == [1 / 4, 1 / 8]
    assert (tmp_path / "loss.png").read_bytes().startswith(b"\x89PNG")
    assert any((tmp_path / "tensorboard").iterdir())
    assert {p.name for p in (tmp_path / "samples").iterdir()} == {"6.txt", "12.txt"}


def test_resuming_is_the_same_as_not_stopping(tmp_path: Path) -> None:
    whole = Line()
    run(whole, tmp_path / "whole", PLAN, seed=5)
    first = Line()
    first.at_step[7] = lambda: ask_to_stop(tmp_path / "parts")
    assert run(first, tmp_path / "parts", PLAN, seed=5).state == "stopped"
    torch.manual_seed(99)
    second = Line()
    outcome = run(second, tmp_path / "parts", PLAN, seed=5, resume=True)
    assert outcome.state == "finished"
    assert second.steps == 12
    assert torch.equal(whole.value, second.value)


def test_a_signal_ends_the_run_after_its_step(tmp_path: Path) -> None:
    task = Line()
    task.at_step[5] = lambda: os.kill(os.getpid(), signal.SIGTERM)
    before = signal.getsignal(signal.SIGTERM)
    outcome = run(task, tmp_path, PLAN, seed=1)
    assert outcome.state == "stopped"
    assert task.steps == 5
    assert outcome.sentence == "Training was stopped after 5 steps."
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_loss_that_is_no_number_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(Diverged, match="the loss is no longer a number"):
        run(Line(poison_at=3), tmp_path, PLAN, seed=1)


def test_the_time_budget_counts_over_resumes(tmp_path: Path) -> None:
    plan = Plan(steps=10**9, max_minutes=0.05 / 60, log_every=1)
    task = Line()
    run(task, tmp_path, plan, seed=1)
    assert task.fractions == sorted(task.fractions)
    assert task.fractions[-1] < 1.0
    again = Line()
    run(again, tmp_path, plan, seed=1, resume=True)
    assert again.steps == task.steps


def test_the_best_weights_are_kept(tmp_path: Path) -> None:
    class Worsening(Line):
        def evaluate(self) -> dict[str, float]:
            return {"score": abs(self.steps - 4) + 0.5}

    run(Worsening(), tmp_path, PLAN, seed=1)
    from safetensors.torch import load_file

    best, last = (load_file(tmp_path / f"{n}.safetensors") for n in ("best", "checkpoint"))
    assert best["value"] < last["value"]


def test_training_ends_when_nothing_gets_better(tmp_path: Path) -> None:
    class Stuck(Line):
        def evaluate(self) -> dict[str, float]:
            return {"score": 1.0}

    task = Stuck()
    plan = Plan(steps=100, evaluate_every=4, save_every=50, sample_every=500, patience=3)
    assert run(task, tmp_path, plan, seed=1).state == "finished"
    assert task.steps == 16
    again = Stuck()
    run(again, tmp_path, plan, seed=1, resume=True)
    assert again.steps == 16


def test_phases_are_watched_in_one_place(tmp_path: Path) -> None:
    for name in ("one", "two"):
        run(Line(), tmp_path / name, PLAN, seed=1, phase=name, watch=tmp_path)
    assert {line["phase"] for line in progress(tmp_path)} == {"one", "two"}
    assert (tmp_path / "two" / "checkpoint.safetensors").is_file()
