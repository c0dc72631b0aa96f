"""Which version writes: none yet, one, the next one while essays are under way, or several."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from models.essay.engine import EssayEngine
from models.essay.tickets import EngineEmpty
from models.registry import Version
from tests.models.essay import tiny
from tests.models.essay.listener import WAIT, Listener, request, write

pytestmark = pytest.mark.usefixtures("one_thread")


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
