"""Measure word perplexity as the WikiText-2 benchmark does: our LSTM against a 5-gram.

    python -m benchmarks.wikitext --data FOLDER --minutes 45 [--threads 2] [--json FILE]
        [--run FOLDER [--resume]] [--plain-minutes 45]

FOLDER holds ``wiki.{train,valid,test}.tokens[.xz]``. The words are the benchmark's own (``<unk>``
stays, every line ends with ``<eos>``), all models learn from the train split alone, everything is
chosen by the valid split, and a figure is exp(nats / words) of a whole split, read in one go with
the memory carried on. A row with a cache (Grave, Joulin and Usunier 2017) also looks back at what
the split itself said so far; it is a figure of its own, beside the plain one. Time is time of
learning: looks at the valid split are not counted. ``--plain-minutes`` adds the word-level LSTM of
the public PyTorch example after the same time.
"""

from __future__ import annotations

import json
import lzma
import os
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from math import exp
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor

from benchmarks.wikitext_cache import Cache, Seen, choose_cache, read_split
from benchmarks.wikitext_task import Recipe, WordTask
from benchmarks.wikitext_writer import Sizes, WordWriter
from benchmarks.word_lstm import Sizes as PlainSizes
from benchmarks.word_lstm import score
from benchmarks.word_lstm import train as train_plain
from training.essays.ngram import KneserNey
from training.loop import Plan, load_checkpoint, run

SPLITS = ("train", "valid", "test")
END, UNKNOWN = "<eos>", "<unk>"
NEVER = 10**9
app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Splits:
    """The benchmark as ids, the most frequent word first."""

    words: list[str]
    train: Tensor
    valid: Tensor
    test: Tensor

    @property
    def end(self) -> int:
        """The id that ends every line, and comes before the first."""
        return self.words.index(END)


@dataclass(frozen=True)
class Row:
    """One model's figures."""

    way: str
    parameters: int
    minutes: float  # of learning
    words_per_second: float
    words_read: int
    valid: float
    test: float


def read_splits(folder: Path) -> Splits:
    """Read the three files and number the words of the first."""
    texts = {name: _words(folder, name) for name in SPLITS}
    counts = Counter({END: 0, UNKNOWN: 0})
    counts.update(texts["train"])
    words = [word for word, _ in counts.most_common()]
    number = {word: n for n, word in enumerate(words)}
    strange = number[UNKNOWN]
    ids = {k: torch.tensor([number.get(w, strange) for w in v]) for k, v in texts.items()}
    return Splits(words, ids["train"], ids["valid"], ids["test"])


def _words(folder: Path, split: str) -> list[str]:
    path = folder / f"wiki.{split}.tokens"
    packed = path.with_name(f"{path.name}.xz")
    data = lzma.decompress(packed.read_bytes()) if packed.is_file() else path.read_bytes()
    lines = data.decode().removesuffix("\n").split("\n")
    return [word for line in lines for word in [*line.split(), END]]


def ours(
    splits: Splits, sizes: Sizes, recipe: Recipe, plan: Plan, folder: Path, *, resume: bool = False
) -> tuple[list[Row], Cache]:
    """Train our LSTM, take its best weights by the valid split, score with and without a cache."""
    torch.manual_seed(recipe.seed)
    model = WordWriter(len(splits.words), sizes)
    model.prime(splits.train)
    task = WordTask(model, splits.train, splits.valid, splits.end, recipe)
    outcome = run(task, folder, plan, resume=resume, seed=recipe.seed)
    if outcome.state == "stopped":
        Console(stderr=True).print(f"{outcome.sentence} --run and --resume go on.")
        raise typer.Exit(1)
    clock = json.loads((folder / "checkpoint.json").read_text(encoding="utf-8"))["loop"]
    load_checkpoint(task, folder, "best")
    task.settle()
    valid = read_split(model, splits.valid, splits.end)
    test = read_split(model, splits.test, splits.end)
    cache = choose_cache(valid)
    parameters = sum(p.numel() for p in model.parameters())
    seconds, read = float(clock["seconds"]), int(clock["units"])
    return [
        Row(
            f"ours, {sizes.layers}x{sizes.hidden}{also}",
            *(parameters, seconds / 60, read / seconds, read),
            *(exp(figure(valid)), exp(figure(test))),
        )
        for also, figure in (("", Seen.mean), (" and cache", cache.mean))
    ], cache


def plain(splits: Splits, minutes: float, units: int) -> Row:
    """Train the word-level LSTM of the public example."""
    sizes, before = PlainSizes(units=units), torch.tensor([splits.end])
    trained = train_plain(splits.train, splits.valid, len(splits.words), sizes, 60 * minutes)
    valid, test = (
        exp(score(trained.model, torch.cat([before, ids])) / len(ids))
        for ids in (splits.valid, splits.test)
    )
    return Row(
        f"word-level LSTM, {sizes.layers}x{units}",
        sum(p.numel() for p in trained.model.parameters()),
        trained.seconds / 60,
        trained.words / trained.seconds,
        trained.words,
        valid,
        test,
    )


def ngram(splits: Splits) -> Row:
    """Count the 5-gram."""
    start, begun = len(splits.words), time.monotonic()
    model = KneserNey.fit([splits.train.numpy()], start + 1, start)
    seconds = time.monotonic() - begun
    valid, test = (
        exp(-float(model.log_probabilities(ids.numpy()).mean()))
        for ids in (splits.valid, splits.test)
    )
    types, read = sum(len(order.keys) for order in model._orders), len(splits.train)
    return Row("Kneser-Ney 5-gram", types, seconds / 60, read / seconds, read, valid, test)


def show(rows: Sequence[Row]) -> None:
    """Print the table; the last three columns are perplexities and their ratio to the 5-gram's."""
    table = Table("model", "parameters", "minutes", "words/s", "words read", "valid", "test", "x")
    for row in rows:
        table.add_row(
            row.way, f"{row.parameters:,}", f"{row.minutes:.1f}", f"{row.words_per_second:,.0f}",
            f"{row.words_read:,}", f"{row.valid:.1f}", f"{row.test:.1f}",
            f"{row.test / rows[-1].test:.3f}",
        )  # fmt: skip
    Console().print(table)


@app.command()
def main(
    data: Annotated[Path, typer.Option(help="Folder of wiki.*.tokens or .tokens.xz.")],
    minutes: Annotated[float, typer.Option(help="Of learning.")] = 45.0,
    steps: Annotated[int, typer.Option(help="Most steps.")] = NEVER,
    embed: Annotated[int, typer.Option(help="Of a word's vector.")] = Sizes.embed,
    hidden: Annotated[int, typer.Option(help="Of each layer.")] = Sizes.hidden,
    layers: Annotated[int, typer.Option()] = Sizes.layers,
    drop: Annotated[float, typer.Option(help="Scales every dropout.")] = 1.0,
    rate: Annotated[float, typer.Option(help="At the peak.")] = Recipe.rate,
    rows: Annotated[int, typer.Option(help="Read side by side.")] = Recipe.rows,
    precision: Annotated[str, typer.Option(help="bf16, no.")] = Recipe.precision,
    evaluate_every: Annotated[int, typer.Option(help="Steps.")] = 1000,
    plain_minutes: Annotated[float, typer.Option(help="Of the word-level LSTM; 0: none.")] = 0.0,
    plain_units: Annotated[int, typer.Option(help="Of its layers.")] = 200,
    threads: Annotated[int, typer.Option(help="Of torch; 0 leaves its own choice.")] = 0,
    folder: Annotated[Path | None, typer.Option("--run", help="Keep the run here.")] = None,
    resume: Annotated[bool, typer.Option(help="Go on with the run.")] = False,
    out: Annotated[Path | None, typer.Option("--json", help="Write the figures.")] = None,
) -> None:
    """Measure every model."""
    if threads:
        torch.set_num_threads(threads)
    splits = read_splits(data)
    sizes = scaled(Sizes(embed=embed, hidden=hidden, layers=layers), drop)
    recipe = Recipe(rate=rate, rows=rows, precision=precision)
    plan = Plan(
        steps=steps, max_minutes=minutes, evaluate_every=evaluate_every,
        save_every=evaluate_every, sample_every=NEVER, log_every=50,
    )  # fmt: skip
    counted = ngram(splits)
    with tempfile.TemporaryDirectory() as made:
        figures, cache = ours(splits, sizes, recipe, plan, folder or Path(made), resume=resume)
    if plain_minutes:
        figures.append(plain(splits, plain_minutes, plain_units))
    figures.append(counted)
    show(figures)
    if out is not None:
        facts = {
            "types": len(splits.words),
            "words": {name: len(getattr(splits, name)) for name in SPLITS},
            "threads": torch.get_num_threads(),
            "load": os.getloadavg()[0],
            **{"sizes": asdict(sizes), "recipe": asdict(recipe), "cache": asdict(cache)},
            "rows": [asdict(row) | {"ratio": row.test / counted.test} for row in figures],
        }
        out.write_text(json.dumps(facts, indent=2) + "\n", encoding="utf-8")


def scaled(sizes: Sizes, factor: float) -> Sizes:
    """Multiply every dropout."""
    drops = {k: v * factor for k, v in asdict(sizes).items() if k.endswith("_drop")}
    return replace(sizes, **drops)


if __name__ == "__main__":
    app()
