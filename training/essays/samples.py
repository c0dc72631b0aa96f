"""Plain samples of present weights, to be read while training goes on: no engine, no judge."""

from __future__ import annotations

from dataclasses import replace

import torch
from transformers import PreTrainedTokenizerFast

from models.essay.lstm import EssayLSTM
from models.essay.prompt import Condition, Prompter, Wish, condition_arrays

TOPICS = ("Electric bikes", "Success and failure", "The history of music")


@torch.no_grad()
def plain_sample(
    model: EssayLSTM,
    tokenizer: PreTrainedTokenizerFast,
    wish: Wish,
    *,
    seed: int,
    temperature: float = 0.8,
    top_p: float = 0.92,
) -> str:
    """Let the model plan and write once, by nucleus sampling only."""
    model.train(False)
    prompter, generator = Prompter(tokenizer), torch.Generator().manual_seed(seed)
    feed = prompter.prefix(wish, open_plan=True)
    state = model.initial_state(1)
    plan_ids: list[int] = []
    text_ids: list[int] = []
    paragraph, words = -1, 0
    pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
    while len(text_ids) < 3 * wish.words:
        condition = prompter.condition(
            wish, paragraph=paragraph, paragraphs=_many(wish), remaining=wish.words - words
        )
        felt = _felt(model, condition)
        for token in feed:
            log_probs, state = model.step(torch.tensor([token], device=felt.device), felt, state)
        token = _draw(log_probs[0].cpu(), temperature, top_p, generator)
        feed = [token]
        if paragraph < 0:
            if token == prompter.ids["<text>"] or len(plan_ids) > 80:
                wish = replace(wish, plan=prompter.parse_plan(plan_ids, tokenizer.decode))
                paragraph, feed = 0, [prompter.ids["<text>"]]
            plan_ids.append(token)
            continue
        if token == prompter.ids["</s>"]:
            break
        paragraph += token == prompter.ids["<par>"]
        words += pieces[token].startswith("Ġ")
        text_ids.append(token)
    plan = " | ".join(" ".join(p) for p in wish.plan or ())
    text = str(tokenizer.decode(text_ids)).replace("<par> ", "\n\n").replace("<par>", "\n\n")
    return f"[{wish.topic}; {plan}]\n\n{text.strip()}\n"


def _many(wish: Wish) -> int:
    return len(wish.plan or ())


def _felt(model: EssayLSTM, condition: Condition) -> torch.Tensor:
    rows = condition_arrays([condition])
    return model.condition(
        *(
            torch.tensor(values, device=model.output_bias.device)
            for values in (
                rows.topic,
                rows.keywords,
                rows.style,
                rows.mark,
                rows.role,
                rows.remaining,
            )
        )
    )


def _draw(
    log_probs: torch.Tensor, temperature: float, top_p: float, generator: torch.Generator
) -> int:
    probabilities, order = (log_probs / temperature).softmax(-1).sort(descending=True)
    keep = probabilities.cumsum(0) - probabilities < top_p
    chosen = torch.multinomial(probabilities * keep, 1, generator=generator)
    return int(order[chosen])
