"""The training loop that every family shares: steps, progress, checkpoints, stopping, resuming.

A family implements ``Task``; ``run`` drives it. The task does one optimisation step at a time and
hands out everything that a resumed run needs, so that stopping and going on gives the same weights
as never stopping.
"""

from __future__ import annotations

import json
import math
import os
import signal
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Protocol, runtime_checkable

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from safetensors.torch import load_file, save_file

from training import crowd
from training.runs import STOP, Journal, Outcome, write_json

CHECKPOINT = "checkpoint"


class Diverged(Exception):
    """The loss is no longer a number; the message is one plain sentence."""


class Task(Protocol):
    """What a family brings to the loop."""

    unit: str  # "tokens" | "phrases"

    def step(self) -> tuple[dict[str, float], int]:
        """Do one optimisation step; give scalars (with "loss") and the units done."""

    def evaluate(self) -> dict[str, float]:
        """Give held-out figures; "score" is what the best checkpoint minimises."""

    def sample(self, directory: Path, step: int) -> None:
        """Write a sample of the present weights."""

    def tensors(self) -> dict[str, torch.Tensor]:
        """Give every tensor needed to resume."""

    def facts(self) -> dict[str, Any]:
        """Give everything else needed to resume, as JSON."""

    def restore(self, tensors: Mapping[str, torch.Tensor], facts: Mapping[str, Any]) -> None:
        """Take up where ``tensors`` and ``facts`` left off."""


@runtime_checkable
class Scheduled(Protocol):
    """A task whose schedule follows the run's progress."""

    fraction_done: float  # set before every step, from 0 to 1


@dataclass(frozen=True)
class Plan:
    """How long to train, and how often to look."""

    steps: int
    max_minutes: float | None = None
    evaluate_every: int = 500
    save_every: int = 500
    log_every: int = 20
    sample_every: int = 1000
    patience: int | None = None  # looks without a better score after which training ends


@dataclass
class _Clock:
    """Where the run is; minutes count over resumes."""

    step: int = 0
    units: int = 0
    seconds: float = 0.0
    best: float = math.inf
    stale: int = 0  # looks since the best one

    def fraction(self, plan: Plan) -> float:
        by_steps = self.step / max(plan.steps, 1)
        by_time = self.seconds / 60 / plan.max_minutes if plan.max_minutes else 0.0
        return min(1.0, max(by_steps, by_time))

    def over(self, plan: Plan) -> bool:
        tired = plan.patience is not None and self.stale >= plan.patience
        return tired or self.fraction(plan) >= 1.0


def run(
    task: Task,
    directory: Path,
    plan: Plan,
    *,
    resume: bool = False,
    seed: int,
    phase: str = "train",
    watch: Path | None = None,
) -> Outcome:
    """Train until the plan is done, someone asks to stop, or the loss diverges (raises Diverged).

    Checkpoints and samples lie in ``directory``; progress, curve and the file ``stop`` in ``watch``
    (default: the same), so that several phases can be watched in one place.
    """
    watch = watch or directory
    for folder in (directory, watch):
        folder.mkdir(parents=True, exist_ok=True)
    clock = _Clock()
    if resume and (directory / f"{CHECKPOINT}.json").is_file():
        clock = load_checkpoint(task, directory)
    else:
        torch.manual_seed(seed)
    watching = _Watcher(watch, plan, task.unit, phase) if crowd.is_main() else _Onlooker()
    with watching as watcher, _stop_signals() as stop:
        while not clock.over(plan):
            _one_step(task, clock, plan, watcher)
            if clock.step % plan.save_every == 0:
                save_checkpoint(task, directory, clock)
            if clock.step % plan.evaluate_every == 0:
                _look(task, directory, clock, watcher)
            if clock.step % plan.sample_every == 0 and crowd.is_main():
                task.sample(directory / "samples", clock.step)
            if _asked_to_stop(stop, watch):
                save_checkpoint(task, directory, clock)
                (watch / STOP).unlink(missing_ok=True)  # obeyed; a resumed run goes on
                return Outcome("stopped", f"Training was stopped after {clock.step} steps.")
        save_checkpoint(task, directory, clock)
        figures = _look(task, directory, clock, watcher)
    return Outcome("finished", f"Training ended after {clock.step} steps.", figures=figures)


def _asked_to_stop(stop: _Flag, watch: Path) -> bool:
    asked, *_ = crowd.as_main_says(float(bool(stop) or (watch / STOP).exists()))
    return bool(asked)


def _one_step(task: Task, clock: _Clock, plan: Plan, watcher: _Watcher | _Onlooker) -> None:
    if isinstance(task, Scheduled):
        task.fraction_done = clock.fraction(plan)
    began = time.monotonic()
    scalars, units = task.step()
    clock.step += 1
    clock.units += units
    clock.seconds += crowd.as_main_says(time.monotonic() - began)[0]
    if not all(math.isfinite(v) for v in scalars.values()):
        raise Diverged("Training went wrong: the loss is no longer a number.")
    watcher.step(clock, scalars)


def _look(
    task: Task, directory: Path, clock: _Clock, watcher: _Watcher | _Onlooker
) -> dict[str, float]:
    """Evaluate, note the figures, keep the best weights beside the latest."""
    figures = task.evaluate()
    watcher.figures(clock, figures)
    score = figures.get("score", math.inf)
    clock.stale += 1
    if score < clock.best:
        clock.best, clock.stale = score, 0
        save_checkpoint(task, directory, clock, name="best")
    return figures


def save_checkpoint(task: Task, directory: Path, clock: _Clock, name: str = CHECKPOINT) -> None:
    """Replace ``<name>.safetensors`` and ``<name>.json``; the pair carries the step in both.

    Every process takes part, and the main one writes.
    """
    tensors = {k: v.detach().cpu().contiguous() for k, v in task.tensors().items()}
    if crowd.is_main():
        _write_checkpoint(tensors, task, directory, clock, name)
    crowd.wait()


def _write_checkpoint(
    tensors: dict[str, torch.Tensor], task: Task, directory: Path, clock: _Clock, name: str
) -> None:
    temporary = directory / f".{name}.{os.getpid()}"
    save_file(tensors, temporary, metadata={"step": str(clock.step)})
    temporary.replace(directory / f"{name}.safetensors")
    facts = {k: v if math.isfinite(v) else None for k, v in asdict(clock).items()}
    write_json(directory / f"{name}.json", {"loop": facts, "task": task.facts()})


def load_checkpoint(task: Task, directory: Path, name: str = CHECKPOINT) -> _Clock:
    """Restore a task from ``save_checkpoint``; give the clock."""
    data = json.loads((directory / f"{name}.json").read_text(encoding="utf-8"))
    task.restore(load_file(directory / f"{name}.safetensors"), data["task"])
    kept: dict[str, Any] = {k: math.inf if v is None else v for k, v in data["loop"].items()}
    return _Clock(**kept)


class _Onlooker:
    """Stands where the main process has its watcher, and writes nothing."""

    def __enter__(self) -> _Onlooker:
        return self

    def __exit__(self, *_: object) -> None:
        return

    def step(self, clock: _Clock, scalars: Mapping[str, float]) -> None:
        """Note nothing."""

    def figures(self, clock: _Clock, figures: Mapping[str, float]) -> None:
        """Note nothing."""


class _Watcher:
    """Shows progress: a bar on standard error, progress.jsonl, TensorBoard, a loss curve."""

    def __init__(self, directory: Path, plan: Plan, unit: str, phase: str) -> None:
        self._directory, self._plan, self._unit, self._phase = directory, plan, unit, phase
        self._journal = Journal(directory)
        self._held: dict[str, list[float]] = {}
        self._mark = (time.monotonic(), 0, False)
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[rate]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=Console(stderr=True),
            disable=not sys.stderr.isatty(),
        )
        self._row = self._bar.add_task(phase, total=1.0, rate="")

    def __enter__(self) -> _Watcher:
        from torch.utils.tensorboard import SummaryWriter

        self._board = SummaryWriter(str(self._directory / "tensorboard"))
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()
        self._board.close()
        draw_curve(self._directory)

    def step(self, clock: _Clock, scalars: Mapping[str, float]) -> None:
        """Note one step; write every ``log_every``."""
        for name, value in scalars.items():
            self._held.setdefault(name, []).append(value)
        began, units, known = self._mark
        if not known:
            self._mark = (time.monotonic(), clock.units, True)
        if clock.step % self._plan.log_every:
            return
        elapsed = max(time.monotonic() - began, 1e-9)
        rate = (clock.units - units) / elapsed if known else 0.0
        self._mark = (time.monotonic(), clock.units, True)
        done = clock.fraction(self._plan)
        eta = clock.seconds * (1 - done) / done if done else None
        means = {name: sum(v) / len(v) for name, v in self._held.items()}
        self._held.clear()
        self._journal.add(
            phase=self._phase,
            step=clock.step,
            steps=self._plan.steps,
            units=clock.units,
            unit=self._unit,
            units_per_s=rate,
            eta_s=eta,
            fraction=done,
            **means,
        )
        for name, value in means.items():
            self._board.add_scalar(f"train/{name}", value, clock.step)
        self._bar.update(
            self._row, completed=done, rate=f"{means.get('loss', 0):.3f} {rate:.0f} {self._unit}/s"
        )

    def figures(self, clock: _Clock, figures: Mapping[str, float]) -> None:
        """Note held-out figures and redraw the curve."""
        self._journal.add(
            phase=self._phase,
            step=clock.step,
            steps=self._plan.steps,
            fraction=clock.fraction(self._plan),
            held_out=dict(figures),
        )
        for name, value in figures.items():
            self._board.add_scalar(f"held-out/{name}", value, clock.step)
        draw_curve(self._directory)


def draw_curve(directory: Path) -> None:
    """Draw ``loss.png`` from the progress so far."""
    from matplotlib.figure import Figure

    from training.runs import progress

    lines = list(progress(directory))
    losses = [(x["step"], x["loss"]) for x in lines if x.get("loss") is not None]
    scores = [
        (x["step"], x["held_out"]["score"])
        for x in lines
        if x.get("held_out", {}).get("score") is not None
    ]
    figure = Figure(figsize=(7, 4), layout="constrained")
    axes = figure.add_subplot(xlabel="step")
    for points, label, marker in ((losses, "loss", ""), (scores, "held-out score", "o")):
        if points:
            axes.plot(*zip(*points, strict=True), label=label, marker=marker, markersize=3)
    axes.grid(alpha=0.3)
    if losses or scores:
        axes.legend()
    temporary = directory / f".loss.{os.getpid()}.png"
    figure.savefig(temporary, dpi=110)
    temporary.replace(directory / "loss.png")


class _Flag:
    """True once a signal has come."""

    def __init__(self) -> None:
        self.raised = False

    def __bool__(self) -> bool:
        return self.raised


@contextmanager
def _stop_signals() -> Iterator[_Flag]:
    """Turn SIGTERM and SIGINT into a flag while the loop runs (main thread only)."""
    flag = _Flag()

    def raise_flag(_number: int, _frame: FrameType | None) -> None:
        flag.raised = True

    try:
        before = {s: signal.signal(s, raise_flag) for s in (signal.SIGTERM, signal.SIGINT)}
    except ValueError:  # not the main thread: the file is the only way to stop
        before = {}
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
