"""What requests are called."""

from __future__ import annotations

from dataclasses import replace

from bot import cards
from bot.parameters import Energy
from bot.words import words
from tests.bot.asked import beat_request, beat_take, essay_request

SAY = words("en")


def test_a_request_is_named_by_what_is_known() -> None:
    assert cards.headline(SAY, essay_request("the\n sea")) == "the sea"
    assert cards.headline(SAY, beat_request()) == "lofi · 84 bpm · A minor"
    calm = beat_request().parameters.model_copy(update={"energy": Energy.CALM})
    line = "lofi · 84 bpm · A minor · calm energy"
    assert cards.headline(SAY, replace(beat_request(), parameters=calm)) == line
    made = beat_request(outcome=beat_take())
    assert cards.headline(words("de"), made) == "lofi · 84 bpm · b-Moll"
    made = replace(made, parameters=calm)
    assert cards.headline(words("de"), made) == "lofi · 84 bpm · b-Moll · Energie: ruhig"
