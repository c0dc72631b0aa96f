from __future__ import annotations

import pytest

from bot.store import State
from tests.flow.fake_service import FakeService
from tests.flow.world import World, acts

pytestmark = pytest.mark.usefixtures("env")


async def test_an_essay_from_command_to_document(world: World, service: FakeService) -> None:
    service.go.clear()
    result = await world.alice.slash(world.channel, "essay", topic="the sea", length=200, seed=7)
    number = world.number(result)
    assert acts(result.response.message) == {"cancel"}
    asked = await world.request(number)
    await world.until(lambda: "The sea is wide" in (world.embed(asked).description or ""))
    assert world.embed(asked).title == "Essay: the sea"

    service.go.set()
    request = await world.done(number)
    assert request.state is State.DONE
    message = world.message(request)
    embed = message.embeds[0]
    assert embed.title == "On the sea"
    assert embed.footer.text is not None and "seed 7" in embed.footer.text
    assert "essay-test" in embed.footer.text
    assert [file.filename for file in message.attachments] == [f"essay-{number}.docx"]
    assert acts(message) == {"again", "edit", "file", "up", "down", "delete"}
    assert len(world.messages()) == 1
