"""Two processes that train together, as ``accelerate launch`` starts them."""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Mapping
from dataclasses import replace
from multiprocessing.process import BaseProcess
from pathlib import Path

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

from tests.training.essays.made_up import write_corpus
from training.essays.pipeline import FINISHED, Orders, train
from training.essays.presets import read_preset
from training.runs import progress


def orders(corpus: Path, out: Path, steps: int) -> Orders:
    preset = read_preset("tiny")
    recipe = replace(preset.phases[0].recipe, streams=4, length=16)
    phase = replace(preset.phases[0], share=1.0, recipe=recipe)
    preset = replace(preset, phases=(phase,), evaluate_every=10)
    out.mkdir(parents=True, exist_ok=True)
    return Orders(corpus, out, preset, None, steps, 1)


def work(rank: int, port: int, asked: Orders, report: Path) -> None:
    """Be one of two processes."""
    torch.set_num_threads(1)
    AcceleratorState._reset_state(reset_partial_state=True)
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": 2, "MASTER_PORT": port}
    os.environ |= {key: str(value) for key, value in place.items()}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "ACCELERATE_USE_CPU": "true"}
    os.environ["OMP_NUM_THREADS"] = "1"  # Accelerate warns where nobody says how many
    writes: list[str] = []
    opened = Path.open

    def watched(path: Path, *args: object, **options: object) -> object:
        if args and "r" not in str(args[0]):
            writes.append(path.name)
        return opened(path, *args, **options)  # type: ignore[call-overload]

    Path.open = watched  # type: ignore[method-assign,assignment]
    finished = train(asked)
    Path.open = opened  # type: ignore[method-assign]
    (report / f"{rank}.txt").write_text("\n".join(writes))
    (report / f"{rank}.state").write_text(finished.outcome.state)


def together(asked: Orders, report: Path) -> set[str]:
    """Train in two processes; give how these say it ended."""
    report.mkdir(exist_ok=True)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    start = multiprocessing.get_context("fork")  # importing everything anew would take longest
    processes: list[BaseProcess] = [
        start.Process(target=work, args=(rank, port, asked, report)) for rank in (0, 1)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        assert process.exitcode == 0
    return {(report / f"{rank}.state").read_text() for rank in (0, 1)}


def weights(out: Path) -> Mapping[str, torch.Tensor]:
    return load_file(out / "pretrain" / FINISHED)


@pytest.fixture(autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)  # a process that forks must not have more


def test_two_processes_learn_what_one_does_and_one_writes(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", 30)
    train(orders(corpus, tmp_path / "alone", 6))
    assert together(orders(corpus, tmp_path / "two", 6), tmp_path / "report") == {"finished"}
    two = weights(tmp_path / "two")
    for name, value in weights(tmp_path / "alone").items():
        assert torch.allclose(value, two[name], atol=1e-5), name
    lines = [[x for x in progress(tmp_path / n) if "loss" in x] for n in ("alone", "two")]
    assert len(lines[0]) == len(lines[1]) > 0
    for one, other in zip(*lines, strict=True):
        assert other["loss"] == pytest.approx(one["loss"], abs=1e-4)
        assert other["units"] == one["units"]
    assert "documents.jsonl" in (tmp_path / "report" / "0.txt").read_text()
    assert (tmp_path / "report" / "1.txt").read_text() == ""


def test_two_processes_go_on_where_they_were_stopped(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path / "corpus", 30)
    report = tmp_path / "report"
    assert together(orders(corpus, tmp_path / "whole", 4), report) == {"finished"}
    parts = orders(corpus, tmp_path / "parts", 4)
    (parts.out / "stop").touch()
    assert together(parts, report) == {"stopped"}
    assert together(replace(parts, resume=True), report) == {"finished"}
    whole = weights(tmp_path / "whole")
    for name, value in weights(tmp_path / "parts").items():
        assert torch.equal(value, whole[name]), name
