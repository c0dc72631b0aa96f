from collections.abc import Collection, Sequence

import pytest
from torch import Tensor

from models.music import taste
from models.music.material import Material, Wish
from models.music.pianoroll import TONES, Phrase
from models.music.song import Section
from models.music.styles import style_of

from .makers import RuleMaker


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


def test_a_bridge_that_comes_back_is_recognised() -> None:
    material = Material(RuleMaker(), Wish("pop", 2, 32), style_of("pop"), 100, "major")
    first, again = (material.section(Section("bridge", bar, 4))[0] for bar in (16, 24))
    assert taste.similarity(first, again) > 0.6
