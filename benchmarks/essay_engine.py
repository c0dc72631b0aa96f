"""Measure the essay engine against plainer ways to run the same model, in one run.

    python -m benchmarks.essay_engine [VERSION FOLDER] [--size 30m] [--streams 1,8,32,128]

Rows: a loop over ``torch.nn.LSTM`` in fp32 fed one token at a time, ``transformers.generate`` on
the very model, the engine's fused step with its drawing and nothing else, the engine drawing one
candidate without guidance (the same work as those), and the engine as it ships (several candidates
a sentence, two voices; only the tokens that were kept are counted). Beside them the limit that
memory sets: each weight is read once a step, as fast as a copy of that size reads and writes in the
same run. ``--size 30m`` takes a model of 2x1024 and 16,384 words with random weights; its texts are
nonsense, which costs the same time. ``--text`` says how many bits per byte eight bits lose on a
file. ``tok/cpu-s`` (tokens a processor second) is what other programs disturb least.
"""

from __future__ import annotations

import json
import math
import statistics
import tempfile
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

from models.contract import WORDS_MAX, WORDS_MIN, EssayDelta, EssayDone, EssayRequest, Problem
from models.essay.decoding import Decoding
from models.essay.engine import EssayEngine
from models.essay.kernel import Kernel
from models.essay.linear import Precision
from models.essay.lstm import EssayConfig, EssayLSTM
from models.essay.prompt import Condition, Prompter, Wish, condition_arrays
from models.essay.sampling import Draw, draw
from models.registry import MANIFEST, Registry, Version

#: Goals of the engine, in tokens a second on two cores, for the 30 M model: alone and together.
GOALS = {1: 700, 32: 2000}
QUALITY_ROWS = 8  # pieces of the text that are scored side by side
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
    memory_mb: float | None = None  # of the process, after the measurement


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
        own = time.process_time() - self._own
        return Row(way, streams, tokens / self.wall, tokens / own, memory_mb=resident_mb())


def resident_mb() -> float:
    """Give the memory of this process that is in use now."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    return math.nan


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


def random_version(folder: Path, like: Version) -> Version:
    """Make a model of 30 M with random weights and the vocabulary of a version, filled up."""
    torch.manual_seed(1)
    config = EssayConfig(
        vocab_size=16_384, embed_size=512, hidden_size=1024, condition_size=512, head_size=4096
    )
    EssayLSTM(config).save_pretrained(folder)
    AutoTokenizer.from_pretrained(like.path).save_pretrained(folder)
    return Version("essay", "random-30m", folder, {})


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


def time_kernel(version: Version, model: EssayLSTM, streams: int, tokens: int) -> Row:
    """Time the engine's fused step and its drawing, without what chooses and checks."""
    kernel = Kernel(model, torch.device("cpu"), Decoding.read(version.path).precision)
    rows = max(streams, 4)
    luck = Draw(torch.full((rows,), 0.5), torch.full((rows,), 0.8), 0.1)
    with torch.inference_mode():
        felt = kernel.felt(condition_arrays([Condition()] * rows))
        ids = torch.full((rows,), 100)
        h, c = kernel.empty_state(rows)
        for round_number in range(tokens + 5):
            if round_number == 5:
                clock = Clock()
            y, h, c = kernel.step(ids, felt, h, c)
            ids = draw(kernel.log_probs(y), luck)
    return clock.row("fused step and draw", streams, streams * tokens)


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


def copy_speed(size: int) -> float:
    """Measure how many bytes a second are read and written when ``size`` bytes are copied."""
    source = torch.zeros(size // 4)
    target = torch.zeros_like(source)
    target.copy_(source)
    begun = time.perf_counter()
    rounds = max(3, 2**28 // size)
    for _ in range(rounds):
        target.copy_(source)
    return rounds * 2 * source.nbytes / (time.perf_counter() - begun)


def bandwidth_limits(model: EssayLSTM, streams: Sequence[int]) -> list[Row]:
    """Bound tokens a second: every weight of a step is read once for all streams."""
    numbers = weights_a_step(model)
    rows = []
    for way, width in (("memory limit, fp32", 4), ("memory limit, int8", 1)):
        steps = copy_speed(numbers * width) / (numbers * width)
        rows += [Row(way, count, steps * count) for count in streams]
    return rows


def weights_a_step(model: EssayLSTM) -> int:
    """Count the weights that a step reads whole: layers, projections and scores."""
    large = [*model.layers.parameters(), *model.skip.parameters(), *model.project.parameters()]
    return sum(p.numel() for p in [*large, model.embed.weight, model.output_bias])


@torch.inference_mode()
def bits_per_byte(kernel: Kernel, prompter: Prompter, ids: Sequence[int], size: int) -> float:
    """Score a text with a kernel, in pieces side by side; ``size`` is its UTF-8 bytes."""
    felt = kernel.felt(condition_arrays([prompter.condition(Wish(""), paragraph=0)] * QUALITY_ROWS))
    length = len(ids) // QUALITY_ROWS
    pieces = torch.tensor(ids[: length * QUALITY_ROWS]).view(QUALITY_ROWS, length)
    h, c = kernel.empty_state(QUALITY_ROWS)
    nats = 0.0
    for step in range(length - 1):
        y, h, c = kernel.step(pieces[:, step], felt, h, c)
        told = kernel.log_probs(y).gather(1, pieces[:, step + 1 : step + 2])
        nats -= float(told.double().sum())
    share = QUALITY_ROWS * (length - 1) / len(ids)
    return nats / math.log(2) / (size * share)


def quality(version: Version, text: Path, limit: int = 40_000) -> dict[str, float]:
    """Give the bits per byte of a text in fp32 and in eight bits."""
    tokenizer = AutoTokenizer.from_pretrained(version.path)
    words = " ".join(text.read_text(encoding="utf-8").split())[:limit]
    ids = tokenizer.encode(f" {words}", add_special_tokens=False)
    if len(ids) < 4 * QUALITY_ROWS:
        raise typer.BadParameter("the text is too short to be scored")
    found = {}
    for precision in (Precision.FP32, Precision.INT8):
        model = EssayLSTM.from_pretrained(version.path)
        kernel = Kernel(model, torch.device("cpu"), precision)
        found[precision.value] = bits_per_byte(
            kernel, Prompter(tokenizer), ids, len(words.encode())
        )
    return {**found, "loss": found["int8"] - found["fp32"]}


def measure(version: Version, streams: Sequence[int], words: int, tokens: int) -> list[Row]:
    """Make every measurement."""
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
    for way, decoding in (("engine, one candidate", single), ("engine, as shipped", shipped)):
        with running(version, decoding, max(streams)) as engine:
            time_engine(way, engine, 1, 50)
            rows += [time_engine(way, engine, count, words) for count in streams]
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


app = typer.Typer(add_completion=False)


@app.command()
def main(
    folder: Annotated[Path | None, typer.Argument(help="Default: the shipped version.")] = None,
    size: Annotated[str, typer.Option(help="own, or 30m: random weights.")] = "own",
    streams: str = "1,8,32,128",
    words: Annotated[int, typer.Option(min=WORDS_MIN, max=WORDS_MAX)] = 400,
    tokens: int = 200,
    threads: Annotated[int, typer.Option(help="Of torch; 0 leaves its own choice.")] = 0,
    text: Annotated[Path | None, typer.Option(help="Text to state the loss of int8 on.")] = None,
    out: Annotated[Path | None, typer.Option(help="Write the figures as JSON.")] = None,
) -> None:
    """Measure a version."""
    if threads:
        torch.set_num_threads(threads)
    if size not in ("own", "30m"):
        raise typer.BadParameter("there are own and 30m", param_hint="--size")
    version = read_version(folder) if folder else Registry().resolve("essay")
    loss = quality(version, text) if text is not None else None
    with tempfile.TemporaryDirectory() as made:
        if size == "30m":
            version = random_version(Path(made), version)
        rows = measure(version, [int(n) for n in streams.split(",")], words, tokens)
    show(rows)
    figures = {
        "version": version.name,
        "threads": torch.get_num_threads(),
        "words": words,
        "goals": GOALS if size == "30m" else {},
        "bits_per_byte": loss,
        "rows": [{**asdict(row), "ratios": ratios(row, rows)} for row in rows],
    }
    if out is not None:
        out.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    Console().print_json(data={k: v for k, v in figures.items() if k != "rows"})


if __name__ == "__main__":
    app()
