from __future__ import annotations

import asyncio
import base64
import io
import zipfile
from collections.abc import AsyncGenerator
from dataclasses import replace
from pathlib import Path

import pytest

from bot.extras import Extras, TooLarge
from bot.files import Shelf
from bot.samples import Sample
from bot.store import Request, Store
from models.client import GenerationRefused, GenerationUnavailable
from models.contract import BeatEvent, BeatRequest
from tests.bot.doubles import Script, ScriptedClient, beat_take
from tests.bot.store.rows import beat

ROOM = 10_000_000


class Player(ScriptedClient):
    """Makes stems of a form that a test can choose."""

    form = "flac"

    async def beat(self, request: BeatRequest) -> AsyncGenerator[BeatEvent, None]:
        async for event in super().beat(request):
            if request.stems and event == beat_take(request):
                file = io.BytesIO()
                with zipfile.ZipFile(file, "w") as pack:
                    pack.writestr(f"1 drums.{self.form}", b"x" * 100)
                stems = base64.b64encode(file.getvalue()).decode()
                yield beat_take(request).model_copy(update={"stems": stems})
            else:
                yield event


@pytest.fixture
def player() -> Player:
    return Player()


@pytest.fixture
def extras(sqlite_store: Store, player: Player, tmp_path: Path) -> Extras:
    return Extras(sqlite_store, player, Shelf(tmp_path))


async def made(store: Store, shelf: Path, sample: Sample | None = None) -> Request:
    """Put a finished beat into the store."""
    new = beat(1)
    parameters = new.parameters.model_copy(update={"sample": sample.name if sample else None})
    request = await store.requests.create(replace(new, parameters=parameters))
    if sample is not None:
        kept = await Shelf(shelf).add_sample(request.id, sample)
        await store.artifacts.add(request.id, kept)
    claimed = await store.requests.claim(["discord"], "w")
    assert claimed is not None
    asked = BeatRequest(request_id="1", seed=2)
    assert await store.requests.keep(claimed, beat_take(asked), [])
    found = await store.requests.get(request.id)
    assert found is not None
    return found


async def test_two_who_ask_at_once_wait_for_one(
    extras: Extras, player: Player, sqlite_store: Store, tmp_path: Path
) -> None:
    request = await made(sqlite_store, tmp_path)
    both = await asyncio.gather(*(extras.file(request, "wav", ROOM) for _ in range(2)))
    assert both[0] == both[1] and both[0].data == b"sound"
    assert len(player.asked) == 1
    again = await Extras(sqlite_store, player, Shelf(tmp_path)).file(request, "wav", ROOM)
    assert again == both[0] and len(player.asked) == 1  # another process, the same file


async def test_the_very_same_beat_is_asked_for(
    extras: Extras, player: Player, sqlite_store: Store, tmp_path: Path
) -> None:
    request = await made(sqlite_store, tmp_path, Sample("tune.mid", "mid", b"MThd"))
    await extras.file(request, "flac", ROOM)
    asked = player.asked[0]
    assert isinstance(asked, BeatRequest)
    assert (asked.seed, asked.bpm, asked.bars, asked.version) == (2, 90, 4, "music-1")
    assert base64.b64decode(asked.sample or "") == b"MThd"
    assert asked.max_bytes is None


async def test_what_is_too_large_is_not_made_or_not_given(
    extras: Extras, player: Player, sqlite_store: Store, tmp_path: Path
) -> None:
    request = await made(sqlite_store, tmp_path)
    with pytest.raises(TooLarge):
        await extras.file(request, "wav", 100)
    assert not player.asked
    with pytest.raises(TooLarge) as caught:
        await extras.file(request, "flac", 4)
    assert caught.value.size == len(b"sound")


@pytest.mark.parametrize(("form", "times"), [("flac", 1), ("mp3", 2)])
async def test_only_lossless_stems_are_kept(
    extras: Extras, player: Player, sqlite_store: Store, tmp_path: Path, form: str, times: int
) -> None:
    player.form = form
    request = await made(sqlite_store, tmp_path)
    for _ in range(2):
        extra = await extras.file(request, "stems", ROOM)
        assert extra.name == f"beat-{request.id}-stems.zip"
    assert len(player.asked) == times


async def test_a_failure_is_told_and_tried_again(
    extras: Extras, player: Player, sqlite_store: Store, tmp_path: Path
) -> None:
    request = await made(sqlite_store, tmp_path, Sample("tune.mid", "mid", b"MThd"))
    player.scripts = [Script(error=GenerationUnavailable("gone"))]
    with pytest.raises(GenerationUnavailable):
        await extras.file(request, "wav", ROOM)
    assert (await extras.file(request, "wav", ROOM)).data == b"sound"
    (tmp_path / str(request.id) / f"beat-{request.id}-sample.mid").unlink()
    with pytest.raises(GenerationRefused, match="has been cleared away"):
        await extras.file(request, "flac", ROOM)
