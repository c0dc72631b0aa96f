"""Measure the essay engine against plainer ways to run the same model, in one run.

    python -m benchmarks.essay_engine [VERSION FOLDER] [--size 30m] [--streams 1,8,32,128]

Rows: a loop over ``torch.nn.LSTM`` in fp32 fed one token at a time, ``transformers.generate`` on
the very model, the engine's fused step with its drawing and nothing else, the engine drawing one
candidate without guidance (the same work as those), and the engine as it ships (several candidates
a sentence, two voices; only the tokens that were kept are counted), at last for one user who asks
for 500 words, again and again. Beside them the limit that memory sets: each weight is read once a
step, as fast as a copy of that size reads and writes in the same run. ``--size 30m`` takes a model
of 2x1024 and 16,384 words with the version's weights in its corners (``essay_wide.py``), and draws
one candidate a sentence. ``tok/cpu-s`` (tokens a processor second) is what other programs disturb
least. The goals are for two cores that do nothing else; one thread is fastest: ``--threads 1``.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated

import torch
import typer
from rich.console import Console
from rich.table import Table
from transformers import AutoTokenizer

from benchmarks.essay_ways import (
    ONE_USER,
    Row,
    bandwidth_limits,
    running,
    time_engine,
    time_generate,
    time_kernel,
    time_plain,
    time_user,
)
from benchmarks.essay_wide import widened
from models.contract import WORDS_MAX, WORDS_MIN
from models.essay.decoding import Decoding
from models.essay.lstm import EssayConfig, EssayLSTM
from models.essay.prompt import Prompter
from models.registry import MANIFEST, Registry, Version

ONE_CANDIDATE, SHIPPED = "engine, one candidate", "engine, as shipped"


@dataclass(frozen=True)
class User:
    """What one user asks for in a row."""

    words: int = 500
    essays: int = 6


@dataclass(frozen=True)
class Goal:
    """What a figure should be on two quiet cores."""

    way: str  # how the row's way begins
    streams: int
    figure: str
    aim: float
    at_least: bool

    def judged(self, rows: Sequence[Row]) -> dict[str, object] | None:
        """Set it beside what was measured; None where nothing was."""
        for row in rows:
            if row.way.startswith(self.way) and row.streams == self.streams:
                found = getattr(row, self.figure)
                reached = found >= self.aim if self.at_least else found <= self.aim
                return {**asdict(self), "measured": found, "reached": reached}
        return None


GOALS = {
    "30m": (
        Goal(ONE_CANDIDATE, 1, "tokens_per_second", 700, at_least=True),
        Goal(ONE_CANDIDATE, 32, "tokens_per_second", 2000, at_least=True),
    ),
    "own": (
        Goal(ONE_USER, 1, "first_words_ms", 150, at_least=False),
        Goal(ONE_USER, 1, "essay_seconds", 2, at_least=False),
    ),
}


def read_version(path: Path) -> Version:
    """Take a version folder, wherever it lies."""
    manifest = path / MANIFEST
    facts = json.loads(manifest.read_text()) if manifest.is_file() else {}
    return Version("essay", path.name, path, facts)


def wide_version(folder: Path, like: Version) -> Version:
    """Make a model of 2x1024 and 16,384 words that writes nearly as a version does."""
    writer = EssayLSTM.from_pretrained(like.path)
    config = EssayConfig(
        vocab_size=16_384, embed_size=512, hidden_size=1024, condition_size=512,
        head_size=writer.config.head_size,
    )  # fmt: skip
    widened(writer, config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(like.path).save_pretrained(folder)
    return Version("essay", "wide-30m", folder, {})


def measure(
    version: Version, streams: Sequence[int], words: int, tokens: int, user: User | None
) -> list[Row]:
    """Make every measurement; without a user only those that choose nothing."""
    model = EssayLSTM.from_pretrained(version.path)
    model.train(False)
    prompter = Prompter(AutoTokenizer.from_pretrained(version.path))
    shipped = Decoding.read(version.path)
    single = replace(shipped, candidates=1, plan_candidates=1, rounds=1, guidance=1.0)
    rows = bandwidth_limits(model, streams)
    for count in streams:
        rows.append(time_plain(model, count, tokens))
        rows.append(time_generate(model, prompter, count, tokens))
    rows += [
        time_kernel(version, EssayLSTM.from_pretrained(version.path), count, tokens)
        for count in streams
    ]
    ways = [(ONE_CANDIDATE, single), *([(SHIPPED, shipped)] if user else [])]
    for way, decoding in ways:
        with running(version, decoding, max(streams)) as engine:
            time_engine(way, engine, 1, 50)
            rows += [time_engine(way, engine, count, words) for count in streams]
            if user and decoding is shipped and user.essays:
                rows.append(time_user(engine, user.words, user.essays))
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table(
        "way", "streams", "tok/s", "tok/cpu-s", "x nn.LSTM", "x generate", "of limit",
        "first words, ms", "essay, s", "MB",
    )  # fmt: skip
    for row in rows:
        told = ratios(row, rows)
        table.add_row(
            row.way, str(row.streams), f"{row.tokens_per_second:,.0f}",
            _cell(row.tokens_per_cpu_second, ",.0f"), _cell(told["nn.LSTM loop"], ".2f"),
            _cell(told["transformers.generate"], ".2f"), _cell(told["memory limit, int8"], ".3f"),
            _cell(row.first_words_ms, ",.0f"), _cell(row.essay_seconds, ".2f"),
            _cell(row.memory_mb, ",.0f"),
        )  # fmt: skip
    Console().print(table)


def ratios(row: Row, rows: Sequence[Row]) -> dict[str, float | None]:
    """Set a row beside others of as many streams: by processor seconds, or by time to the limit."""
    told: dict[str, float | None] = {}
    for way in ("nn.LSTM loop", "transformers.generate", "memory limit, int8"):
        base = next((r for r in rows if r.way == way and r.streams == row.streams), None)
        if base is None or row.tokens_per_cpu_second is None:
            told[way] = None
        elif base.tokens_per_cpu_second is None:
            told[way] = row.tokens_per_second / base.tokens_per_second
        else:
            told[way] = row.tokens_per_cpu_second / base.tokens_per_cpu_second
    return told


def _cell(value: float | None, form: str) -> str:
    return "" if value is None else format(value, form)


def show_goals(judged: Sequence[dict[str, object]]) -> None:
    """Print which goals were reached."""
    table = Table("goal", "streams", "figure", "aim", "measured", "reached")
    for told in judged:
        table.add_row(
            str(told["way"]), str(told["streams"]), str(told["figure"]), f"{told['aim']:g}",
            f"{told['measured']:,.1f}", "yes" if told["reached"] else "no",
        )  # fmt: skip
    Console().print(table)


app = typer.Typer(add_completion=False)


@app.command()
def main(
    folder: Annotated[Path | None, typer.Argument(help="Default: the shipped version.")] = None,
    size: Annotated[str, typer.Option(help="own, or 30m: in a wider model.")] = "own",
    streams: str = "1,8,32,128",
    words: Annotated[int, typer.Option(min=WORDS_MIN, max=WORDS_MAX)] = 400,
    tokens: int = 200,
    user_words: Annotated[int, typer.Option(min=WORDS_MIN, max=WORDS_MAX)] = User.words,
    user_essays: Annotated[int, typer.Option(help="Of the one user; 0: none.")] = User.essays,
    threads: Annotated[int, typer.Option(help="Of torch; 0 leaves its own choice.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure a version."""
    if threads:
        torch.set_num_threads(threads)
    if size not in GOALS:
        raise typer.BadParameter("there are own and 30m", param_hint="--size")
    version = read_version(folder) if folder else Registry().resolve("essay")
    user = User(user_words, user_essays) if size == "own" else None
    with tempfile.TemporaryDirectory() as made:
        if size == "30m":
            version = wide_version(Path(made), version)
        rows = measure(version, [int(n) for n in streams.split(",")], words, tokens, user)
    show(rows)
    judged = [told for goal in GOALS[size] if (told := goal.judged(rows)) is not None]
    show_goals(judged)
    if out is not None:
        figures = {
            "version": version.name,
            "threads": torch.get_num_threads(),
            "words": words,
            "goals": judged,
            "rows": [{**asdict(row), "ratios": ratios(row, rows)} for row in rows],
        }
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    app()
