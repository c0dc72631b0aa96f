"""A cache remembers the words of the text at hand."""

from __future__ import annotations

import math
import random

import pytest
import torch

from models.essay.lstm import EssayConfig, EssayLSTM
from models.essay.prompt import SPECIAL_TOKENS, START, TEXT
from tests.training.essays.made_up import TOPICS, essay
from training.essays.corpus import Document
from training.essays.evaluation import baseline_likelihood, fit_baseline
from training.essays.labels import Lexicon
from training.essays.ngram import KneserNey
from training.essays.pack import Packed, Packer
from training.essays.recall import (
    Cache,
    Trace,
    choose,
    measure_recall,
    model_traces,
    ngram_traces,
)
from training.essays.scoring import likelihood
from training.essays.vocabulary import train_tokenizer

TEXT_ID = SPECIAL_TOKENS.index(TEXT)


@pytest.fixture(scope="module")
def data() -> Packed:
    draw = random.Random(2)
    documents = [
        Document(str(n), "made-up", topic, essay(topic, draw), "argument")
        for n, topic in enumerate(TOPICS)
    ]
    tokenizer = train_tokenizer([f" {p}" for d in documents for p in d.paragraphs], 300)
    packer = Packer(tokenizer, Lexicon.count(d.text for d in documents))
    return packer.pack(documents, [0] * len(documents), None)


@pytest.fixture(scope="module")
def model() -> EssayLSTM:
    torch.manual_seed(1)
    return EssayLSTM(
        EssayConfig(vocab_size=300, embed_size=16, hidden_size=24, condition_size=16, head_size=100)
    )


@pytest.fixture(scope="module")
def baseline(data: Packed) -> KneserNey:
    return fit_baseline([data], 300, SPECIAL_TOKENS.index(START), TEXT_ID)


def trace(tokens: list[int], *, p: float = 0.1, vectors: list[list[float]] | None = None) -> Trace:
    told = torch.tensor(vectors) if vectors else torch.zeros(len(tokens), 0)
    return Trace(
        torch.tensor(tokens), torch.full((len(tokens),), math.log(p), dtype=torch.float64), told
    )


def test_words_that_stood_earlier_get_a_share_by_how_often() -> None:
    nats = Cache(0.0, 0.5).nats(trace([7, 8, 7]))
    assert nats == pytest.approx(-math.log(0.1) - math.log(0.05) - math.log(0.05 + 0.5 / 2))


def test_what_followed_a_like_output_is_remembered_best() -> None:
    vectors = [[3.0, 0.0], [0.0, 3.0], [3.0, 0.0]]
    like, unlike = trace([7, 8, 7], vectors=vectors), trace([7, 8, 8], vectors=vectors)
    assert Cache(1.0, 0.5).nats(like) < Cache(0.0, 0.5).nats(like)
    assert Cache(1.0, 0.5).nats(like) < Cache(1.0, 0.5).nats(unlike)


def test_the_cache_that_suits_the_text_is_chosen() -> None:
    always_new, again = trace([*range(30)]), trace([1, 2, 3] * 10)
    assert choose([always_new]).share < choose([again]).share


def test_without_a_share_a_cache_changes_nothing(
    data: Packed, model: EssayLSTM, baseline: KneserNey
) -> None:
    everything = range(data.documents)
    told = sum(Cache(0.1, 0.0).nats(t) for t in model_traces(model, data, everything))
    assert told == pytest.approx(likelihood(model, data).nats, rel=1e-5)
    told = sum(Cache(0.0, 0.0).nats(t) for t in ngram_traces(baseline, data, everything, TEXT_ID))
    assert told == pytest.approx(baseline_likelihood(baseline, data, everything, TEXT_ID).nats)


def test_held_out_sets_are_scored_without_what_chose_the_cache(
    data: Packed, model: EssayLSTM, baseline: KneserNey
) -> None:
    rows = measure_recall(model, baseline, {"unseen": data, "seen": data}, TEXT_ID)
    assert rows["unseen"]["documents"] == data.documents == 5
    assert rows["seen"]["documents"] == 2
    for row in rows.values():
        assert row["ratio"] == pytest.approx(row["bits_per_byte"] / row["ngram_bits_per_byte"])
        assert row["ratio_from"] <= row["ratio"] + 1e-9 and row["ratio"] <= row["ratio_to"] + 1e-9
