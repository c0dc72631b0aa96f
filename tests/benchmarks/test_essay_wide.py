"""A writer in a wider model writes nearly as it did."""

from __future__ import annotations

import torch

from benchmarks.essay_wide import widened
from models.essay.lstm import EssayConfig
from tests.models.essay import tiny


def test_a_wider_model_says_nearly_the_same() -> None:
    writer = tiny.model(3)
    sizes = {**writer.config.to_dict(), "embed_size": 96, "hidden_size": 160}
    sizes |= {"condition_size": 80, "vocab_size": writer.config.vocab_size + 50}
    wide = widened(writer, EssayConfig(**sizes))
    ids = torch.randint(8, 200, (2, 30), generator=torch.Generator().manual_seed(1))
    for model in (writer, wide):
        model.train(False)
    with torch.no_grad():
        one, other = writer(ids).logits, wide(ids).logits
    assert (other[..., writer.config.vocab_size :] < -20).all()
    shares, wide_shares = one.exp(), other[..., : writer.config.vocab_size].exp()
    assert float((shares - wide_shares).abs().sum(-1).mean()) < 0.1


def test_a_model_of_fewer_layers_takes_the_lowest() -> None:
    writer = tiny.model(3)
    fewer = widened(writer, EssayConfig(**{**writer.config.to_dict(), "num_hidden_layers": 1}))
    weights, given = fewer.state_dict(), writer.state_dict()
    assert torch.equal(weights["layers.0.weight_hh"], given["layers.0.weight_hh"])
    assert torch.equal(weights["norms.1.weight"], given["norms.2.weight"])
