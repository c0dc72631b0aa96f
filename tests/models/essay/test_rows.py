from __future__ import annotations

import logging
from pathlib import Path

import pytest
import torch
from torch import Tensor

from models.contract import EssayDone, EssayEvent, EssayRequest, Problem
from models.essay.eightbit import kernel_for
from models.essay.engine import EssayEngine
from models.essay.graphs import Anew, Graphs, Work
from models.essay.kernel import Kernel
from models.essay.precision import Precision
from models.essay.prompt import Condition, condition_arrays
from models.essay.rows import Rows
from tests.models.essay import tiny

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
HAS_GPU = torch.cuda.is_available()
on_gpu = pytest.mark.skipif(not HAS_GPU, reason="there is no GPU here")


class Plays:
    """Does as a CUDA graph does: reads and writes only the memory that it was recorded with."""

    def __init__(self) -> None:
        self.recorded = 0

    def record(self, work: Work) -> Work:
        self.recorded += 1
        given = work().clone()

        def play() -> Tensor:
            return given.copy_(work())

        return play


@pytest.fixture
def plays(monkeypatch: pytest.MonkeyPatch) -> Plays:
    made = Plays()
    monkeypatch.setattr("models.essay.rows.recorder_for", lambda device: made)
    return made


def filled(kernel: Kernel, rows: int = 20, most: int = 16) -> Rows:
    """Make rows and a few conditions."""
    made = Rows(kernel, rows, places=4, most=most)
    conditions = [Condition((50 + n,), (70,), 1, 2, 1, n) for n in range(4)]
    with torch.inference_mode():
        for place, felt in enumerate(kernel.felt(condition_arrays(conditions))):
            made.feel(place, felt)
    return made


@pytest.mark.parametrize("precision", [Precision.FP32, Precision.INT8])
def test_a_step_in_padded_buffers_is_the_plain_step(precision: Precision) -> None:
    kernel = kernel_for(tiny.model(3), CPU, precision)
    rows = filled(kernel)
    told = [(3, 40, 1), (7, 41, 2), (9, 42, 3)]
    felt = rows._felt[[1, 2, 3]]
    memory = kernel.empty_memory(3)
    for step in range(4):  # what one essay leaves in a buffer, the next does not meet
        rows.advance(range(10, 10 + step), [60] * step, [0] * step)
        rows.advance(*zip(*told, strict=True))
        ids = torch.tensor([token for _, token, _ in told])
        with torch.inference_mode():
            y, memory = kernel.step(ids, felt, memory)
            wanted = kernel.log_probs(y)
        assert torch.allclose(rows.scores([3, 7, 9]), wanted, atol=1e-4)
        assert torch.allclose(rows._memory[[3, 7, 9]], memory, atol=1e-5)
    assert not rows._memory[[1, 2, 4, 5, 6, 8, 13]].any()  # nobody else was touched


def test_more_rows_than_the_largest_bucket_are_stepped_all_the_same() -> None:
    rows = filled(kernel_for(tiny.model(3), CPU, Precision.FP32), rows=60, most=8)
    largest = rows.buckets[-1]
    many = list(range(1, 2 * largest + 2))
    rows.advance(many, [40] * len(many), [1] * len(many))
    scores = rows.scores(many)
    assert scores.shape[0] == len(many) and torch.allclose(scores, scores[:1], atol=1e-4)


def test_what_is_played_gives_the_same_bits_as_what_is_done_anew(plays: Plays) -> None:
    kernel = kernel_for(tiny.model(3), CPU, Precision.FP32)
    played = filled(kernel)
    assert plays.recorded == 2 * len(played.buckets)  # all before the first essay
    anew = filled(kernel)
    anew._recorder = Anew()
    anew._advances.clear()
    for count in (5, 2, 16, 1, 5):
        chosen = list(range(1, count + 1))
        for rows in (played, anew):
            rows.advance(chosen, [40 + n for n in chosen], [n % 4 for n in chosen])
            rows.copy(1, [17, 18])
        assert torch.equal(played.scores([17, *chosen]), anew.scores([17, *chosen]))
        assert torch.equal(played._memory[1:], anew._memory[1:])


def written(engine: EssayEngine, seed: int) -> EssayDone:
    """Have an essay written."""
    import queue

    events: queue.Queue[EssayEvent | Problem] = queue.Queue()
    request = EssayRequest(request_id="essay", topic="cats", words=50, seed=seed)
    engine.submit(request, events.put)
    while not isinstance(event := events.get(timeout=240), EssayDone | Problem):
        pass
    assert isinstance(event, EssayDone), event
    return event


def test_a_new_version_is_recorded_before_it_writes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions = [
        tiny.publish(tmp_path, name, tiny.model(seed), candidates=2, plan_candidates=2)
        for name, seed in (("one", 5), ("two", 6))
    ]
    texts = {}
    for way in ("anew", "played"):
        recorder = Plays()
        if way == "played":
            monkeypatch.setattr("models.essay.rows.recorder_for", lambda _, made=recorder: made)
        engine = EssayEngine(device="cpu", slots=2)
        engine.start()
        for number, version in enumerate(versions, start=1):
            engine.load(version)
            recorded = recorder.recorded
            texts[way, version.name] = written(engine, seed=3).text
            assert recorder.recorded == recorded  # nobody waits for a recording
            assert way == "anew" or recorded % number == 0 < recorded
        engine.stop()
    for version in versions:
        assert texts["played", version.name] == texts["anew", version.name]
    assert texts["played", "one"] != texts["played", "two"]


@pytest.mark.skipif(HAS_GPU, reason="here it can be recorded")
def test_where_nothing_can_be_recorded_work_is_done_anew(caplog: pytest.LogCaptureFixture) -> None:
    graphs, number = Graphs(), torch.zeros(1)
    with caplog.at_level(logging.WARNING):
        works = [graphs.record(lambda: number.add_(1)) for _ in range(2)]
    assert len(caplog.records) == 1  # it is tried once
    assert [float(work()) for work in works] == [1, 2]


@pytest.mark.parametrize("precision", [Precision.FP16, Precision.BF16])
def test_half_precision_stays_near(precision: Precision) -> None:
    exact, half = (kernel_for(tiny.model(3), CPU, p) for p in (Precision.FP32, precision))
    one, other = filled(exact), filled(half)
    for _ in range(3):
        for rows in (one, other):
            rows.advance([1, 2, 3], [40, 41, 42], [1, 2, 3])
    near = 0.02 if precision == Precision.FP16 else 0.15
    assert (one.scores([1, 2, 3]) - other.scores([1, 2, 3])).abs().max() < near
    assert other._y.dtype == half.dtype and other._memory.dtype == torch.float32
    assert half.size < 0.6 * exact.size


@on_gpu
@pytest.mark.parametrize("precision", [Precision.FP32, Precision.FP16, Precision.BF16])
def test_graphs_give_what_the_plain_step_gives(precision: Precision) -> None:
    kernel = kernel_for(tiny.model(3), torch.device("cuda"), precision)
    recorded = filled(kernel)
    assert isinstance(recorded._recorder, Graphs) and recorded._recorder._able
    anew = filled(kernel)
    anew._recorder = Anew()
    anew._advances.clear()
    for count in (5, 2, 16, 1, 5):
        chosen = list(range(1, count + 1))
        for rows in (recorded, anew):
            rows.advance(chosen, [40 + n for n in chosen], [n % 4 for n in chosen])
        assert torch.allclose(recorded.scores(chosen), anew.scores(chosen), atol=1e-3)


@on_gpu
def test_work_that_cannot_be_recorded_is_done_anew() -> None:
    number = torch.zeros(1, device="cuda")

    def asks_at_once() -> Tensor:
        number.add_(1.0 if number.item() >= 0 else 0.0)  # waits for the device: no graph may
        return number

    work = Graphs().record(asks_at_once)
    before = float(number)
    assert float(work()) == before + 1


@on_gpu
def test_an_essay_is_written_on_a_gpu(tmp_path: Path) -> None:
    version = tiny.publish(tmp_path, "one", tiny.model(5), candidates=3, plan_candidates=2)
    engine = EssayEngine(device="cuda", slots=2)
    engine.load(version)
    engine.start()
    try:
        done = written(engine, seed=3)
    finally:
        engine.stop()
    assert abs(done.words - 50) <= 3 and done.model_version == "one"
