"""Small requests and a clock that can be turned."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from bot.parameters import AlbumParameters, BeatParameters, EssayParameters
from bot.store import NewRequest


class Clock:
    """A clock that stands still until it is advanced."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 2, 3, 4, 5, 678900, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def essay(user_id: int) -> NewRequest:
    """Make an essay request of a user."""
    parameters = EssayParameters(topic="the sea", words=50, style="general")
    return NewRequest(
        kind="essay", parameters=parameters, seed=1, origin="discord", user_id=user_id
    )


def beat(user_id: int) -> NewRequest:
    """Make a beat request of a user."""
    parameters = BeatParameters(bpm=90, bars=4)
    return NewRequest(kind="beat", parameters=parameters, seed=2, origin="discord", user_id=user_id)


def album(user_id: int, tracks: int = 3) -> NewRequest:
    """Make a request of a user for a record."""
    parameters = AlbumParameters(title="Night Drive", tracks=tracks)
    return NewRequest(
        kind="album", parameters=parameters, seed=3, origin="discord", user_id=user_id
    )
