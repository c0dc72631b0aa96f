"""Essays of a version from the production engine, for evaluation."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass

from models.contract import TOPIC_LIMIT, EssayDone, EssayEvent, EssayRequest, Problem
from models.essay.engine import EssayEngine
from models.registry import Version


@dataclass(frozen=True)
class Order:
    """One essay to write."""

    topic: str
    words: int
    seed: int
    style: str | None = None


@dataclass(frozen=True)
class Written:
    """What the engine made of an order; all empty where it found a problem."""

    text: str = ""
    plan: tuple[tuple[str, ...], ...] = ()


def write_all(version: Version, orders: Sequence[Order], *, slots: int = 8) -> list[Written]:
    """Write every order with the engine that users get."""
    engine = EssayEngine(device="auto", slots=slots, queue_limit=len(orders))
    engine.load(version)
    engine.start()
    written = [Written()] * len(orders)
    left = threading.Semaphore(0)

    def listener(number: int) -> None:
        def emit(event: EssayEvent | Problem) -> None:
            if isinstance(event, EssayDone):
                written[number] = Written(event.text, event.plan.paragraphs)
            if isinstance(event, EssayDone | Problem):
                left.release()

        order = orders[number]
        request = EssayRequest(
            request_id=f"evaluation-{number}",
            topic=order.topic[:TOPIC_LIMIT],
            words=order.words,
            style=order.style,
            seed=order.seed,
        )
        engine.submit(request, emit)

    try:
        for number in range(len(orders)):
            listener(number)
        for _ in orders:
            left.acquire()
    finally:
        engine.stop()
    return written
