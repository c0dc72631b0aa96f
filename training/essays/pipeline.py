"""The whole way of an essay run: prepare, train phase after phase, hand over the finished model."""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

import torch
from accelerate import Accelerator
from safetensors.torch import load_file, save_file
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayLSTM
from models.registry import Version
from training import crowd
from training.about import code_version
from training.essays.growth import grown
from training.essays.labels import Lexicon
from training.essays.prepare import Prepared, phase_data, prepare
from training.essays.presets import Phase, Preset
from training.essays.task import EssayTask, prime
from training.essays.tempering import temper
from training.loop import Plan, run
from training.runs import Outcome, write_json

FINISHED, RUN = "finished.safetensors", "run.json"


@dataclass(frozen=True)
class Orders:
    """What a caller asks of a run."""

    corpus: Path
    out: Path
    preset: Preset
    minutes: float | None = None
    steps: int | None = None
    seed: int = 1
    resume: bool = False
    parent: Version | None = None
    own: bool = True  # with a parent: adapt it to a collection; else run every phase from it

    @property
    def adapting(self) -> bool:
        """Tell whether a version is adapted to a collection of one's own."""
        return self.parent is not None and self.own

    @property
    def phases(self) -> Sequence[Phase]:
        """Give the phases of the run, in order."""
        if self.adapting:
            return (self.preset.own_phase,)
        return (self.preset.warmed() if self.parent else self.preset).phases

    @property
    def reading(self) -> int:
        """Seed of what is read and in which order.

        A warm start chooses other pieces and reads in another order than its parent, which did
        not reach the end.
        """
        if self.parent is None or self.own:
            return self.seed
        digest = hashlib.sha256(f"{self.seed}:{self.parent.name}".encode()).digest()
        return int.from_bytes(digest[:4], "big")

    def record(self) -> dict[str, object]:
        """Give what has to be known to take the run up again."""
        parent = self.parent.name if self.parent else None
        return {"preset": self.preset.name, "seed": self.seed, "parent": parent, "own": self.own}


@dataclass(frozen=True)
class Finished:
    """What a run gives: how it ended, and the model if it ended well."""

    outcome: Outcome
    model: EssayLSTM
    prepared: Prepared
    orders: Orders  # with the preset as it was used


def train(orders: Orders) -> Finished:
    """Run every phase that is not finished yet."""
    crowd.gather_together()
    if crowd.is_main():
        if not orders.resume:
            _clear(orders)
        write_json(orders.out / RUN, orders.record())
    with crowd.main_first():
        taken = take_up(orders, orders.out)
    model = taken.model
    outcome = Outcome("finished", "There was nothing to train.")
    for number, phase in enumerate(orders.phases):
        done = orders.out / phase.name / FINISHED
        if orders.resume and done.is_file():
            model.load_state_dict(load_file(done))
            continue
        outcome = _phase(taken.orders, taken.prepared, model, phase, first=number == 0)
        if outcome.state != "finished":
            break
        if crowd.is_main():
            save_file(model.state_dict(), done)
    return replace(taken, outcome=outcome)


def _clear(orders: Orders) -> None:
    """Take away what an earlier run left in the folder: it may have read another corpus."""
    for phase in orders.phases:
        shutil.rmtree(orders.out / phase.name, ignore_errors=True)
    for name in ("tokenizer.json", "progress.jsonl", "outcome.json"):
        (orders.out / name).unlink(missing_ok=True)


def take_up(orders: Orders, out: Path) -> Finished:
    """Prepare what a run begins with: corpus, written down in ``out``, and first weights."""
    torch.manual_seed(orders.seed)
    tokenizer, lexicon, model = _parent(orders.parent)
    if orders.adapting:
        orders = replace(orders, preset=orders.preset.adapting())
    prepared = prepare(
        orders.corpus,
        out,
        orders.preset,
        orders.seed,
        tokenizer=tokenizer,
        lexicon=lexicon if orders.adapting else None,  # a corpus of the same kind is counted anew
    )
    if model is None:
        torch.manual_seed(orders.seed)
        model = EssayLSTM(orders.preset.config(len(prepared.tokenizer)))
    elif not orders.adapting:
        model = grown(model, max(orders.preset.layers, model.config.num_hidden_layers))
    return Finished(Outcome("finished", "Nothing was trained yet."), model, prepared, orders)


def finished_run(orders: Orders, phase: str | None = None) -> Finished:
    """Take a run folder's last weights, or those of a phase, without training; it stays as it is.

    Raises ValueError with one plain sentence where they are missing.
    """
    names = [p.name for p in orders.phases]
    wanted = phase or names[-1]
    done = orders.out / wanted / FINISHED
    if not done.is_file():
        there = [n for n in names if (orders.out / n / FINISHED).is_file()]
        so_far = f"; finished so far: {', '.join(there)}" if there else ""
        raise ValueError(f"The run in {orders.out} has no finished phase {wanted}{so_far}.")
    with tempfile.TemporaryDirectory() as temporary:
        kept = orders.out / "tokenizer.json"
        if kept.is_file():
            shutil.copy(kept, temporary)
        elif orders.parent is None:
            raise ValueError(f"The run in {orders.out} has no tokenizer.json; name its parent.")
        taken = take_up(orders, Path(temporary))
    _same_corpus(orders.out, taken.prepared)
    taken.model.load_state_dict(load_file(done))
    return replace(taken, outcome=Outcome("finished", f"The phase {wanted} was finished."))


def _same_corpus(run: Path, prepared: Prepared) -> None:
    """Refuse a corpus that is not the run's: its held-out texts may have been read."""
    kept = run / "corpus.json"
    known = json.loads(kept.read_text(encoding="utf-8"))["sha256"] if kept.is_file() else None
    if known not in (None, prepared.corpus.sha256):
        raise ValueError(f"The run in {run} was trained on another corpus.")


def _parent(
    version: Version | None,
) -> tuple[PreTrainedTokenizerFast | None, Lexicon | None, EssayLSTM | None]:
    """Load what an earlier version hands down."""
    if version is None:
        return None, None, None
    version.verify()
    tokenizer = PreTrainedTokenizerFast.from_pretrained(version.path)
    model = EssayLSTM.from_pretrained(version.path, dtype=torch.float32)
    return tokenizer, Lexicon.load(version.path / "lexicon.json"), model


def _phase(
    orders: Orders, prepared: Prepared, model: EssayLSTM, phase: Phase, *, first: bool
) -> Outcome:
    """Train one phase; afterwards the model holds its averaged weights."""
    preset, folder = orders.preset, orders.out / phase.name
    folder.mkdir(parents=True, exist_ok=True)
    with crowd.main_first():
        data = phase_data(prepared, phase, preset, orders.seed, folder / "data.npz", orders.reading)
    if first and orders.parent is None:
        prime(model, data)
    model.locked.p = phase.dropout
    for layer in model.recurrences():
        layer.weight_drop = phase.weight_drop
    shown = {
        name: (packed, _spread(packed.documents, preset.held_out_documents))
        for name, packed in prepared.held_out.items()
    }
    before = {n: p.detach().clone() for n, p in model.named_parameters()} if phase.temper else {}
    recipe = replace(phase.recipe, seed=orders.reading)
    accelerator = accelerator_for(preset.precision)
    task = EssayTask(model, prepared.tokenizer, data, shown, recipe, accelerator)
    outcome = run(
        task,
        folder,
        _plan(orders, phase),
        resume=orders.resume,
        seed=orders.seed,
        phase=phase.name,
        watch=orders.out,
    )
    weights = dict(task.averaged())
    best = folder / "best.safetensors"
    if phase.keep_best and best.is_file() and outcome.state == "finished":
        kept = load_file(best)
        weights = {k[4:]: v for k, v in kept.items() if k.startswith("ema.")}
    if outcome.state == "finished":
        model.load_state_dict(weights, strict=False)
        if phase.temper and shown:
            scores = temper(model, before, next(iter(shown.values())))
            if crowd.is_main():
                write_json(folder / "tempered.json", {f"{k:g}": v for k, v in scores.items()})
    return outcome


def accelerator_for(precision: str) -> Accelerator:
    """Choose the device, and half-width products where it computes them itself."""
    gpu = torch.cuda.is_available()
    able = gpu or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    return Accelerator(cpu=not gpu, mixed_precision=precision if able else "no")


def _plan(orders: Orders, phase: Phase) -> Plan:
    """Give a phase its share of the steps and of the minutes."""
    preset = orders.preset
    minutes = orders.minutes if orders.minutes is not None else preset.minutes
    steps = orders.steps if orders.steps is not None else preset.steps
    if steps < 1 or (minutes is not None and minutes <= 0):
        raise ValueError("Training needs at least one step and some time.")
    if orders.steps is not None and orders.minutes is None:
        minutes = None
    look = phase.evaluate_every or preset.evaluate_every
    return Plan(
        steps=max(1, round(steps * phase.share)),
        max_minutes=minutes * phase.share if minutes is not None else None,
        evaluate_every=look,
        patience=phase.patience,
        save_every=preset.save_every,
        sample_every=phase.sample_every or preset.sample_every,
        log_every=min(20, max(1, look // 10)),
    )


def _spread(count: int, limit: int) -> Sequence[int]:
    """Choose documents evenly."""
    return range(0, count, max(1, -(-count // limit)))


def write_model(finished: Finished, folder: Path) -> None:
    """Write what a version needs to write and to be trained further."""
    model = finished.model
    model.locked.p = model.config.dropout
    model.train(False)
    model.save_pretrained(folder)
    finished.prepared.tokenizer.save_pretrained(folder)
    finished.prepared.lexicon.save(folder / "lexicon.json")


def describe(orders: Orders, finished: Finished) -> dict[str, object]:
    """Give the facts that the manifest keeps."""
    corpus = finished.prepared.corpus
    licences = {x for s in corpus.sources.values() for x in cast(list[str], s["licences"])}
    return {
        "corpus_sha256": corpus.sha256,
        "sources": corpus.sources,
        "licences": sorted(licences),
        "code": code_version(),
        "preset": orders.preset.name,
        "adapted": orders.adapting,
        "seed": orders.seed,
        "trained": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "parameters": sum(p.numel() for p in finished.model.parameters()),
        "splits": json.loads(json.dumps(_split_sizes(finished))),
    }


def _split_sizes(finished: Finished) -> dict[str, int]:
    essays = finished.prepared.corpus.essays
    return {s: sum(e.document.split == s for e in essays) for s in ("train", "seen", "unseen")}
