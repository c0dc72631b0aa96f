from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest

from bot.reflexes import TURN, settle


@pytest.fixture
def undone() -> Iterator[None]:
    """What is set for the whole process must not stay for other tests."""
    turn = sys.getswitchinterval()
    yield
    gc.unfreeze()
    sys.setswitchinterval(turn)


@pytest.mark.usefixtures("undone")
def test_what_start_up_has_made_is_not_looked_through_again() -> None:
    old = [[]]  # type: ignore[var-annotated]
    settle()
    assert gc.get_freeze_count() > 0
    assert not any(each is old for each in gc.get_objects())
    new = [old]
    assert any(each is new for each in gc.get_objects())
    assert sys.getswitchinterval() == pytest.approx(TURN)
