"""The keeper of training runs while its database is away for a moment."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from bot.store import RunState
from tests.bot.office import Office
from tests.bot.test_runs import office

__all__ = ["office"]


def once_away(call: Callable[..., Any]) -> Callable[..., Any]:
    """Make a call of the database fail the first time."""
    failed: list[bool] = []

    async def away(*args: Any, **more: Any) -> Any:
        if not failed:
            failed.append(True)
            raise OperationalError("SELECT", {}, Exception("server closed the connection"))
        return await call(*args, **more)

    return away


@pytest.mark.parametrize("name", ["open", "start", "set_pid", "report", "finish"])
async def test_a_run_comes_to_its_end_all_the_same(
    office: Office, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    await office.close()  # what asks for the run shall not meet the error itself
    run = await office.begin("promote")
    monkeypatch.setattr(office.store.runs, name, once_away(getattr(office.store.runs, name)))
    office.open()
    run = await office.end_of(run)
    assert run.state is RunState.PROMOTED
    assert not office.task.done()


async def test_a_run_that_cannot_be_recorded_is_said_not_to_have_started(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(office.store.runs, "set_record", once_away(office.store.runs.set_record))
    run = await office.end_of(await office.begin("promote"))
    assert (run.state, run.sentence) == (
        RunState.FAILED,
        "The training run could not be started.",
    )
