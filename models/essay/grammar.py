"""Which tokens may come next: a small stack of masks, chosen row by row at every step."""

from __future__ import annotations

import math
import re
from enum import IntEnum

import torch
from torch import Tensor

from models.essay.lexicon import Lexicon
from models.essay.prompt import SEP, SPECIAL_TOKENS, TEXT

ENDING_PUSH = 1.5  # nats added to full stops where the essay should end


class Mask(IntEnum):
    """Rows of the stack. ``PLAN`` is the first of 16: add the ``PLAN_*`` bits that are allowed."""

    PROSE = 0
    OPENING = 1  # the first word of a sentence
    HELD = 2  # the sentence must not end yet
    ENDING = 3  # the sentence had better end now
    CLOSING = 4  # only a closing quotation mark
    PLAN = 5


PLAN_WORD, PLAN_REST, PLAN_NEXT, PLAN_TEXT = 1, 2, 4, 8


def mask_stack(lexicon: Lexicon, size: int) -> Tensor:
    """Build what is added to log-probabilities for every ``Mask`` (21, size)."""
    prose = torch.zeros(len(lexicon.texts)).masked_fill(lexicon.banned, -math.inf)
    opening = prose.masked_fill(~lexicon.opens, -math.inf)
    held, ending = prose.clone(), prose.clone()
    held[lexicon.enders] = -math.inf
    ending[lexicon.enders] += ENDING_PUSH
    closing = torch.full_like(prose, -math.inf)
    closing[[n for n, text in enumerate(lexicon.texts) if text == '"']] = 0.0
    plans = _plan_masks(lexicon)
    stack = torch.stack([prose, opening, held, ending, closing, *plans])
    # A model's table may be a little larger than its tokenizer.
    return torch.nn.functional.pad(stack, (0, size - stack.shape[1]), value=-math.inf)


def _plan_masks(lexicon: Lexicon) -> list[Tensor]:
    first = torch.tensor([bool(re.fullmatch(r" [A-Za-z]{3,}", t)) for t in lexicon.texts])
    rest = torch.tensor([bool(re.fullmatch(r"[A-Za-z]+", t)) for t in lexicon.texts])
    first &= ~lexicon.banned
    separator, text = torch.zeros_like(first), torch.zeros_like(first)
    separator[SPECIAL_TOKENS.index(SEP)] = True
    text[SPECIAL_TOKENS.index(TEXT)] = True
    masks = []
    for bits in range(16):
        allowed = torch.zeros_like(first)
        for bit, group in enumerate((first, rest, separator, text)):
            if bits & (1 << bit):
                allowed |= group
        masks.append(torch.zeros(len(first)).masked_fill(~allowed, -math.inf))
    return masks
