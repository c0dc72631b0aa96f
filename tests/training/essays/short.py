"""Training that writes short essays, drafted quickly, wherever it writes some to be judged.

``python -m tests.training.essays.short`` is ``python -m training`` with that.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from unittest import mock

from training.essays.publishing import SAMPLER

CHANGES: dict[str, object] = {
    "training.essays.card.WORDS": 50,
    "training.essays.gate.WORDS": 50,
    "training.essays.publishing.SAMPLER": {**SAMPLER, "candidates": 2, "plan_candidates": 2},
}


@contextmanager
def short_essays() -> Iterator[None]:
    """Write short essays where their length does not matter."""
    with ExitStack() as changes:
        for place, value in CHANGES.items():
            changes.enter_context(mock.patch(place, value))
        yield


def shortly(command: list[str]) -> list[str]:
    """Word a command of the real training so that its essays are short."""
    assert command[1:3] == ["-m", "training"], command
    return [command[0], "-m", __name__, *command[3:]]


if __name__ == "__main__":
    from training.__main__ import app

    with short_essays(), mock.patch("os.nice"):  # somebody waits for it
        app()
