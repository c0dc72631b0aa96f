"""Who asks the engine for an essay and hears what it says about it."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from models.contract import EssayDelta, EssayDone, EssayEvent, EssayRequest, Problem
from models.essay.engine import EssayEngine

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


def write(engine: EssayEngine, *requests: EssayRequest) -> list[Listener]:
    listeners = [Listener() for _ in requests]
    for asked, listener in zip(requests, listeners, strict=True):
        engine.submit(asked, listener)
    for listener in listeners:
        assert listener.over.wait(WAIT)
    return listeners
