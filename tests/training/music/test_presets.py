import pytest

from training.music.presets import Preset, read_preset


@pytest.mark.parametrize("name", ["cpu", "gpu", "tiny"])
def test_shipped_presets_are_valid_and_differ_from_the_default(name: str) -> None:
    assert read_preset(name) != Preset()


def test_tiny_is_small() -> None:
    tiny = read_preset("tiny")
    assert tiny.plan.steps <= 30 and tiny.generator.codec.width <= 16


@pytest.mark.parametrize("name", ["cpu", "gpu"])
def test_a_collection_of_ones_own_is_looked_at_more_often(name: str) -> None:
    preset = read_preset(name)
    assert preset.own_plan is not None
    assert preset.own_plan.evaluate_every == preset.own_plan.sample_every < 300
    assert preset.own_plan.steps == preset.plan.steps
