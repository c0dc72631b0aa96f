"""The pace of the edits, and the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from itertools import pairwise
from typing import Any

import pytest

from bot import metrics
from bot.cards import Card
from bot.delivery import DiscordFrontEnd, Maker, Messages
from bot.frontend import Result, Undeliverable
from bot.sentences import Sentence
from bot.store import Request
from models.contract import Progress
from tests.bot.asked import essay_done, essay_request
from tests.bot.delivery.refusals import refusal

INTERVAL = 0.1


class Notes(Messages):
    """Takes down what would be sent, and when."""

    def __init__(self) -> None:
        client: Any = None
        super().__init__(client)
        self.sent: list[tuple[float, Card]] = []
        self.faults: list[Exception] = []
        self.slow = 0.0

    async def edit(self, request: Any, make: Maker, room: int) -> int | None:
        await asyncio.sleep(self.slow)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append((asyncio.get_running_loop().time(), make(room)))
        return 4

    @property
    def texts(self) -> list[str]:
        return [card.embed.description or "" for _, card in self.sent]


class Recorder(DiscordFrontEnd):
    """Writes its messages into notes."""

    def __init__(self) -> None:
        self.notes = Notes()
        super().__init__(self.notes, interval=INTERVAL)


async def test_many_pieces_become_few_edits_and_the_last_is_shown() -> None:
    front, request = Recorder(), essay_request()
    began = asyncio.get_running_loop().time()
    for count in range(50):
        await front.text(request, "word " * count)
        await asyncio.sleep(0.01)
    await asyncio.sleep(2 * INTERVAL)
    times = [at for at, _ in front.notes.sent]
    assert 2 <= len(times) <= (times[-1] - began) / INTERVAL
    assert all(b - a > INTERVAL * 0.9 for a, b in pairwise(times))
    assert front.notes.texts[-1].count("word") == 49


async def test_what_has_not_changed_is_not_sent_again() -> None:
    front, request = Recorder(), essay_request()
    for _ in range(3):
        await front.started(request)
        await asyncio.sleep(1.5 * INTERVAL)
    assert len(front.notes.sent) == 1


async def test_once_there_is_text_no_bar_replaces_it() -> None:
    front, request = Recorder(), essay_request()
    await front.progress(request, Progress(stage="planning", done=0.1))
    await asyncio.sleep(1.5 * INTERVAL)
    await front.text(request, "The sea")
    await front.progress(request, Progress(stage="writing", done=0.5))
    await asyncio.sleep(1.5 * INTERVAL)
    assert len(front.notes.sent) == 2 and front.notes.texts[-1] == "The sea ▌"


async def test_nothing_is_said_after_the_end() -> None:
    front, request = Recorder(), essay_request()
    await front.text(request, "The sea")
    assert await front.deliver(request, Result(essay_done(), None, ())) == 4
    await asyncio.sleep(1.5 * INTERVAL)
    assert front.notes.texts == ["One. Two."]


async def test_the_end_waits_for_an_edit_under_way() -> None:
    front, request = Recorder(), essay_request()
    front.notes.slow = 0.1
    await front.text(request, "The sea")
    await asyncio.sleep(INTERVAL + 0.03)  # the edit is on its way
    await front.failed(request, "No.")
    assert front.notes.texts == ["The sea ▌", "No."]


class Stuck(Notes):
    """Is held up in its first edit."""

    def __init__(self) -> None:
        super().__init__()
        self.editing, self.go = asyncio.Event(), asyncio.Event()

    async def edit(self, request: Any, make: Maker, room: int) -> int | None:
        if not self.editing.is_set():
            self.editing.set()
            await self.go.wait()
        return await super().edit(request, make, room)


ENDS: dict[str, Callable[[DiscordFrontEnd, Request], Awaitable[object]]] = {
    "One. Two.": lambda front, request: front.deliver(request, Result(essay_done(), None, ())),
    "No.": lambda front, request: front.failed(request, "No."),
    "Cancelled, as you asked.": lambda front, request: front.cancelled(request),
}


@pytest.mark.parametrize("end", ENDS)
async def test_a_place_on_its_way_arrives_before_the_end_and_one_that_waits_never(
    end: str,
) -> None:
    notes, request = Stuck(), essay_request()
    front = DiscordFrontEnd(notes, interval=0.0)
    await front.queued(request, 1, None)
    await notes.editing.wait()
    await front.queued(request, 0, None)
    ending = asyncio.ensure_future(ENDS[end](front, request))
    await asyncio.sleep(0)  # it has begun
    notes.go.set()
    await ending
    await asyncio.sleep(0.05)
    assert len(notes.texts) == 2 and notes.texts[-1] == end


async def test_failures_are_counted_by_their_reason() -> None:
    front = Recorder()

    def counted(reason: str) -> float:
        labels = {"kind": "essay", "reason": reason}
        return metrics.REGISTRY.get_sample_value("ghostwriter_failed_total", labels) or 0.0

    before = counted("lost"), counted("other")
    await front.failed(essay_request(), Sentence("lost"))
    await front.failed(essay_request(), "The service says no.")
    assert (counted("lost"), counted("other")) == (before[0] + 1, before[1] + 1)


async def test_two_requests_do_not_wait_for_each_other() -> None:
    front = Recorder()
    for number in range(5):
        await front.started(essay_request(id=number))
    await asyncio.sleep(1.5 * INTERVAL)
    assert len(front.notes.sent) == 5


async def test_status_stops_where_it_cannot_arrive_and_goes_on_where_it_can() -> None:
    front, request = Recorder(), essay_request()
    front.notes.faults = [refusal(0, 503)]
    for text in ("a", "b", "c"):
        await front.text(request, text)
        await asyncio.sleep(1.2 * INTERVAL)
    assert front.notes.texts == ["b ▌", "c ▌"]
    front.notes.faults = [refusal(10008, 404)]
    for text in ("d", "e", "f"):
        await front.text(request, text)
        await asyncio.sleep(1.2 * INTERVAL)
    assert front.notes.texts == ["b ▌", "c ▌"]


async def test_the_end_cannot_disturb_the_worker() -> None:
    front = Recorder()
    front.notes.faults = [refusal(10008, 404), Undeliverable("gone")]
    await front.failed(essay_request(), "No.")
    await front.cancelled(essay_request())
    assert front.notes.sent == []


async def test_closing_leaves_no_edit_behind() -> None:
    front = Recorder()
    await front.text(essay_request(), "The sea")
    await front.close()
    await asyncio.sleep(1.5 * INTERVAL)
    assert front.notes.sent == []
