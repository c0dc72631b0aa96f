import numpy as np
import pytest

from models.music.form import FORMS, LONGEST, NAMES, line_ups, plan


@pytest.mark.parametrize("bars", range(4, LONGEST + 1))
def test_plan_covers_every_bar_once(bars: int) -> None:
    for seed in range(4):
        sections = plan(bars, np.random.default_rng(seed))
        covered = [bar for s in sections for bar in range(s.first, s.last + 1)]
        assert covered == list(range(bars))
        if bars % 4:
            assert sections[-1].name == "outro" and sections[-1].last == bars - 1


def test_forms_have_as_many_phrases_as_they_say() -> None:
    for count, forms in FORMS.items():
        assert all(len(form) == count and set(form) <= set(NAMES) for form in forms)


@pytest.mark.parametrize("bars", range(32, LONGEST + 1))
def test_long_songs_have_a_bridge_between_hooks_or_before_the_end(bars: int) -> None:
    for seed in range(4):
        names = [section.name for section in plan(bars, np.random.default_rng(seed))]
        assert names.count("bridge") == 1
        place = names.index("bridge")
        assert "hook" in names[:place] and names[place + 1] in ("hook", "verse")


@pytest.mark.parametrize("bars", [0, 3, LONGEST + 1])
def test_impossible_lengths_are_refused(bars: int) -> None:
    with pytest.raises(ValueError, match="between 4 and 64 bars"):
        plan(bars, np.random.default_rng(1))


def test_a_hook_is_full_and_an_intro_is_not() -> None:
    for seed in range(12):
        random = np.random.default_rng(seed)
        sections = plan(32, random)
        ups = line_ups(sections, 0.5, random)
        for section, up in zip(sections, ups, strict=True):
            if section.name == "hook":
                assert up.drums == "full" and len(up.tracks) == 4
            if section.name == "intro":
                assert len(up.tracks) < 4


def test_energy_brings_players_in_and_none_leaves_it_to_the_seed() -> None:
    for seed in range(12):
        sections = plan(32, np.random.default_rng(seed))
        calm, plain, loud = (
            line_ups(sections, 0.5, np.random.default_rng(seed), energy=energy)
            for energy in (0.1, None, 1.0)
        )
        assert plain == line_ups(sections, 0.5, np.random.default_rng(seed), energy=0.6)
        for section, few, many in zip(sections, calm, loud, strict=True):
            if section.name in ("verse", "hook"):
                assert few.tracks < many.tracks and len(many.tracks) == 4
