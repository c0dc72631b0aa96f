from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayConfig, EssayLSTM
from tests.training.essays.made_up import TOPICS, essay
from training.essays.corpus import Document
from training.essays.labels import Lexicon
from training.essays.pack import Packed, Packer
from training.essays.scoring import likelihood
from training.essays.task import EssayTask, Recipe
from training.essays.tempering import temper
from training.essays.vocabulary import train_tokenizer

STEPS = 25


@pytest.fixture(scope="module")
def packed() -> tuple[PreTrainedTokenizerFast, Packed]:
    draw = random.Random(2)
    documents = [
        Document(str(n), "made-up", TOPICS[n % 5], essay(TOPICS[n % 5], draw), "argument")
        for n in range(12)
    ]
    tokenizer = train_tokenizer([f" {p}" for d in documents for p in d.paragraphs], 400)
    packer = Packer(tokenizer, Lexicon.count(d.text for d in documents))
    return tokenizer, packer.pack(documents, [0] * len(documents), None)


def weights(model: EssayLSTM) -> dict[str, Tensor]:
    return {name: value.detach().clone() for name, value in model.named_parameters()}


@pytest.fixture
def learnt(
    packed: tuple[PreTrainedTokenizerFast, Packed],
) -> tuple[EssayLSTM, Mapping[str, Tensor]]:
    """A model that has learnt a little, and what it was before."""
    tokenizer, texts = packed
    torch.manual_seed(1)
    sizes: dict[str, Any] = {"embed_size": 16, "hidden_size": 24, "condition_size": 16}
    model = EssayLSTM(EssayConfig(vocab_size=len(tokenizer), head_size=150, **sizes))
    parent = weights(model)
    recipe = Recipe(streams=4, length=24, rate=5e-3, warmup=3)
    task = EssayTask(model, tokenizer, texts, {}, recipe)
    for _ in range(STEPS):
        task.step()
    return model, parent


def test_what_has_not_gone_too_far_stays_as_it_is(
    packed: tuple[PreTrainedTokenizerFast, Packed],
    learnt: tuple[EssayLSTM, Mapping[str, Tensor]],
) -> None:
    model, parent = learnt
    before = weights(model)
    scores = temper(model, parent, (packed[1], range(12)))
    assert min(scores, key=lambda share: scores[share]) == 1.0
    assert all(torch.equal(value, before[name]) for name, value in model.named_parameters())


def test_what_has_gone_too_far_goes_back_to_the_best_place(
    packed: tuple[PreTrainedTokenizerFast, Packed],
    learnt: tuple[EssayLSTM, Mapping[str, Tensor]],
) -> None:
    model, parent = learnt
    with torch.no_grad():
        for name, value in model.named_parameters():
            value.copy_(parent[name] + 2.5 * (value - parent[name]))
    texts = packed[1]
    far = likelihood(model, texts).bits_per_byte
    scores = temper(model, parent, (texts, range(12)))
    best = min(scores.values())
    assert best < scores[1.0] == pytest.approx(far)
    assert likelihood(model, texts).bits_per_byte == pytest.approx(best)
