import pytest

from training.music.presets import Preset, read_preset


@pytest.mark.parametrize("name", ["cpu", "gpu", "tiny"])
def test_shipped_presets_are_valid_and_differ_from_the_default(name: str) -> None:
    assert read_preset(name) != Preset()


def test_tiny_is_small() -> None:
    tiny = read_preset("tiny")
    assert tiny.plan.steps <= 30 and tiny.generator.codec.width <= 16
