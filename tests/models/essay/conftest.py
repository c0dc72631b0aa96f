"""Two versions of a tiny writer, and engines that hold the first."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
import torch

from models.essay.engine import EssayEngine
from models.registry import Version
from tests.models.essay import tiny


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def version(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Version:
    return tiny.publish(
        tmp_path_factory.mktemp("one"), "one", tiny.trained(), candidates=3, plan_candidates=2
    )


@pytest.fixture(scope="module")
def other(one_thread: None, tmp_path_factory: pytest.TempPathFactory) -> Version:
    return tiny.publish(
        tmp_path_factory.mktemp("two"), "two", tiny.model(5), candidates=3, plan_candidates=2
    )


@pytest.fixture
def make(version: Version) -> Iterator[Callable[..., EssayEngine]]:
    made: list[EssayEngine] = []

    def build(*, start: bool = True, slots: int = 8, queue_limit: int = 8) -> EssayEngine:
        engine = EssayEngine(device="cpu", slots=slots, queue_limit=queue_limit)
        engine.load(version)
        if start:
            engine.start()
        made.append(engine)
        return engine

    yield build
    for engine in made:
        engine.stop()
