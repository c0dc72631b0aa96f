"""What a person typed, made into parameters."""

from __future__ import annotations

import pytest

from bot.asking import WrongValue, beat_parameters
from bot.maker import beat_asked
from bot.parameters import ENERGIES, BeatParameters, Energy
from bot.styles import Styles
from tests.bot.asked import beat_request
from tests.bot.doubles import ScriptedClient


def beat(**values: object) -> BeatParameters:
    return beat_parameters(values, Styles(ScriptedClient()), style=None, bars_max=32)


@pytest.mark.parametrize(
    ("typed", "energy"),
    [("calm", Energy.CALM), (" Moderate", Energy.MODERATE), (Energy.FULL, Energy.FULL)],
)
def test_an_energy_is_one_of_three_words(typed: str, energy: Energy) -> None:
    assert beat(energy=typed).energy is energy


@pytest.mark.parametrize("typed", ["wild", "", 0.5])
def test_anything_else_is_no_energy(typed: object) -> None:
    with pytest.raises(WrongValue) as wrong:
        beat(energy=typed)
    assert str(wrong.value.sentence) == (
        f"“{typed}” is not an energy I know; choose one of calm, moderate, full."
    )


def test_each_word_asks_the_service_for_more_than_the_one_before() -> None:
    asked = [beat_asked(beat_request(), beat(energy=word), None).energy for word in Energy]
    assert asked == sorted(ENERGIES.values()) == [0.0, 0.5, 1.0]


def test_without_a_word_the_sections_decide_as_in_beats_of_before() -> None:
    assert beat().energy is None and beat_asked(beat_request(), beat(), None).energy is None
    assert BeatParameters.model_validate({"bars": 8}).energy is None
