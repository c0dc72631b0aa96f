"""Trains the tokenizer: byte-level BPE whose ids are sorted by frequency."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence

from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from models.essay.prompt import END, PAD, SPECIAL_TOKENS, START


def train_tokenizer(texts: Sequence[str], size: int = 8192) -> PreTrainedTokenizerFast:
    """Learn a vocabulary; small ids are frequent tokens, which the clustered softmax needs."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Digits(individual_digits=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=True),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        min_frequency=2,
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return wrapped(_sorted_by_frequency(tokenizer, texts))


def wrapped(tokenizer: Tokenizer) -> PreTrainedTokenizerFast:
    """Give a tokenizer its Hugging Face face."""
    return PreTrainedTokenizerFast(  # type: ignore[no-untyped-call]
        tokenizer_object=tokenizer,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        clean_up_tokenization_spaces=False,
    )


def count_tokens(tokenizer: Tokenizer, texts: Iterable[str], batch: int = 512) -> Counter[int]:
    """Count how often each id occurs."""
    counts: Counter[int] = Counter()
    held: list[str] = []
    for text in texts:
        held.append(text)
        if len(held) == batch:
            counts.update(i for e in tokenizer.encode_batch(held) for i in e.ids)
            held = []
    if held:
        counts.update(i for e in tokenizer.encode_batch(held) for i in e.ids)
    return counts


def _sorted_by_frequency(tokenizer: Tokenizer, texts: Sequence[str]) -> Tokenizer:
    """Renumber ordinary tokens by falling frequency; special tokens keep the first ids."""
    counts = count_tokens(tokenizer, texts)
    vocabulary = tokenizer.get_vocab()
    ordinary = [token for token in vocabulary if token not in SPECIAL_TOKENS]
    ordinary.sort(key=lambda token: (-counts[vocabulary[token]], vocabulary[token]))
    state = json.loads(tokenizer.to_str())
    order = [*SPECIAL_TOKENS, *ordinary]
    state["model"]["vocab"] = {token: number for number, token in enumerate(order)}
    for added in state["added_tokens"]:
        added["id"] = SPECIAL_TOKENS.index(added["content"])
    return Tokenizer.from_str(json.dumps(state))
