"""The ways to run an essay model that the engine's benchmark sets side by side, each timed."""

from __future__ import annotations

import math
import statistics
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, cast

import torch
from torch import nn

from models.contract import EssayDelta, EssayDone, EssayRequest, Problem
from models.essay.decoding import Decoding
from models.essay.eightbit import kernel_for
from models.essay.engine import EssayEngine
from models.essay.kernel import exact_buckets, padded
from models.essay.lstm import EssayLSTM
from models.essay.prompt import Condition, Prompter, Wish, condition_arrays
from models.essay.sampling import Draw, draw
from models.registry import Version

ONE_USER = "engine, one user"
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
    kernel = kernel_for(model, torch.device("cpu"), Decoding.read(version.path).precision)
    rows = padded(streams, exact_buckets(kernel, streams))
    luck = Draw(torch.full((rows,), 0.5), torch.full((rows,), 0.8), 0.1)
    with torch.inference_mode():
        felt = kernel.felt(condition_arrays([Condition()] * rows))
        ids = torch.full((rows,), 100)
        memory = kernel.empty_memory(rows)
        for round_number in range(tokens + 5):
            if round_number == 5:
                clock = Clock()
            y, memory = kernel.step(ids, felt, memory)
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


@dataclass
class Heard:
    """What came of essays that were asked for together."""

    firsts: list[float] = field(default_factory=list)  # seconds to the first words
    lasts: list[float] = field(default_factory=list)
    tokens: int = 0


def ask(engine: EssayEngine, streams: int, words: int, first: int = 0) -> Heard:
    """Ask for essays that begin together and wait for all of them."""
    heard, over, clock = Heard(), threading.Semaphore(0), Clock()

    def listener() -> Any:
        begun = False

        def emit(event: object) -> None:
            nonlocal begun
            if isinstance(event, EssayDelta) and not begun:
                begun = True
                heard.firsts.append(clock.wall)
            if isinstance(event, EssayDone):
                heard.lasts.append(clock.wall)
                heard.tokens += event.tokens
            if isinstance(event, EssayDone | Problem):
                over.release()

        return emit

    for number in range(first, first + streams):
        topic = TOPICS[number % len(TOPICS)]
        request = EssayRequest(request_id=str(number), topic=topic, words=words, seed=number)
        engine.submit(request, listener())
    for _ in range(streams):
        over.acquire()
    return heard


def time_engine(way: str, engine: EssayEngine, streams: int, words: int) -> Row:
    """Time essays that begin together."""
    clock = Clock()
    heard = ask(engine, streams, words)
    return _with_times(clock.row(way, streams, heard.tokens), [heard])


def time_user(engine: EssayEngine, words: int, essays: int) -> Row:
    """Time one user who asks for essays one after the other."""
    clock = Clock()
    all_heard = [ask(engine, 1, words, first=number) for number in range(essays)]
    row = clock.row(f"{ONE_USER}, {words} words", 1, sum(heard.tokens for heard in all_heard))
    return _with_times(row, all_heard)


def _with_times(row: Row, all_heard: Sequence[Heard]) -> Row:
    """Add the medians over essays."""
    first = statistics.median(second for heard in all_heard for second in heard.firsts)
    last = statistics.median(second for heard in all_heard for second in heard.lasts)
    return replace(row, first_words_ms=first * 1000, essay_seconds=last)


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
