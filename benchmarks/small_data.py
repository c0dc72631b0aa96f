"""How few essays or songs make a style: adapt a version to ever more of them, and measure.

    python -m benchmarks.small_data essays --corpus essays.jsonl --topic "Phones and driving" \\
        --sizes 20,50,150,500 --minutes 4 --base live --out out/phones
    python -m benchmarks.small_data songs --corpus SONGS --held-out OTHERS \\
        --sizes 10,30,100,200 --minutes 3 --out out/band

Every size is trained by the very command that ``/train start`` runs, in a process of its own and in
a registry under ``--out``. What comes of it is measured against the base on the same held-out
essays or songs for every size, which no run reads. Written: ``study.json`` and ``study.md``, anew
after each size. The last size is what there is, if that is less.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Protocol

import typer

from benchmarks import small_essays, small_songs
from benchmarks.adapting import Ground, prepare
from models.registry import RegistryError
from training.essays.corpus import CorpusError as EssaysError
from training.music.corpus import CorpusError as SongsError

TROUBLE = (EssaysError, SongsError, RegistryError, ValueError)
app = typer.Typer(add_completion=False, no_args_is_help=True)

CorpusPath = Annotated[Path, typer.Option(help="Where essays or songs are.")]
Sizes = Annotated[str, typer.Option(help="How many to learn from, run by run.")]
Minutes = Annotated[float, typer.Option(help="Of learning, for each size.")]
Base = Annotated[str, typer.Option(help="Version or alias that is adapted.")]
Source = Annotated[Path | None, typer.Option("--registry", help="Where the base is, if own.")]
PresetName = Annotated[str, typer.Option(help="cpu, gpu or tiny.")]
Threads = Annotated[int, typer.Option(help="Of torch.")]
Out = Annotated[Path, typer.Option(help="Folder for runs, registry and tables.")]


class Row(Protocol):
    """What one size came to."""

    def cells(self) -> dict[str, str]:
        """Give the columns of its line in the table."""

    def works(self) -> bool:
        """Say whether this size is enough."""


def numbers(told: str) -> list[int]:
    """Read ``20,50,150``."""
    sizes = sorted({int(part) for part in told.split(",") if part.strip()})
    if not sizes or sizes[0] < 1:
        raise typer.BadParameter("Sizes are numbers with commas between, such as 20,50,150.")
    return sizes


def fitting(sizes: Sequence[int], there: int) -> list[int]:
    """Keep the sizes that there are; a larger one becomes all that there is."""
    return sorted({min(size, there) for size in sizes})


def table(rows: Sequence[Row], smallest: str) -> str:
    """Write the rows as Markdown, with the verdict below."""
    lines = [row.cells() for row in rows]
    head = list(lines[0])
    marks = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    marks += ["| " + " | ".join(line[name] for name in head) + " |" for line in lines]
    return "\n".join([*marks, "", smallest, ""])


def verdict(rows: Sequence[Row], sizes: Sequence[int], goal: str) -> str:
    """Name the smallest size that is enough."""
    enough = [size for row, size in zip(rows, sizes, strict=False) if row.works()]
    return f"The fewest that {goal}: {enough[0]}." if enough else f"None {goal}."


def follow(
    ground: Ground, sizes: Sequence[int], one: Callable[[int], Row], goal: str,
    facts: dict[str, Any],
) -> None:  # fmt: skip
    """Study size after size; the tables are written anew after each."""
    rows: list[Row] = []
    for size in sizes:
        rows.append(one(size))
        said = table(rows, verdict(rows, sizes, goal))
        told = {
            "base": ground.base.name, "minutes": ground.minutes, "preset": ground.preset,
            "threads": ground.threads, "load": os.getloadavg()[0], **facts,
            "rows": [asdict(row) for row in rows],  # type: ignore[call-overload]
        }  # fmt: skip
        (ground.out / "study.json").write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")
        (ground.out / "study.md").write_text(said, encoding="utf-8")
        typer.echo(said)


@contextmanager
def in_plain_words() -> Iterator[None]:
    """Turn what people can mend into one sentence."""
    try:
        yield
    except TROUBLE as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(1) from error


@app.command()
def essays(
    corpus: CorpusPath,
    out: Out,
    topic: Annotated[str, typer.Option(help="Only essays on this topic.")] = "",
    sizes: Sizes = "20,50,150,500",
    minutes: Minutes = 4.0,
    base: Base = "live",
    registry: Source = None,
    preset: PresetName = "cpu",
    threads: Threads = 1,
    held_out: Annotated[int, typer.Option(min=2, help="Essays that no run reads.")] = 40,
    written: Annotated[int, typer.Option(min=1, help="Essays written to look for copies.")] = 20,
) -> None:
    """Adapt the writer to essays on one topic, the best marked first."""
    with in_plain_words():
        ground = prepare("essay", out, base, registry, minutes, preset, threads)
        wanted = numbers(sizes)
        pool = small_essays.gather(corpus, topic, wanted[-1], held_out)
        study = small_essays.Study(ground, pool, topic, written)
        facts = {"topic": topic, "held_out": len(pool.held_out)}
        follow(ground, fitting(wanted, len(pool.learnt)), study.row, small_essays.GOAL, facts)


@app.command()
def songs(
    corpus: CorpusPath,
    out: Out,
    held_out: Annotated[
        Path | None, typer.Option(help="Songs that no run reads; else one in five of the corpus.")
    ] = None,
    sizes: Sizes = "10,30,100,200",
    minutes: Minutes = 3.0,
    base: Base = "live",
    registry: Source = None,
    preset: PresetName = "cpu",
    threads: Threads = 1,
    phrases: Annotated[int, typer.Option(min=16, help="Phrases made to count figures.")] = 1024,
) -> None:
    """Adapt the producer to songs of one style."""
    with in_plain_words():
        ground = prepare("music", out, base, registry, minutes, preset, threads)
        pool = small_songs.gather(corpus, held_out, out)
        study = small_songs.Study(ground, pool, phrases)
        chosen = fitting(numbers(sizes), len(pool.learnt))
        facts = {"held_out": len(pool.held_out)}
        follow(ground, chosen, study.row, small_songs.GOAL, facts)


if __name__ == "__main__":
    app()
