"""The pace of the edits, and the ladder down which a refused result goes."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import discord
import pytest

from bot import cards, delivery, metrics
from bot.cards import Card
from bot.delivery import DiscordFrontEnd, Maker, descend
from bot.frontend import Result, Undeliverable
from bot.sentences import Sentence
from bot.words import words
from models.contract import Progress
from tests.bot.asked import artifact, beat_request, beat_take, essay_done, essay_request

INTERVAL = 0.1
SAY = words("en")


@dataclass
class _Response:
    status: int
    reason: str = "no"


def refusal(code: int, status: int = 400) -> discord.HTTPException:
    answer: Any = _Response(status)
    return discord.HTTPException(answer, {"code": code, "message": "no"})


class Recorder(DiscordFrontEnd):
    """Keeps what would be sent, and when."""

    def __init__(self) -> None:
        client: Any = None
        super().__init__(client, interval=INTERVAL)
        self.sent: list[tuple[float, Card]] = []
        self.faults: list[Exception] = []
        self.slow = 0.0

    async def _edit(self, request: Any, make: Maker, room: int) -> int | None:
        await asyncio.sleep(self.slow)
        if self.faults:
            raise self.faults.pop(0)
        self.sent.append((asyncio.get_running_loop().time(), make(room)))
        return 4

    def _bot_room(self, request: Any) -> int:
        return 10

    @property
    def texts(self) -> list[str]:
        return [card.embed.description or "" for _, card in self.sent]


async def test_many_pieces_become_few_edits_and_the_last_is_shown() -> None:
    front, request = Recorder(), essay_request()
    began = asyncio.get_running_loop().time()
    for count in range(50):
        await front.text(request, "word " * count)
        await asyncio.sleep(0.01)
    await asyncio.sleep(2 * INTERVAL)
    times = [at for at, _ in front.sent]
    assert 2 <= len(times) <= (times[-1] - began) / INTERVAL
    assert all(b - a > INTERVAL * 0.9 for a, b in pairwise(times))
    assert front.texts[-1].count("word") == 49


async def test_what_has_not_changed_is_not_sent_again() -> None:
    front, request = Recorder(), essay_request()
    for _ in range(3):
        await front.started(request)
        await asyncio.sleep(1.5 * INTERVAL)
    assert len(front.sent) == 1


async def test_once_there_is_text_no_bar_replaces_it() -> None:
    front, request = Recorder(), essay_request()
    await front.progress(request, Progress(stage="planning", done=0.1))
    await asyncio.sleep(1.5 * INTERVAL)
    await front.text(request, "The sea")
    await front.progress(request, Progress(stage="writing", done=0.5))
    await asyncio.sleep(1.5 * INTERVAL)
    assert len(front.sent) == 2 and front.texts[-1] == "The sea ▌"


async def test_nothing_is_said_after_the_end() -> None:
    front, request = Recorder(), essay_request()
    await front.text(request, "The sea")
    assert await front.deliver(request, Result(essay_done(), None, ())) == 4
    await asyncio.sleep(1.5 * INTERVAL)
    assert front.texts == ["One. Two."]


async def test_the_end_waits_for_an_edit_under_way() -> None:
    front, request = Recorder(), essay_request()
    front.slow = 0.1
    await front.text(request, "The sea")
    await asyncio.sleep(INTERVAL + 0.03)  # the edit is on its way
    await front.failed(request, "No.")
    assert front.texts == ["The sea ▌", "No."]


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
    assert len(front.sent) == 5


async def test_status_stops_where_it_cannot_arrive_and_goes_on_where_it_can() -> None:
    front, request = Recorder(), essay_request()
    front.faults = [refusal(0, 503)]
    for text in ("a", "b", "c"):
        await front.text(request, text)
        await asyncio.sleep(1.2 * INTERVAL)
    assert front.texts == ["b ▌", "c ▌"]
    front.faults = [refusal(10008, 404)]
    for text in ("d", "e", "f"):
        await front.text(request, text)
        await asyncio.sleep(1.2 * INTERVAL)
    assert front.texts == ["b ▌", "c ▌"]


async def test_the_end_cannot_disturb_the_worker() -> None:
    front = Recorder()
    front.faults = [refusal(10008, 404), Undeliverable("gone")]
    await front.failed(essay_request(), "No.")
    await front.cancelled(essay_request())
    assert front.sent == []


async def test_closing_leaves_no_edit_behind() -> None:
    front = Recorder()
    await front.text(essay_request(), "The sea")
    await front.close()
    await asyncio.sleep(1.5 * INTERVAL)
    assert front.sent == []


# The ladder.


class Ladder:
    """Refuses with one error after the other, then takes what comes."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.taken: Card | None = None

    async def send(self, make: Maker, room: int) -> int | None:
        if self.errors:
            raise self.errors.pop(0)
        self.taken = make(room)
        return 5

    async def run(self, tmp_path: Path) -> Card:
        request = beat_request()
        files = [artifact(tmp_path, "mp3", 5000), artifact(tmp_path, "png", 300)]

        def make(room: int) -> Card:
            return cards.beat(SAY, request, beat_take(), files, room=room)

        assert await descend(SAY, request, make, self.send, room=10_000) == 5
        assert self.taken is not None
        return self.taken


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "AWAY_PAUSES", (0.0, 0.0))


async def test_each_too_large_takes_the_largest_file_away(tmp_path: Path) -> None:
    assert len((await Ladder().run(tmp_path)).files) == 2
    once = await Ladder(refusal(40005, 413)).run(tmp_path)
    assert [file.kind for file in once.files] == ["png"]
    twice = await Ladder(refusal(40005, 413), refusal(40005, 413)).run(tmp_path)
    assert not twice.files and "beat-12.mp3, beat-12.png" in (twice.embed.fields[0].value or "")
    thrice = await Ladder(*[refusal(40005, 413)] * 3).run(tmp_path)
    assert not thrice.files


async def test_refusals_add_up(tmp_path: Path) -> None:
    card = await Ladder(refusal(0, 503), refusal(40005, 413), refusal(400001), refusal(200000)).run(
        tmp_path
    )
    assert not card.files and card.view is None
    assert "own rules block" in (card.embed.description or "")


@pytest.mark.parametrize(
    "errors",
    [
        [refusal(10008, 404)],
        [refusal(50001, 403)],
        [refusal(0, 503)] * 3,
        [refusal(200000)] * 2,
        [refusal(50035)] * 2,
        [ConnectionResetError()] * 3,
    ],
)
async def test_what_cannot_be_helped_is_undeliverable(
    errors: list[Exception], tmp_path: Path
) -> None:
    with pytest.raises(Undeliverable) as nowhere:
        await Ladder(*errors).run(tmp_path)
    assert nowhere.value.sentence.endswith("/show 12 does.")
