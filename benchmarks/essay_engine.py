"""Measure the essay engine against plainer ways to run the same model, in one run.

    python benchmarks/essay_engine.py models/checkpoints/essay/<version> [--streams 1,8,32]

Rows: a loop over ``torch.nn.LSTM`` fed one token at a time, ``transformers.generate``, the engine
drawing one candidate without guidance (the same work as those two), and the engine as it ships
(several candidates a sentence, two voices; only the tokens that were kept are counted). The ratio
to the first row is of tokens a processor second, which other programs on the machine disturb least.
"""

from __future__ import annotations

import json
import resource
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Annotated, Any, cast

import torch
import typer
from rich.console import Console
from rich.table import Table
from torch import nn
from transformers import AutoTokenizer

from models.contract import EssayDelta, EssayDone, EssayRequest, Problem
from models.essay.decoding import Decoding
from models.essay.engine import EssayEngine
from models.essay.lstm import EssayLSTM
from models.essay.prompt import Prompter, Wish, condition_arrays
from models.registry import MANIFEST, Version

TOPICS = ("school uniforms", "electric bikes", "friendship", "the sea", "music", "space travel")


@dataclass(frozen=True)
class Row:
    """One measurement."""

    way: str
    streams: int
    tokens_per_second: float
    tokens_per_cpu_second: float | None = None  # what a processor of one's own would give
    first_words_ms: float | None = None  # median over streams
    essay_seconds: float | None = None  # median over streams


class Clock:
    """Counts seconds, and seconds of this process on a processor, from now on."""

    def __init__(self) -> None:
        self._wall, self._own = time.perf_counter(), time.process_time()

    @property
    def wall(self) -> float:
        """Seconds that have passed."""
        return time.perf_counter() - self._wall

    def row(self, way: str, streams: int, tokens: int) -> Row:
        """Note how long ``tokens`` tokens took."""
        return Row(way, streams, tokens / self.wall, tokens / (time.process_time() - self._own))


class PlainWriter(nn.Module):
    """What one would write first: nn.LSTM and a full softmax, with the same sizes."""

    def __init__(self, model: EssayLSTM) -> None:
        super().__init__()
        config = model.config
        self.embed = nn.Embedding(config.vocab_size, config.embed_size)
        self.lstm = nn.LSTM(
            config.embed_size, config.hidden_size, config.num_hidden_layers, batch_first=True
        )
        self.project = nn.Linear(config.hidden_size, config.embed_size)
        self.out = nn.Linear(config.embed_size, config.vocab_size)

    def write(self, streams: int, tokens: int) -> None:
        """Draw ``tokens`` tokens for every stream, in lockstep."""
        ids = torch.ones(streams, 1, dtype=torch.long)
        state = None
        for _ in range(tokens):
            hidden, state = self.lstm(self.embed(ids), state)
            shares = self.out(self.project(hidden[:, -1])).div(0.8).softmax(-1)
            ids = torch.multinomial(shares, 1)


def read_version(path: Path) -> Version:
    """Take a version folder, wherever it lies."""
    manifest = path / MANIFEST
    facts = json.loads(manifest.read_text()) if manifest.is_file() else {}
    return Version("essay", path.name, path, facts)


def time_plain(model: EssayLSTM, streams: int, tokens: int) -> Row:
    """Time the loop over nn.LSTM."""
    plain = PlainWriter(model)
    with torch.inference_mode():
        plain.write(streams, 5)
        clock = Clock()
        plain.write(streams, tokens)
    return clock.row("nn.LSTM loop", streams, streams * tokens)


def time_generate(model: EssayLSTM, prompter: Prompter, streams: int, tokens: int) -> Row:
    """Time transformers.generate on the very model."""
    wish = Wish(TOPICS[0], 400, "argument", 5)
    arrays = condition_arrays([prompter.condition(wish, paragraph=0)] * streams)
    names = ("topic", "keywords", "style", "mark", "role", "remaining")
    with torch.inference_mode():
        condition = model.condition(**{n: torch.tensor(getattr(arrays, n)) for n in names})
        ids = torch.tensor([prompter.prefix(wish)] * streams)
        settings: dict[str, Any] = {
            "condition": condition, "do_sample": True, "temperature": 0.8, "min_p": 0.06,
            "eos_token_id": None, "use_cache": True,
        }  # fmt: skip
        cast(Any, model).generate(ids, max_new_tokens=5, **settings)
        clock = Clock()
        cast(Any, model).generate(ids, max_new_tokens=tokens, min_new_tokens=tokens, **settings)
    return clock.row("transformers.generate", streams, streams * tokens)


@contextmanager
def running(version: Version, decoding: Decoding, slots: int) -> Iterator[EssayEngine]:
    """Hold an engine open."""
    engine = EssayEngine(device="cpu", slots=slots, decoding=decoding)
    engine.load(version)
    engine.start()
    yield engine
    engine.stop()


def time_engine(way: str, engine: EssayEngine, streams: int, words: int) -> Row:
    """Time essays that begin together."""
    firsts: list[float] = []
    lasts: list[float] = []
    tokens: list[int] = []
    over = threading.Semaphore(0)
    clock = Clock()

    def listener() -> Any:
        heard = False

        def emit(event: object) -> None:
            nonlocal heard
            if isinstance(event, EssayDelta) and not heard:
                heard = True
                firsts.append(clock.wall)
            if isinstance(event, EssayDone):
                lasts.append(clock.wall)
                tokens.append(event.tokens)
            if isinstance(event, EssayDone | Problem):
                over.release()

        return emit

    for number in range(streams):
        topic = TOPICS[number % len(TOPICS)]
        request = EssayRequest(request_id=str(number), topic=topic, words=words, seed=number)
        engine.submit(request, listener())
    for _ in range(streams):
        over.acquire()
    row = clock.row(way, streams, sum(tokens))
    first, last = statistics.median(firsts) * 1000, statistics.median(lasts)
    return replace(row, first_words_ms=first, essay_seconds=last)


def bandwidth_limit(model: EssayLSTM) -> float:
    """Bound one stream's tokens a second: every weight is read once a token from main memory."""
    source = torch.zeros(64 * 2**20)
    target = torch.zeros_like(source)
    target.copy_(source)
    begun = time.perf_counter()
    for _ in range(4):
        target.copy_(source)
    speed = 4 * 2 * source.nbytes / (time.perf_counter() - begun)
    return speed / sum(p.nbytes for p in model.parameters())


def measure(version: Version, streams: Sequence[int], words: int, tokens: int) -> list[Row]:
    """Make every measurement."""
    model = EssayLSTM.from_pretrained(version.path)
    model.train(False)
    prompter = Prompter(AutoTokenizer.from_pretrained(version.path))
    shipped = Decoding.read(version.path)
    single = replace(shipped, candidates=1, plan_candidates=1, rounds=1, guidance=1.0)
    rows = [Row("bandwidth limit, fp32", 1, bandwidth_limit(model))]
    for count in streams:
        rows.append(time_plain(model, count, tokens))
        rows.append(time_generate(model, prompter, count, tokens))
    for way, decoding in (("engine, one candidate", single), ("engine, as shipped", shipped)):
        with running(version, decoding, max(streams)) as engine:
            time_engine(way, engine, 1, 50)
            rows += [time_engine(way, engine, count, words) for count in streams]
    return rows


def show(rows: Sequence[Row]) -> None:
    """Print the table."""
    table = Table("way", "streams", "tok/s", "tok/cpu-s", "ratio", "first words, ms", "essay, s")
    plain = {row.streams: row.tokens_per_cpu_second for row in rows if row.way == "nn.LSTM loop"}
    for row in rows:
        base, own = plain.get(row.streams), row.tokens_per_cpu_second
        table.add_row(
            row.way, str(row.streams), f"{row.tokens_per_second:,.0f}",
            f"{own:,.0f}" if own else "",
            f"{own / base:.2f}" if own and base else "",
            f"{row.first_words_ms:,.0f}" if row.first_words_ms is not None else "",
            f"{row.essay_seconds:.2f}" if row.essay_seconds is not None else "",
        )  # fmt: skip
    Console().print(table)


def main(
    folder: Path,
    streams: str = "1,8,32",
    words: int = 400,
    tokens: int = 200,
    threads: Annotated[int, typer.Option(help="Of torch; 0 leaves its own choice.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure the version in FOLDER."""
    if threads:
        torch.set_num_threads(threads)
    rows = measure(read_version(folder), [int(n) for n in streams.split(",")], words, tokens)
    show(rows)
    figures = {
        "version": folder.name,
        "threads": torch.get_num_threads(),
        "words": words,
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024,
        "rows": [asdict(row) for row in rows],
    }
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    Console().print_json(data={k: v for k, v in figures.items() if k != "rows"})


if __name__ == "__main__":
    typer.run(main)
