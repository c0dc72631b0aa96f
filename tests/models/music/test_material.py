from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np
import pytest
from torch import Tensor

from models.music import taste
from models.music.material import Material, Wish
from models.music.pianoroll import TONES, Note, Phrase
from models.music.song import Section
from models.music.styles import STYLES, style_of

from .makers import KICK, SNARE, RuleMaker


class Listener(RuleMaker):
    """Keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, bool]] = []  # energy, and whether drums were given

    def phrases(
        self,
        z: Tensor,
        *,
        style: str,
        energy: int | Sequence[int] = 2,
        section: str | Sequence[str] = "verse",
        bpm: float = 90.0,
        mode: str = "major",
        tracks: Collection[str] | Sequence[Collection[str]] | None = None,
        given: Phrase | None = None,
        given_tracks: Collection[str] = (),
    ) -> list[Phrase]:
        assert isinstance(energy, int)
        self.asked.append((energy, given is not None))
        return super().phrases(
            z, style=style, energy=energy, section=section, bpm=bpm, mode=mode, tracks=tracks,
            given=given, given_tracks=given_tracks,
        )  # fmt: skip


@pytest.mark.parametrize("seed", range(6))
def test_a_bridge_contrasts_with_verse_and_hook(seed: int) -> None:
    maker = Listener()
    material = Material(maker, Wish("pop", seed, 32), style_of("pop"), 100, "major")
    verse, hook, bridge = (
        material.section(Section(name, 4 * i, 4))[0]
        for i, name in enumerate(("verse", "hook", "bridge"))
    )
    energies = [energy for energy, _ in maker.asked]
    assert len(set(energies)) == 3 and energies[2] < min(energies[:2])
    assert not maker.asked[2][1], "its own groove, not the verse's"
    for other in (verse, hook):
        assert taste.similarity(bridge, other, TONES) < 0.9


class Forgetful(RuleMaker):
    """Plays another tune whenever it is asked."""

    def _notes(self, z: Tensor, mode: str) -> dict[str, list[Note]]:
        notes = super()._notes(z, mode)
        shift = int(abs(float(z[0])) * 1e4) % 17
        notes["lead"] = [replace(n, pitch=n.pitch + shift - 8) for n in notes["lead"]]
        return notes


def verse_of(maker: RuleMaker, seed: int) -> list[Phrase]:
    material = Material(maker, Wish("pop", seed, 32), style_of("pop"), 100, "major")
    return material.section(Section("verse", 0, 8))


@pytest.mark.parametrize("seed", range(6))
def test_a_tune_that_moves_too_far_does_not_come_back(seed: int) -> None:
    first, again = verse_of(Forgetful(), seed)
    assert taste.similarity(first, again, ("lead",)) >= 0.5


@pytest.mark.parametrize("seed", range(6))
def test_an_answer_begins_as_its_phrase_does_over_the_same_bass(seed: int) -> None:
    first, again = verse_of(RuleMaker(), seed)
    assert np.array_equal(first.onset[:32], again.onset[:32])
    assert first.notes("bass") == again.notes("bass")


def test_some_answers_end_otherwise() -> None:
    pairs = [verse_of(RuleMaker(), seed) for seed in range(6)]
    assert any(taste.similarity(first, again) < 1 for first, again in pairs)


def test_a_hook_comes_back_unchanged() -> None:
    material = Material(RuleMaker(), Wish("pop", 2, 32), style_of("pop"), 100, "major")
    first, again = (material.section(Section("hook", bar, 4))[0] for bar in (8, 24))
    assert again is first


@pytest.mark.parametrize("style", STYLES)
def test_a_hook_opens_up_the_verse_s_drums_or_brings_its_own(style: str) -> None:
    opened = 0
    for seed in range(8):
        material = Material(RuleMaker(), Wish(style, seed, 32), style_of(style), 100, "major")
        verse, hook = (
            {(n.start, n.pitch) for n in material.section(Section(name, 0, 4))[0].notes("drums")}
            for name in ("verse", "hook")
        )
        struck = [{(s, p) for s, p in drums if p in (KICK, SNARE)} for drums in (verse, hook)]
        opened += struck[0] == struck[1] and verse != hook and len(verse) <= len(hook) < 120
    assert opened >= 5


def test_a_calm_hook_keeps_the_drums_of_its_verse() -> None:
    wish = Wish("pop", 2, 32, energy=0.1)
    material = Material(RuleMaker(), wish, style_of("pop"), 100, "major")
    verse, hook = (material.section(Section(n, 0, 4))[0].notes("drums") for n in ("verse", "hook"))
    assert verse == hook


def test_a_bridge_that_comes_back_is_recognised() -> None:
    material = Material(RuleMaker(), Wish("pop", 2, 32), style_of("pop"), 100, "major")
    first, again = (material.section(Section("bridge", bar, 4))[0] for bar in (16, 24))
    assert taste.similarity(first, again) > 0.6
