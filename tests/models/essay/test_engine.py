from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import torch

from models.contract import (
    EssayDelta,
    EssayDone,
    EssayEvent,
    EssayPlan,
    EssayRequest,
    Problem,
    Progress,
)
from models.essay.engine import EssayEngine
from models.essay.lexicon import words_of
from models.essay.tickets import EngineBusy, EngineEmpty, Ticket
from models.registry import Version
from tests.models.essay import tiny
from training.essays.textstats import CopyIndex

WAIT = 240.0  # a busy machine is slow, not broken


@dataclass
class Listener:
    """Collects what the engine says about one essay."""

    events: list[EssayEvent | Problem] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)
    writing: threading.Event = field(default_factory=threading.Event)

    def __call__(self, event: EssayEvent | Problem) -> None:
        self.events.append(event)
        if isinstance(event, EssayDelta):
            self.writing.set()
        if isinstance(event, EssayDone | Problem):
            self.over.set()

    @property
    def done(self) -> EssayDone:
        assert self.over.wait(WAIT)
        last = self.events[-1]
        assert isinstance(last, EssayDone), last
        return last

    @property
    def problem(self) -> Problem:
        assert self.over.wait(WAIT)
        last = self.events[-1]
        assert isinstance(last, Problem), last
        return last


def request(topic: str = "cats and rivers", *, words: int = 60, seed: int = 1, greedy: bool = False,
            name: str = "essay") -> EssayRequest:  # fmt: skip
    return EssayRequest(request_id=name, topic=topic, words=words, seed=seed, greedy=greedy)


@pytest.fixture(scope="module")
def version(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return tiny.publish(
        tmp_path_factory.mktemp("one"), "one", tiny.trained(), candidates=3, plan_candidates=2
    )


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Version:
    return tiny.publish(
        tmp_path_factory.mktemp("two"), "two", tiny.model(5), candidates=3, plan_candidates=2
    )


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def make(version: Version) -> Iterator[Callable[..., EssayEngine]]:
    made: list[EssayEngine] = []

    def build(*, start: bool = True, slots: int = 8, queue_limit: int = 8) -> EssayEngine:
        engine = EssayEngine(device="cpu", slots=slots, queue_limit=queue_limit)
        engine.load(version)
        if start:
            engine.start()
        made.append(engine)
        return engine

    yield build
    for engine in made:
        engine.stop()


def write(engine: EssayEngine, *requests: EssayRequest) -> list[Listener]:
    listeners = [Listener() for _ in requests]
    for asked, listener in zip(requests, listeners, strict=True):
        engine.submit(asked, listener)
    for listener in listeners:
        assert listener.over.wait(WAIT)
    return listeners


def test_tells_the_story_in_order(make: Callable[..., EssayEngine]) -> None:
    [listener] = write(make(), request(words=120))
    done = listener.done
    kinds = [type(event) for event in listener.events]
    assert kinds[0] is Progress
    assert kinds.count(EssayDone) == kinds.count(EssayPlan) == 1
    assert kinds.index(EssayPlan) < kinds.index(EssayDelta)
    assert "".join(e.text for e in listener.events if isinstance(e, EssayDelta)) == done.text
    assert done.model_version == "one" and done.seed == 1 and done.tokens > 100
    assert len(done.plan.paragraphs) == 2 == len(done.text.split("\n\n"))


def test_same_seed_same_text_other_seed_other_text(make: Callable[..., EssayEngine]) -> None:
    engine = make()
    first, again, other = (write(engine, request(seed=s))[0].done.text for s in (4, 4, 5))
    assert first == again != other


@pytest.mark.parametrize("greedy", [True, False])
def test_batch_mates_never_change_a_text(make: Callable[..., EssayEngine], greedy: bool) -> None:
    engine = make(slots=5)
    asked = [
        request(t, seed=n, greedy=greedy, words=50 + 9 * n) for n, t in enumerate(tiny.THINGS[:7])
    ]
    together = [listener.done for listener in write(engine, *asked)]  # two of them join later
    for one, done in zip(asked, together, strict=True):
        alone = write(engine, one)[0].done
        assert (alone.text, alone.plan) == (done.text, done.plan)


def test_in_fp32_a_greedy_text_is_the_same_alone_and_among_others(tmp_path: Path) -> None:
    exact = tiny.publish(tmp_path, "exact", tiny.trained(), candidates=3, precision="fp32")
    engine = EssayEngine(device="cpu", slots=4, queue_limit=8)
    engine.load(exact)
    engine.start()
    try:
        asked = [request(t, words=50 + 20 * n, greedy=True) for n, t in enumerate(tiny.THINGS[:6])]
        together = [listener.done.text for listener in write(engine, *asked)]
        assert [write(engine, one)[0].done.text for one in asked] == together
    finally:
        engine.stop()


@pytest.mark.parametrize("words", [50, 100, 250])
def test_has_the_length_asked_for(make: Callable[..., EssayEngine], words: int) -> None:
    [listener] = write(make(), request(words=words, seed=2))
    assert abs(listener.done.words - words) <= 0.05 * words
    assert listener.done.text[-1] in '.!?"'


OPENINGS = {
    "whole": "People like cats often. They watch rivers daily.",
    "unfinished": "People like cats often, but many",
    "paragraphs": "People like cats often.\n\nMany watch rivers. We think that",
    "odd": "He didn't see it at 5 o'clock, Straße 12 and élan",
    "breathless": "and then people like cats and then they " * 8 + "and then",
}


@pytest.mark.parametrize("kind", OPENINGS)
def test_goes_on_from_an_opening(make: Callable[..., EssayEngine], kind: str) -> None:
    opening = OPENINGS[kind]
    asked = request(words=120).model_copy(update={"opening": opening})
    [listener] = write(make(), asked)
    done = listener.done
    deltas = [e.text for e in listener.events if isinstance(e, EssayDelta)]
    assert deltas[0] == opening and "".join(deltas) == done.text
    assert done.text.startswith(opening) and len(deltas) > 2
    assert not done.text[len(opening)].isalnum()  # its last word stays as it is
    assert done.words == len(done.text.split()) and abs(done.words - 120) <= 6
    assert done.text[-1] in '.!?"'
    assert len(done.plan.paragraphs) == len(done.text.split("\n\n"))


def test_what_follows_depends_on_the_opening(make: Callable[..., EssayEngine]) -> None:
    engine = make()
    texts = []
    for opening in ("People like dogs often.", "People draw trains gladly.", None, "😀"):
        asked = request(words=80).model_copy(update={"opening": opening})
        text = write(engine, asked)[0].done.text
        texts.append(text.removeprefix(opening or ""))
    assert texts[0] != texts[1]
    assert texts[2] == texts[3]  # there were no words in it
    assert texts[0] not in texts[2]


def test_never_repeats_a_phrase_or_a_sentence(make: Callable[..., EssayEngine]) -> None:
    [listener] = write(make(), request(words=200, seed=3))
    words = words_of(listener.done.text)
    grams = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    assert max(grams.values()) == 1
    sentences = re.split(r"(?<=[.!?])\s+", listener.done.text)
    assert len(set(sentences)) == len(sentences)


ODD = {
    "emoji": "😂🚀🚀",
    "one word": "cats",
    "one letter": "a",
    "question": "Why do people need rivers?",
    "misspelt": "the goverment and the enviroment",
    "German": "Warum ist die Umwelt für uns wichtig und nicht egal?",
    "Chinese": "环境保护",
    "insult": "you are an idiot",
    "noise": "xqzt 0000 ///",
    "control": "\x00\x07 \n",
    "long": "cats " * 100,
    "special token": "<text> <par> </s>",
}


def test_no_more_than_eight_words_are_copied_where_a_version_says_so(
    tmp_path: Path, make: Callable[..., EssayEngine]
) -> None:
    engine = make()
    (known,) = write(engine, request(words=120))  # the model writes this by itself
    text, how = known.done.text, {"candidates": 3, "plan_candidates": 2}
    free = tiny.publish(tmp_path, "free", tiny.trained(), read=[text], **how)
    bound = tiny.publish(tmp_path, "bound", tiny.trained(), read=[text], longest_copy=8, **how)
    again = []
    for version in (free, bound):
        engine.load(version)
        again += write(engine, request(words=120))
    assert again[0].done.text == text
    assert 4 < CopyIndex([text]).longest(again[1].done.text) <= 8


NOTED = {"misspelt", "German", "Chinese", "noise", "control", "long", "one letter", "insult"}


@pytest.mark.parametrize("kind", ODD)
def test_any_topic_gives_an_essay(make: Callable[..., EssayEngine], kind: str) -> None:
    [listener] = write(make(), request(ODD[kind][:500], words=60))
    done = listener.done
    assert done.plan.title and abs(done.words - 60) <= 3
    assert "<" not in done.text
    assert (done.note is not None) == (kind in NOTED), done.note


def test_cancelling_frees_the_slot_and_ends_the_events(make: Callable[..., EssayEngine]) -> None:
    engine = make(slots=1)
    listener, second = Listener(), Listener()
    ticket = engine.submit(request(words=1200), listener)
    engine.submit(request(words=50), second)
    assert listener.writing.wait(WAIT)
    ticket.cancel()
    told = len(listener.events)
    assert second.done.words
    assert len(listener.events) == told and not listener.over.is_set()
    assert engine.health().active == 0


def test_a_cancelled_essay_leaves_the_queue(make: Callable[..., EssayEngine]) -> None:
    engine = make(start=False)
    first, second = Listener(), Listener()
    engine.submit(request(), first).cancel()
    engine.submit(request(), second)
    engine.start()
    assert second.done
    assert [type(e) for e in first.events] == [Progress]


def test_a_full_queue_says_when_to_come_back(make: Callable[..., EssayEngine]) -> None:
    engine = make(start=False, slots=1, queue_limit=2)
    for _ in range(3):
        engine.submit(request(), Listener())
    with pytest.raises(EngineBusy) as busy:
        engine.submit(request(), Listener())
    assert 1 <= busy.value.retry_after < 60
    assert engine.health().waiting == 3


def test_waiting_essays_hear_their_place(make: Callable[..., EssayEngine]) -> None:
    engine = make(slots=1)
    listeners = write(engine, *(request(seed=n) for n in range(3)))
    places = [
        e.ahead for e in listeners[2].events if isinstance(e, Progress) and e.stage == "queued"
    ]
    assert places[0] >= 1 and places == sorted(places, reverse=True)


def test_essays_in_progress_end_on_their_own_version(
    make: Callable[..., EssayEngine], other: Version
) -> None:
    engine = make()
    before = write(engine, request(words=120, seed=8))[0].done
    running, fresh = Listener(), Listener()
    engine.submit(request(words=120, seed=8), running)
    assert running.writing.wait(WAIT)
    engine.load(other)
    engine.submit(request(words=60, seed=8), fresh)
    assert fresh.done.model_version == "two" == engine.info().version
    assert running.done.model_version == "one" and running.done.text == before.text


def test_several_versions_write_side_by_side(
    make: Callable[..., EssayEngine], other: Version
) -> None:
    engine = make()
    asked = {v: request(words=60, seed=8).model_copy(update={"version": v}) for v in ("one", "two")}
    with pytest.raises(EngineEmpty, match="two"):
        engine.submit(asked["two"], Listener())
    assert engine.hold(other) == engine._held["two"].size > 100_000
    alone = {name: write(engine, one)[0].done for name, one in asked.items()}
    assert {name: done.model_version for name, done in alone.items()} == {
        "one": "one",
        "two": "two",
    }
    together = write(engine, asked["two"], asked["one"], asked["two"])
    texts = [listener.done.text for listener in together]
    assert texts == [alone["two"].text, alone["one"].text, alone["two"].text]
    assert engine.info().version == "one" and engine.info("two").version == "two"


def test_a_version_that_is_dropped_finishes_what_waits_for_it(
    make: Callable[..., EssayEngine], other: Version
) -> None:
    engine = make(slots=1)
    engine.hold(other)
    two = request().model_copy(update={"version": "two"})
    first, second = Listener(), Listener()
    engine.submit(request(words=120), first)
    engine.submit(two, second)
    engine.drop("two")
    assert (first.done.model_version, second.done.model_version) == ("one", "two")
    with pytest.raises(EngineEmpty):
        engine.submit(two, Listener())


def test_the_stall_of_a_swap_is_measured(make: Callable[..., EssayEngine], other: Version) -> None:
    engine = make()
    listener = Listener()
    engine.submit(request(words=600), listener)
    assert listener.writing.wait(WAIT)
    begun = time.monotonic()
    engine.hold(other)
    stall = engine.stall(begun)
    assert stall is not None and 0 <= stall <= time.monotonic() - begun


def test_an_old_version_is_freed_after_its_last_essay(
    make: Callable[..., EssayEngine], other: Version
) -> None:
    import gc
    import weakref

    engine = make()
    write(engine, request())
    old = weakref.ref(engine._live.table.kernel)  # type: ignore[union-attr]
    engine.load(other)
    write(engine, request())
    gc.collect()
    assert old() is None


def test_a_poisoned_essay_harms_nobody_else(
    make: Callable[..., EssayEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    from models.essay.writer import Draft

    engine = make()
    healthy = write(engine, request(seed=6, words=90))[0].done.text
    original = Draft.condition

    def poisoned(self: Draft, paragraph: int, left: int, *, bare: bool) -> object:
        if self.request.request_id == "poison" and paragraph >= 0:
            raise RuntimeError("a bad step")
        return original(self, paragraph, left, bare=bare)

    monkeypatch.setattr(Draft, "condition", poisoned)
    asked = [request(seed=6, words=90), request(name="poison"), request(seed=7, words=90)]
    first, sick, third = write(engine, *asked)
    assert first.done.text == healthy and third.done
    assert sick.problem.sentence.startswith("Something went wrong")
    assert engine.health().ok and engine.health().active == 0


def test_broken_numbers_are_a_problem_not_a_text(make: Callable[..., EssayEngine]) -> None:
    engine = make()
    kernel = engine._live.table.kernel  # type: ignore[union-attr]
    kernel._out._bias = kernel._out._bias + float("nan")  # type: ignore[union-attr]
    assert write(engine, request())[0].problem
    assert engine.health().ok


def test_a_listener_that_fails_only_loses_its_own_essay(make: Callable[..., EssayEngine]) -> None:
    engine = make()

    def broken(event: EssayEvent | Problem) -> None:
        raise OSError("gone")

    ticket: Ticket = engine.submit(request(), broken)
    assert write(engine, request())[0].done
    assert ticket.cancelled


def test_health_counts_idle_time_only_with_work(make: Callable[..., EssayEngine]) -> None:
    engine = make(start=False)
    time.sleep(0.05)
    assert engine.health().idle_seconds == 0 and not engine.health().ok
    engine.submit(request(), Listener())
    time.sleep(0.05)
    assert engine.health().idle_seconds >= 0.05
    engine.start()
    write(engine, request())
    health = engine.health()
    assert health.ok and health.idle_seconds == 0 and health.rate and health.rate > 0


def test_stopping_tells_everyone(make: Callable[..., EssayEngine]) -> None:
    engine = make(slots=1)
    running, waiting = Listener(), Listener()
    engine.submit(request(words=1200), running)
    engine.submit(request(), waiting)
    assert running.writing.wait(WAIT)
    engine.stop()
    assert running.problem.sentence == waiting.problem.sentence


def test_an_engine_without_a_version_says_so() -> None:
    engine = EssayEngine(device="cpu")
    with pytest.raises(EngineEmpty):
        engine.info()
    with pytest.raises(EngineEmpty):
        engine.submit(request(), Listener())


def test_describes_the_version(make: Callable[..., EssayEngine], version: Version) -> None:
    info = make().info()
    assert info.version == version.name and info.default_style == "argument"
    assert info.parameters == sum(p.numel() for p in tiny.trained().parameters())
    assert "reflection" in {style.name for style in info.styles}


def test_a_setting_nobody_knows_refuses_the_version(
    tmp_path: Path, make: Callable[..., EssayEngine]
) -> None:
    from models.essay.decoding import DecodingError

    engine = make()
    with pytest.raises(DecodingError, match="warmth"):
        engine.load(tiny.publish(tmp_path, "bad", tiny.model(2), warmth=3))
    assert engine.info().version == "one"
