"""State what the engine's precisions cost: bits per byte of held-out essays, by its own fused step.

    python -m benchmarks.essay_precision --corpus CORPUS [--version live] [--documents 40]
        [--precisions fp32,int8,bf16] [--out FILE]

The corpus is split as it was for the version's training, and read in the same way: each essay from
an empty memory, told topic, style and length. The interval is that of the ratio to the first
precision, by bootstrap over essays.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from models.essay.eightbit import kernel_for
from models.essay.kernel import Kernel
from models.essay.lstm import EssayLSTM
from models.essay.precision import Precision
from models.essay.prompt import ConditionArrays
from models.registry import Registry, Version
from training.essays.evaluation import ratio_interval
from training.essays.examination import corpus_of
from training.essays.labels import Lexicon
from training.essays.pack import Packed, Packer
from training.essays.scoring import Likelihood

SETS = ("unseen", "seen")
TOGETHER = 20  # essays stepped side by side
app = typer.Typer(add_completion=False)


@dataclass(frozen=True)
class Row:
    """One precision on one set."""

    held_out: str
    precision: str
    documents: int
    bits_per_byte: float
    ratio: float  # to the first precision
    ratio_from: float
    ratio_to: float


def held_out(version: Version, corpus: Path, documents: int) -> dict[str, Packed]:
    """Pack up to so many held-out essays of each set, evenly chosen."""
    split = corpus_of(version, corpus)
    packer = Packer(
        PreTrainedTokenizerFast.from_pretrained(version.path),
        Lexicon.load(version.path / "lexicon.json"),
    )
    packed = {}
    for name in SETS:
        essays = split.essays_of(name)
        chosen = essays[:: max(1, -(-len(essays) // documents))]
        if chosen:
            packed[name] = packer.pack([e.document for e in chosen], [e.mark for e in chosen], None)
    return packed


@torch.inference_mode()
def stepped(kernel: Kernel, packed: Packed) -> Likelihood:
    """Score documents as the engine would feed them, token by token, some side by side."""
    felt = _felt(kernel, packed)
    order = np.argsort(np.diff(packed.starts), kind="stable")
    nats = np.zeros(packed.documents)
    for begin in range(0, len(order), TOGETHER):
        batch = order[begin : begin + TOGETHER]
        nats[batch] = _stepped(kernel, packed, felt, torch.from_numpy(batch))
    return Likelihood(
        nats, int(packed.text_bytes.sum()), int(packed.text_words.sum()), int(packed.learn.sum())
    )


def _felt(kernel: Kernel, packed: Packed) -> Tensor:
    """Give what the norms receive in every condition of a set."""
    topics, keywords = packed.bags[packed.row_topic], packed.bags[packed.row_keywords]
    return kernel.felt(
        ConditionArrays(topics.tolist(), keywords.tolist(), *packed.row_small.T.tolist())
    )


def _stepped(kernel: Kernel, packed: Packed, felt: Tensor, documents: Tensor) -> Tensor:
    """Give the nats of some documents; those that end early stay where they are, uncounted."""
    tokens, places, learn, starts = (
        torch.from_numpy(array.astype(np.int64))
        for array in (packed.tokens, packed.condition, packed.learn, packed.starts)
    )
    begin, end = starts[documents] + 1, starts[documents + 1]  # <s> only empties the memory
    memory = kernel.empty_memory(len(documents))
    nats = torch.zeros(len(documents), dtype=torch.float64)
    for step in range(int((end - begin).max()) - 1):
        here = torch.minimum(begin + step, end - 2)
        y, memory = kernel.step(tokens[here], felt[places[here]], memory)
        told = kernel.log_probs(y).gather(1, tokens[here + 1].unsqueeze(1)).squeeze(1)
        nats -= told.double() * learn[here + 1] * (begin + step < end - 1)
    return nats


def measure(version: Version, sets: dict[str, Packed], precisions: Sequence[str]) -> list[Row]:
    """Score every set in every precision."""
    rows = []
    scores: dict[str, Likelihood] = {}
    for precision in precisions:
        kernel = kernel_for(EssayLSTM.from_pretrained(version.path), torch.device("cpu"), precision)
        for name, packed in sets.items():
            found = stepped(kernel, packed)
            first = scores.setdefault(name, found)
            low, high = ratio_interval(found.document_nats, first.document_nats, block=1)
            ratio = found.nats / first.nats
            rows.append(
                Row(name, precision, packed.documents, found.bits_per_byte, ratio, low, high)
            )
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table("held out", "precision", "essays", "bits per byte", "ratio", "95 %")
    for row in rows:
        table.add_row(
            row.held_out, row.precision, str(row.documents), f"{row.bits_per_byte:.4f}",
            f"{row.ratio:.5f}", f"{row.ratio_from:.5f}-{row.ratio_to:.5f}",
        )  # fmt: skip
    Console().print(table)


@app.command()
def main(
    corpus: Annotated[Path, typer.Option(help="The corpus that the version was trained on.")],
    version: Annotated[str, typer.Option(help="Version or alias.")] = "live",
    registry: Annotated[Path | None, typer.Option(help="Where own versions are.")] = None,
    documents: Annotated[int, typer.Option(help="Essays of each set.", min=1)] = 40,
    precisions: Annotated[str, typer.Option(help="The first is what others are set beside.")] = (
        f"{Precision.FP32},{Precision.INT8}"
    ),
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Score held-out essays in each precision."""
    wanted = [Precision(name).value for name in precisions.split(",")]
    found = Registry(registry).resolve("essay", version)
    rows = measure(found, held_out(found, corpus, documents), wanted)
    show(rows)
    if out is not None:
        figures = {"version": found.name, "rows": [asdict(row) for row in rows]}
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
