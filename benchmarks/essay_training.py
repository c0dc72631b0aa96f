"""Train the essay writer and plainer models on the same texts for the same time.

    python -m benchmarks.essay_training --corpus CORPUS --minutes 20 [--preset cpu]
        [--precisions bf16,no] [--optimisers adamw,muon] [--rates 2.5e-3,muon:5e-3] [--out FILE]
    python -m benchmarks.essay_training --corpus CORPUS --steps 1500 --precisions bf16
        --optimisers adamw,muon --rates 1.2e-3,2.5e-3,5e-3 --no-others

Rows: our model and loop, once for each precision, optimiser and rate; a word-level LSTM after the
public PyTorch example (``word_lstm.py``); an interpolated Kneser-Ney 5-gram, which takes the time
that it takes. All read the same documents and are scored on the same bytes of held-out essays. Our
model is told topic, style and length, but no plan and no mark; the word-level LSTM gets its spaces
for nothing. Time is time of learning: looks at held-out text are not counted.

Whether Muon wins is the difference between rows, each optimiser with its best rate: after equal
time by ``--minutes``, after the very same tokens in the same order by ``--steps``. Muon's steps are
as large as AdamW's for a rate (``optimisers.py``), so that one list of rates suits both;
``muon:5e-3`` is tried by Muon alone.
"""

from __future__ import annotations

import json
import math
import os
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Annotated, Literal, cast

import torch
import typer
from accelerate.state import AcceleratorState
from rich.console import Console
from rich.table import Table

from benchmarks.word_lstm import Sizes, Vocabulary, score
from benchmarks.word_lstm import train as train_words
from models.essay.lstm import EssayLSTM
from models.essay.prompt import PAR, SPECIAL_TOKENS, START, TEXT
from training.essays.evaluation import baseline_likelihood, fit_baseline
from training.essays.ngram import text_tokens
from training.essays.pack import Packed
from training.essays.pipeline import accelerator_for
from training.essays.prepare import Prepared, phase_data, prepare
from training.essays.presets import Preset, read_preset
from training.essays.scoring import likelihood
from training.essays.task import EssayTask, prime
from training.loop import CHECKPOINT, Plan, run

TEXT_ID, PAR_ID, START_ID = (SPECIAL_TOKENS.index(token) for token in (TEXT, PAR, START))
CHECKED = 40  # held-out documents that the word-level LSTM looks at while it learns
app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Row:
    """One model after its time."""

    way: str
    parameters: int
    seconds: float
    units: int  # tokens or words that it learned from, counted as often as they were read
    words_per_second: float  # of training text
    units_per_second: float  # what the model itself reads: pieces or words
    bits_per_byte: dict[str, float]  # by held-out set


@dataclass(frozen=True)
class Matter:
    """What everyone reads, and is asked."""

    prepared: Prepared
    train: Packed
    held_out: dict[str, tuple[Packed, list[int]]]

    @cached_property
    def read(self) -> list[str]:
        """The texts that everyone reads."""
        return self.texts(self.train)

    @cached_property
    def words(self) -> int:
        """How many words those have."""
        return sum(len(text.split()) for text in self.read)

    def texts(self, packed: Packed, documents: Sequence[int] | None = None) -> list[str]:
        """Write packed documents out, paragraphs on lines of their own."""
        tokens = text_tokens(packed, TEXT_ID)
        chosen = range(packed.documents) if documents is None else documents
        decode = self.prepared.tokenizer.decode
        texts = []
        for number in chosen:
            pieces: list[list[int]] = [[]]
            for token in tokens[number].tolist():
                if token == PAR_ID:
                    pieces.append([])
                elif token >= len(SPECIAL_TOKENS):
                    pieces[-1].append(token)
            texts.append("\n".join(str(decode(piece)).strip() for piece in pieces))
        return texts


def gather(corpus: Path, preset: Preset, folder: Path, documents: int) -> Matter:
    """Prepare a corpus as training does, and choose what is asked."""
    prepared = prepare(corpus, folder, preset, 1)
    phase = preset.phases[0]
    train = phase_data(prepared, phase, preset, 1, folder / "data.npz")
    held_out = {
        name: (packed, list(range(packed.documents))[:: max(1, packed.documents // documents)])
        for name, packed in prepared.held_out.items()
        if name in ("seen", "unseen")
    }
    return Matter(prepared, train, held_out)


@dataclass(frozen=True)
class Way:
    """How our model is trained, where there is a choice."""

    precision: str
    optimiser: Literal["adamw", "muon"]
    rate: float


def ways(precisions: str, optimisers: str, rates: str, usual: float) -> list[Way]:
    """List what is to be tried, each optimiser with the rates for all and its own."""
    told = [rate.rpartition(":") for rate in rates.split(",") if rate]
    return [
        Way(precision, cast(Literal["adamw", "muon"], optimiser), rate)
        for precision, optimiser in product(precisions.split(","), optimisers.split(","))
        for rate in [float(n) for whose, _, n in told if whose in ("", optimiser)] or [usual]
    ]


@dataclass(frozen=True)
class Limit:
    """When our models have learned enough."""

    minutes: float
    steps: int | None  # instead of the time

    def plan(self) -> Plan:
        """Make a plan that looks at nothing before the end."""
        never = 10**9
        return Plan(
            steps=self.steps or never, max_minutes=None if self.steps else self.minutes,
            evaluate_every=never, save_every=never, sample_every=never, log_every=1,
        )  # fmt: skip


def ours(matter: Matter, preset: Preset, limit: Limit, folder: Path, how: Way) -> Row:
    """Train our model by our loop."""
    AcceleratorState._reset_state(reset_partial_state=True)  # it keeps one precision for good
    torch.manual_seed(1)
    model = EssayLSTM(preset.config(len(matter.prepared.tokenizer)))
    prime(model, matter.train)
    recipe = replace(
        preset.phases[0].recipe, rate=how.rate, optimiser=how.optimiser, decay_from=0.65
    )
    tokenizer, accelerator = matter.prepared.tokenizer, accelerator_for(how.precision)
    task = EssayTask(model, tokenizer, matter.train, {}, recipe, accelerator)
    run(task, folder, limit.plan(), seed=1)
    clock = json.loads((folder / f"{CHECKPOINT}.json").read_text(encoding="utf-8"))["loop"]
    tokens, seconds = int(clock["units"]), float(clock["seconds"])
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(task.averaged()[name])
    return Row(
        f"ours, {how.precision}, {how.optimiser}, {how.rate:g}",
        sum(p.numel() for p in model.parameters()),
        seconds,
        tokens,
        tokens / seconds * matter.words / len(matter.train.tokens),
        tokens / seconds,
        {
            name: likelihood(model, packed, chosen).bits_per_byte
            for name, (packed, chosen) in matter.held_out.items()
        },
    )


def plain(matter: Matter, minutes: float, sizes: Sizes) -> Row:
    """Train the word-level LSTM."""
    vocabulary = Vocabulary(matter.read)
    packed, chosen = next(iter(matter.held_out.values()))
    check = vocabulary.encode(matter.texts(packed, chosen[:CHECKED]))
    ids = vocabulary.encode(matter.read)
    trained = train_words(ids, check, len(vocabulary), sizes, 60 * minutes)
    figures = {}
    for name, (packed, chosen) in matter.held_out.items():
        asked = matter.texts(packed, chosen)
        nats = score(trained.model, torch.cat([torch.zeros(1, dtype=torch.long),
                                               vocabulary.encode(asked)]))  # fmt: skip
        nats += vocabulary.spelling(asked)
        figures[name] = nats / math.log(2) / int(packed.text_bytes[chosen].sum())
    speed = trained.words / trained.seconds
    return Row(
        f"word-level LSTM, {sizes.layers}x{sizes.units}",
        sum(p.numel() for p in trained.model.parameters()),
        trained.seconds,
        trained.words,
        speed * matter.words / len(ids),
        speed,
        figures,
    )


def ngram(matter: Matter) -> Row:
    """Count the 5-gram."""
    size = len(matter.prepared.tokenizer)
    begun = time.monotonic()
    model = fit_baseline([matter.train], size, START_ID, TEXT_ID)
    seconds = time.monotonic() - begun
    return Row(
        "Kneser-Ney 5-gram",
        sum(len(order.keys) for order in model._orders),
        seconds,
        len(matter.train.tokens),
        matter.words / seconds,
        len(matter.train.tokens) / seconds,
        {
            name: baseline_likelihood(model, packed, chosen, TEXT_ID).bits_per_byte
            for name, (packed, chosen) in matter.held_out.items()
        },
    )


def show(rows: Sequence[Row]) -> None:
    """Print the table; units are tokens or words, the last columns bits per byte."""
    sets = list(rows[0].bits_per_byte)
    table = Table("model", "parameters", "s", "units", "words/s", "units/s", *sets)
    for row in rows:
        table.add_row(
            row.way, f"{row.parameters:,}", f"{row.seconds:,.0f}", f"{row.units:,}",
            f"{row.words_per_second:,.0f}", f"{row.units_per_second:,.0f}",
            *(f"{row.bits_per_byte[name]:.3f}" for name in sets),
        )  # fmt: skip
    Console().print(table)


@app.command()
def main(
    corpus: Annotated[Path, typer.Option(help="File, folder or zip of essays.")],
    minutes: Annotated[float, typer.Option(help="Of learning, for each model.")] = 10.0,
    steps: Annotated[int | None, typer.Option(help="Of ours, instead of the minutes.")] = None,
    preset: Annotated[str, typer.Option(help="cpu, gpu or tiny.")] = "cpu",
    precisions: Annotated[str, typer.Option(help="bf16, no.")] = "bf16,no",
    optimisers: Annotated[str, typer.Option(help="adamw, muon.")] = "adamw",
    rates: Annotated[str, typer.Option(help="Peak rates; empty: the preset's.")] = "",
    others: Annotated[bool, typer.Option(help="Train the word-level LSTM and the 5-gram.")] = True,
    units: Annotated[int, typer.Option(help="Of the word-level LSTM, in each layer.")] = 200,
    documents: Annotated[int, typer.Option(help="Held-out texts of each set.")] = 200,
    threads: Annotated[int, typer.Option(help="Of torch; 0 leaves its own choice.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure every model."""
    if threads:
        torch.set_num_threads(threads)
    chosen = read_preset(preset)
    usual = chosen.phases[0].recipe.rate
    rows = []
    with tempfile.TemporaryDirectory() as made:
        matter = gather(corpus, chosen, Path(made), documents)
        for number, how in enumerate(ways(precisions, optimisers, rates, usual)):
            rows.append(ours(matter, chosen, Limit(minutes, steps), Path(made) / str(number), how))
        if others:
            rows += [plain(matter, minutes, Sizes(units=units)), ngram(matter)]
    show(rows)
    figures = {
        "minutes": minutes,
        "steps": steps,
        "preset": preset,
        "threads": torch.get_num_threads(),
        "load": os.getloadavg()[0],
        "documents": {k: len(chosen) for k, (_, chosen) in matter.held_out.items()},
        "rows": [asdict(row) for row in rows],
    }
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
