"""A tiny writer, trained in seconds on made-up prose, and the versions it is stored as."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import cast

import torch
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayConfig, EssayLSTM
from models.essay.prompt import PAR, Encoder, Prompter, Wish, condition_arrays
from models.essay.runs import Runs
from models.registry import Registry, Version
from training.essays.vocabulary import train_tokenizer


def _split(line: str) -> list[str]:
    return line.split()


THINGS = _split("cats dogs rivers books trains gardens bridges songs cities schools lakes games")
WHO = _split("People Children Teachers Many We Some Most Farmers Writers Visitors They Neighbours")
DO = _split("like love need build visit study draw paint watch share keep find")
HOW = _split(
    "slowly often gladly together daily quietly carefully twice later here there everywhere"
)
JOIN = ["and", "but", "yet", "so", "for", "although"]


def sentence(draw: random.Random, topic: str) -> str:
    """Make a sentence of 7 to 20 words."""

    def clause() -> str:
        words = [draw.choice(DO), draw.choice((topic, draw.choice(THINGS))), draw.choice(HOW)]
        return " ".join(words)

    text = f"{draw.choice(WHO)} {clause()}"
    for _ in range(draw.randint(1, 4)):
        text += f" {draw.choice(JOIN)} {draw.choice(WHO).lower()} {clause()}"
    return text + draw.choice((".", ".", ".", "!"))


@cache
def corpus() -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Make 120 short texts: topic and paragraphs."""
    draw = random.Random(7)
    texts = []
    for _ in range(120):
        topic = draw.choice(THINGS)
        paragraphs = tuple(
            " ".join(sentence(draw, topic) for _ in range(draw.randint(2, 4)))
            for _ in range(draw.randint(1, 3))
        )
        texts.append((topic, paragraphs))
    return tuple(texts)


@cache
def tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer."""
    return train_tokenizer([f" {p}" for _, paragraphs in corpus() for p in paragraphs], size=500)


def model(seed: int, steps: int = 0) -> EssayLSTM:
    """Make a tiny model; with ``steps`` it is trained for as many."""
    torch.manual_seed(seed)
    config = EssayConfig(
        vocab_size=len(tokenizer()), embed_size=32, hidden_size=64, condition_size=32, head_size=256
    )
    made = EssayLSTM(config)
    if steps:
        _train(made, steps)
    made.train(False)
    return made


def _train(made: EssayLSTM, steps: int) -> None:
    prompter = Prompter(cast(Encoder, tokenizer()))
    draw = random.Random(3)
    optimiser = torch.optim.AdamW(made.parameters(), lr=2e-2)
    made.train()
    for _ in range(steps):
        rows, conditions = [], []
        for topic, paragraphs in draw.sample(corpus(), 8):
            words = sum(len(p.split()) for p in paragraphs)
            plan = tuple((topic, draw.choice(THINGS)) for _ in paragraphs)
            wish = Wish(topic, words, "argument", 5, plan if draw.random() < 0.8 else None)
            ids = prompter.prefix(wish)
            for number, paragraph in enumerate(paragraphs):
                ids += [prompter.ids[PAR]] * (number > 0)
                ids += tokenizer().encode(f" {paragraph}", add_special_tokens=False)
            rows.append([*ids, prompter.ids["</s>"]][:90])
            conditions.append(prompter.condition(wish, paragraph=0))
        arrays = condition_arrays(conditions)
        condition = made.condition(
            **{n: torch.tensor(getattr(arrays, n)) for n in arrays.__dataclass_fields__}
        )
        width = max(map(len, rows))
        batch = torch.tensor([row + [0] * (width - len(row)) for row in rows])
        y, _ = made.hidden(batch, condition)
        losses = made.nll(y[:-1].flatten(0, 1), batch.t()[1:].flatten())
        loss = losses[batch.t()[1:].flatten() != 0].mean()
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(made.parameters(), 1.0)
        optimiser.step()


@cache
def trained() -> EssayLSTM:
    """Train the shared tiny model once."""
    return model(1, steps=60)


def publish(
    root: Path, name: str, made: EssayLSTM, *, read: Sequence[str] = (), **decoding: object
) -> Version:
    """Store a model as a version; what it has ``read`` is not copied if ``decoding`` says so."""
    folder = root / f"making-{name}"
    made.save_pretrained(folder)
    tokenizer().save_pretrained(folder)
    (folder / "generation.json").write_text(json.dumps(decoding))
    if read:
        Runs.of(read).write(folder)
    return Registry(root / "registry", shipped=None).publish("essay", name, folder, parent=None)
