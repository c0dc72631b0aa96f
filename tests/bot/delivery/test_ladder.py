"""The ladder down which a refused result goes."""

from __future__ import annotations

from pathlib import Path

import pytest

from bot import cards
from bot.cards import Card
from bot.delivery import Maker, descend, ladder
from bot.frontend import Undeliverable
from bot.words import words
from tests.bot.asked import artifact, beat_request, beat_take
from tests.bot.delivery.refusals import refusal

SAY = words("en")


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
    monkeypatch.setattr(ladder, "AWAY_PAUSES", (0.0, 0.0))


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
