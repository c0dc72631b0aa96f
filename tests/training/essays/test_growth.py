from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

from models.essay.lstm import EssayConfig, EssayLSTM
from models.registry import Version
from training.essays.growth import grown
from training.essays.pipeline import Orders
from training.essays.presets import read_preset


@pytest.fixture
def small() -> EssayLSTM:
    torch.manual_seed(3)
    config = EssayConfig(
        vocab_size=60, embed_size=8, hidden_size=12, condition_size=8, head_size=20
    )
    model = EssayLSTM(config)
    with torch.no_grad():
        model.output_bias.normal_()
        model.get_buffer("token_weight").uniform_(0.5, 1.5)
    return model


def test_a_grown_writer_says_the_same(small: EssayLSTM) -> None:
    ids = torch.randint(3, 60, (2, 9))
    larger = grown(small, 4)
    assert larger.config.num_hidden_layers == 4
    torch.testing.assert_close(larger(ids).logits, small(ids).logits)


def test_every_new_layer_learns_at_once(small: EssayLSTM) -> None:
    larger = grown(small, 4)
    ids = torch.randint(3, 60, (2, 9))
    larger(ids, labels=ids).loss.backward()
    for layer in larger.recurrences()[2:]:
        assert layer.weight_ih.grad is not None
        assert layer.weight_ih.grad.abs().sum() > 0


def test_a_writer_does_not_shrink(small: EssayLSTM) -> None:
    with pytest.raises(ValueError, match="cannot shrink to 1"):
        grown(small, 1)


def test_a_warm_start_learns_at_a_share_of_the_rates() -> None:
    preset = replace(read_preset("tiny"), warm=0.5)
    cold = Orders(Path("corpus"), Path("out"), preset)
    parent = Version("essay", "before", Path("before"), {})
    warm = replace(cold, parent=parent, own=False)
    assert [p.recipe.rate for p in warm.phases] == [0.5 * p.recipe.rate for p in cold.phases]
    own = replace(cold, parent=parent)
    assert [p.recipe.rate for p in own.phases] == [preset.own_phase.recipe.rate]
