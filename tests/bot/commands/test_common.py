"""Who may see whose results, and where."""

from __future__ import annotations

from dataclasses import replace
from unittest.mock import Mock

import pytest

from bot.commands.common import may_manage, may_see
from tests.bot.asked import essay_request


@pytest.mark.parametrize(
    ("asked_in", "seen_in", "guild", "seen"),
    [(77, 77, None, True), (77, 78, None, False), (None, None, None, False), (77, 77, 5, False)],
)
def test_friends_see_what_was_asked_in_their_group(
    asked_in: int | None, seen_in: int | None, guild: int | None, seen: bool
) -> None:
    request = replace(essay_request(), user_id=1, guild_id=None, channel_id=asked_in)
    friend = Mock(user=Mock(id=2), guild_id=guild, channel_id=seen_in, guild=None)
    assert may_see(friend, request) is seen
    assert not may_manage(friend, request)
