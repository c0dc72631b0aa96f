from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from bot.styles import Styles
from models.client import GenerationUnavailable
from models.contract import Models, StyleInfo
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


async def test_the_loose_files_of_a_shipped_corpus_are_no_style_to_offer(tmp_path: Path) -> None:
    """A version trained here has learned its community's own texts or songs under that name."""
    source = ScriptedClient()
    source.styles = (*STYLES, StyleInfo(name="own", description="A community's own style."))
    styles = Styles(source, shipped=tmp_path)
    await styles.refresh()
    assert [style.name for style in styles.offered("beat")] == ["general", "Letters", "own"]
    (tmp_path / "music" / "music-1").mkdir(parents=True)
    (tmp_path / "music" / "music-1" / "MANIFEST.json").touch()
    await styles.refresh()
    assert [style.name for style in styles.offered("beat")] == ["general", "Letters"]
    assert [style.name for style in styles.offered("album")] == ["general", "Letters"]
    assert [style.name for style in styles.offered("essay")] == ["general", "Letters", "own"]
    assert styles.find("beat", "own") == "own"  # what was asked for with it can be asked for again


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
