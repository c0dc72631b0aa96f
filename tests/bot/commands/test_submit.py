"""How requests with files enter."""

from __future__ import annotations

import asyncio
from unittest.mock import AsyncMock, Mock

from bot.commands import submit
from bot.samples import Sample
from bot.store.shapes import GuildSettings


async def test_few_files_are_looked_at_at_once() -> None:
    at_once, most = 0, 0

    async def fetch() -> Sample:
        nonlocal at_once, most
        at_once += 1
        most = max(most, at_once)
        await asyncio.sleep(0.01)
        at_once -= 1
        return Sample("tune.mid", "mid", b"")

    house = Mock()
    house.store.guilds.get = AsyncMock(return_value=GuildSettings())
    house.admission.refusal = AsyncMock(return_value=None)
    house.admission.admit = AsyncMock()
    interaction = Mock(client=Mock(house=house))
    await asyncio.gather(*(submit._admit(interaction, "beat", {}, None, fetch) for _ in range(10)))
    assert (most, house.admission.admit.await_count) == (4, 10)
