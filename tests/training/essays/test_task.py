from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import pytest
import torch
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayConfig, EssayLSTM
from models.essay.prompt import SPECIAL_TOKENS, Wish
from tests.training.essays.made_up import TOPICS, essay
from training.essays.corpus import Document
from training.essays.labels import Lexicon
from training.essays.ngram import KneserNey, text_tokens
from training.essays.optimisers import parameter_groups
from training.essays.pack import Labelling, Packed, Packer
from training.essays.samples import plain_sample
from training.essays.scoring import likelihood
from training.essays.task import EssayTask, Recipe, prime
from training.essays.vocabulary import train_tokenizer
from training.loop import Diverged, Plan, run
from training.runs import ask_to_stop


@pytest.fixture(scope="module")
def documents() -> list[Document]:
    draw = random.Random(2)
    return [
        Document(str(n), "made-up", TOPICS[n % 5], essay(TOPICS[n % 5], draw), "argument")
        for n in range(48)
    ]


@pytest.fixture(scope="module")
def tokenizer(documents: list[Document]) -> PreTrainedTokenizerFast:
    return train_tokenizer([f" {p}" for d in documents for p in d.paragraphs], 500)


@pytest.fixture(scope="module")
def packer(documents: list[Document], tokenizer: PreTrainedTokenizerFast) -> Packer:
    return Packer(tokenizer, Lexicon.count(d.text for d in documents))


@pytest.fixture(scope="module")
def train(documents: list[Document], packer: Packer) -> Packed:
    return packer.pack(documents[:40], [3] * 40, Labelling(seed=4))


@pytest.fixture(scope="module")
def held_out(documents: list[Document], packer: Packer) -> Packed:
    return packer.pack(documents[40:], [0] * 8, None)


RECIPE = Recipe(streams=4, length=24, rate=5e-3, warmup=3, samples=1, sample_words=20)
PLAN = Plan(steps=12, evaluate_every=6, save_every=6, log_every=2, sample_every=100)


@pytest.fixture
def make(
    tokenizer: PreTrainedTokenizerFast, train: Packed, held_out: Packed
) -> Callable[..., EssayTask]:
    def task(recipe: Recipe = RECIPE, dropout: float = 0.0) -> EssayTask:
        torch.manual_seed(1)
        sizes: dict[str, Any] = {"embed_size": 16, "hidden_size": 24, "condition_size": 16}
        model = EssayLSTM(EssayConfig(vocab_size=len(tokenizer), head_size=150, **sizes))
        model.locked.p = dropout
        for layer in model.recurrences():
            layer.weight_drop = dropout
        prime(model, train)
        sets = {"seen": (held_out, range(8))}
        return EssayTask(model, tokenizer, train, sets, recipe)

    return task


def test_a_document_is_laid_out_as_the_prompt_says(
    documents: list[Document], packer: Packer, tokenizer: PreTrainedTokenizerFast
) -> None:
    packed = packer.pack(documents[:1], [4], Labelling(seed=1, no_plan=0, no_wish=0, no_content=0))
    pieces = tokenizer.convert_ids_to_tokens(packed.tokens.tolist())
    text = documents[0].text
    assert pieces[:3] == ["<s>", "<style_argument>", "<mark_4>"]
    assert pieces.count("<par>") == 2 and pieces[-1] == "</s>"
    body = pieces[pieces.index("<text>") + 1 : -1]
    ids = tokenizer.convert_tokens_to_ids(body)
    assert str(tokenizer.decode(ids)).replace("<par> ", "\n\n").strip() == text
    learned = [p for p, learn in zip(pieces, packed.learn, strict=True) if learn]
    assert learned[-len(body) - 2 :] == ["<text>", *body, "</s>"]
    assert "<topic>" not in learned and "<plan>" not in learned and "<sep>" in learned
    assert int(packed.text_bytes[0]) == len(text.encode()) + 1


def test_conditions_follow_paragraphs_and_what_is_left(
    documents: list[Document], packer: Packer, tokenizer: PreTrainedTokenizerFast
) -> None:
    packed = packer.pack(documents[:1], [4], Labelling(seed=1, no_plan=0, no_wish=0, no_content=0))
    small = packed.row_small[packed.condition]
    role, left = small[:, 2], small[:, 3].astype(int)
    par = np.flatnonzero(packed.tokens == SPECIAL_TOKENS.index("<par>"))
    text = int(np.flatnonzero(packed.tokens == SPECIAL_TOKENS.index("<text>"))[0])
    # A paragraph is felt from the token before its first word.
    assert [role[text - 1], role[text], role[par[0] - 1]] == [0, 1, 1]
    assert [role[par[0]], role[par[1] - 1], role[par[1]], role[-1]] == [2, 2, 3, 3]
    assert (np.diff(left) <= 0).all() and left[-1] == 1
    assert packed.row_keywords[packed.condition[0]] == 0
    assert packed.row_keywords[packed.condition[-1]] != 0


def test_wishes_leave_things_out_as_often_as_asked(
    documents: list[Document], packer: Packer
) -> None:
    wishes = [packer.wish(replace(documents[0], id=str(n)), 3, Labelling()) for n in range(600)]
    told = [w for w in wishes if w is not None]
    assert 0.01 < 1 - len(told) / 600 < 0.06
    assert 0.07 < sum(not w.topic for w in told) / 600 < 0.18
    assert 0.2 < sum(w.topic == documents[0].topic for w in told) / 600 < 0.75
    assert all(w.plan is None for w in told if not w.topic)


def test_packed_arrays_survive_the_disk(train: Packed, tmp_path: Path) -> None:
    train.save(tmp_path / "a.npz")
    again = Packed.load(tmp_path / "a.npz")
    assert np.array_equal(again.tokens, train.tokens) and again.documents == train.documents


def test_scoring_in_batches_is_scoring_alone(
    make: Callable[..., EssayTask], held_out: Packed
) -> None:
    model = make().model
    together = likelihood(model, held_out)
    alone = sum(likelihood(model, held_out, [d]).nats for d in range(8))
    assert together.nats == pytest.approx(alone, rel=1e-5)
    assert together.bits_per_byte > 0 and together.word_perplexity > 1


def test_training_beats_its_start_and_token_frequencies(
    make: Callable[..., EssayTask], train: Packed, held_out: Packed, tmp_path: Path
) -> None:
    task = make(replace(RECIPE, streams=8, length=40, rate=2e-2, ema=0.9))
    before = task.evaluate()["seen"]
    run(task, tmp_path, replace(PLAN, steps=80, evaluate_every=80, save_every=80), seed=1)
    after = task.evaluate()["seen"]
    text = SPECIAL_TOKENS.index("<text>")
    unigrams = KneserNey.fit(text_tokens(train, text), 500, 1, order=1)
    nats = -sum(unigrams.log_probabilities(d).sum() for d in text_tokens(held_out, text))
    assert after < 0.9 * before
    assert after < nats / np.log(2) / held_out.text_bytes.sum()


@pytest.mark.parametrize("optimiser", ["adamw", "muon"])
def test_resuming_gives_the_weights_of_an_uninterrupted_run(
    make: Callable[..., EssayTask], tmp_path: Path, optimiser: Literal["adamw", "muon"]
) -> None:
    recipe = replace(
        RECIPE, layer_factor=0.7, unfreeze=0.2, schedule="slanted", optimiser=optimiser
    )
    whole = make(recipe, dropout=0.2)
    run(whole, tmp_path / "whole", PLAN, seed=3)
    first = make(recipe, dropout=0.2)
    step = first.step

    def stop_at_seven() -> tuple[dict[str, float], int]:
        if first.facts()["step"] == 6:
            ask_to_stop(tmp_path / "parts")
        return step()

    first.step = stop_at_seven  # type: ignore[method-assign]
    assert run(first, tmp_path / "parts", PLAN, seed=3).state == "stopped"
    torch.manual_seed(77)
    second = make(recipe, dropout=0.2)
    torch.manual_seed(78)
    run(second, tmp_path / "parts", PLAN, seed=3, resume=True)
    ours, theirs = second.tensors(), whole.tensors()
    assert set(ours) == set(theirs)
    for name, value in theirs.items():
        assert torch.equal(value, ours[name]), name


def test_upper_layers_thaw_first(make: Callable[..., EssayTask]) -> None:
    recipe = replace(RECIPE, layer_factor=0.5, unfreeze=0.2, schedule="slanted")
    task = make(recipe)
    embedding, project = task.model.embed.weight.clone(), task.model.project.weight.clone()
    task.fraction_done = 0.1
    task.step()
    assert torch.equal(embedding, task.model.embed.weight)
    assert not torch.equal(project, task.model.project.weight)
    task.fraction_done = 0.7
    task.step()
    assert not torch.equal(embedding, task.model.embed.weight)
    shares = {
        g["depth"]: g["share"]
        for g in parameter_groups(task.model, "adamw", 0.01, recipe.layer_factor)
    }
    assert shares == {0: 0.125, 1: 0.25, 2: 0.5, 3: 1.0}


def test_muon_learns_the_matrices_and_adamw_the_rest(make: Callable[..., EssayTask]) -> None:
    task = make(replace(RECIPE, optimiser="muon", rate=2e-2, warmup=1, streams=8))
    names = {id(p): name for name, p in task.model.named_parameters()}
    groups = parameter_groups(task.model, "muon", 0.01, 1.0)
    matrices = {names[id(p)] for g in groups if g["muon"] for p in g["params"]}
    assert {"layers.0.weight_hh", "skip.weight", "inject.0.weight"} <= matrices
    assert not matrices & {"embed.weight", "norms.0.weight", "output_bias", "style_in.weight"}
    before = task.evaluate()["seen"]
    for _ in range(40):
        task.step()
    assert task.evaluate()["seen"] < 0.9 * before


def test_a_poisoned_model_ends_in_one_sentence(
    make: Callable[..., EssayTask], tmp_path: Path
) -> None:
    task = make()
    with torch.no_grad():
        task.model.skip.weight.fill_(float("nan"))
    with pytest.raises(Diverged, match=r"^Training went wrong: the loss is no longer a number\.$"):
        run(task, tmp_path, PLAN, seed=1)


def test_samples_are_written_and_follow_their_seed(
    make: Callable[..., EssayTask], tokenizer: PreTrainedTokenizerFast, tmp_path: Path
) -> None:
    task = make()
    task.sample(tmp_path, 7)
    assert (tmp_path / "0000007.txt").read_text().startswith("[Electric bikes;")
    wish = Wish("tea", 20, "argument", 5)
    one, same, other = (plain_sample(task.model, tokenizer, wish, seed=s) for s in (1, 1, 2))
    assert one == same != other
