from __future__ import annotations

import asyncio

import pytest

from bot.styles import Styles
from models.client import GenerationUnavailable
from models.contract import Models
from tests.bot.doubles import STYLES, ScriptedClient


class Away(ScriptedClient):
    """A service that is not there until it is."""

    def __init__(self, misses: int) -> None:
        super().__init__()
        self.misses = misses

    async def models(self) -> Models:
        if self.misses:
            self.misses -= 1
            raise GenerationUnavailable("Away.")
        return await super().models()


async def test_nothing_is_known_before_the_service_answers() -> None:
    styles = Styles(Away(1))
    assert not await styles.refresh()
    assert styles.of("essay") == () and styles.model("beat") is None
    assert styles.find("essay", "general") is None
    assert await styles.refresh()
    assert styles.of("essay") == STYLES


async def test_what_was_known_stays_when_the_service_goes() -> None:
    source = Away(0)
    styles = Styles(source)
    await styles.refresh()
    source.misses = 1
    assert not await styles.refresh()
    assert styles.of("beat") == STYLES


async def test_styles_are_found_however_they_are_written() -> None:
    styles = Styles(ScriptedClient())
    await styles.refresh()
    assert styles.find("essay", " letters ") == "Letters"
    assert styles.find("essay", "letter") is None
    model = styles.model("essay")
    assert model is not None and model.version == "essay-1"


async def test_keeping_asks_again_soon_after_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 3:
            raise asyncio.CancelledError

    monkeypatch.setattr("bot.styles.asyncio.sleep", sleep)
    with pytest.raises(asyncio.CancelledError):
        await Styles(Away(2)).keep()
    assert pauses == [1.0, 1.0, 30.0]
