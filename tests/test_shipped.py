"""The checkpoints in the repository, through the real service."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.client import GenerationClient
from models.contract import BeatRequest, BeatTake, EssayDone, EssayRequest
from models.registry import Registry
from tests.service_fixtures import served


@pytest.mark.parametrize("family", ["essay", "music"])
def test_each_family_has_a_whole_live_version_that_tells_its_licence(family: str) -> None:
    version = Registry().resolve(family)
    version.verify()
    card = (version.path / "README.md").read_text(encoding="utf-8")
    assert str(version.manifest["licence"]).split()[0] in card
    assert version.read_json("metrics.json")


async def test_they_write_an_essay_and_play_a_beat(tmp_path: Path) -> None:
    with served(tmp_path / "registry", tmp_path) as url:
        async with GenerationClient(url) as client:
            asked = EssayRequest(request_id="e", topic="Cell phones at school", words=150, seed=3)
            *_, essay = [event async for event in client.essay(asked)]
            *_, take = [
                event async for event in client.beat(BeatRequest(request_id="b", bars=8, seed=3))
            ]
    assert isinstance(essay, EssayDone)
    assert abs(essay.words - 150) <= 0.05 * 150
    assert "phone" in essay.text.lower()
    assert essay.model_version == Registry().resolve("essay").name
    assert isinstance(take, BeatTake)
    assert take.loudness is not None and abs(take.loudness + 14) <= 1
    assert take.true_peak is not None and take.true_peak <= -1
