"""Packs documents into flat arrays: tokens, what is felt at each of them, and what is learned.

A document is laid out as ``<s> prefix text </s>``. ``condition`` holds for every token the row of
the condition felt while the *next* token is predicted; ``learn`` is 1 where the token is a target
(plan and text; topic, style, mark and length are given, never predicted).
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import numpy.typing as npt
from transformers import PreTrainedTokenizerFast

from models.essay.prompt import (
    BAG,
    PAR,
    PLAN_KEYWORDS,
    PLAN_PARAGRAPHS,
    Plan,
    Prompter,
    Wish,
    remaining_bucket,
    role_of,
    style_index,
)
from training.essays.corpus import Document
from training.essays.labels import Lexicon

Array = npt.NDArray[np.generic]
_BUCKET = np.array([remaining_bucket(w) for w in range(4096)], dtype=np.int64)


@dataclass(frozen=True)
class Packed:
    """Documents as arrays; N tokens, D documents, R condition rows, M bags."""

    tokens: npt.NDArray[np.uint16]  # (N,)
    condition: npt.NDArray[np.uint32]  # (N,) row of the condition
    learn: npt.NDArray[np.uint8]  # (N,)
    starts: npt.NDArray[np.int64]  # (D+1,)
    row_topic: npt.NDArray[np.uint32]  # (R,) number of the bag
    row_keywords: npt.NDArray[np.uint32]  # (R,)
    row_small: npt.NDArray[np.uint8]  # (R, 4) style, mark, role, remaining
    bags: npt.NDArray[np.uint16]  # (M, BAG); bag 0 is empty
    text_bytes: npt.NDArray[np.int64]  # (D,) UTF-8 bytes of the text, plus one for its end
    text_words: npt.NDArray[np.int64]  # (D,)

    @property
    def documents(self) -> int:
        """Count documents."""
        return len(self.starts) - 1

    def save(self, path: Path) -> None:
        """Write as one .npz without pickles."""
        np.savez(path, **{f.name: getattr(self, f.name) for f in fields(self)})

    @classmethod
    def load(cls, path: Path) -> Packed:
        """Read what ``save`` wrote."""
        with np.load(path, allow_pickle=False) as data:
            return cls(**{f.name: data[f.name] for f in fields(cls)})


@dataclass(frozen=True)
class Labelling:
    """How wishes are made for documents, and how often parts of them are left out."""

    seed: int = 0
    no_wish: float = 0.03  # nothing is told at all
    no_content: float = 0.12  # neither topic nor plan: the weaker voice for guidance
    no_plan: float = 0.25
    no_mark: float = 0.10
    own_topic: float = 0.35  # keywords of the text stand for its given topic


class Packer:
    """Turns documents into arrays with one tokenizer and one lexicon."""

    def __init__(self, tokenizer: PreTrainedTokenizerFast, lexicon: Lexicon) -> None:
        self._tokenizer = tokenizer
        self._backend = tokenizer.backend_tokenizer
        self._lexicon = lexicon
        self._prompter = Prompter(tokenizer)
        pieces = tokenizer.convert_ids_to_tokens(list(range(len(tokenizer))))
        self._begins_word = np.array([p.startswith("Ġ") for p in pieces])

    def pack(
        self,
        documents: Sequence[Document],
        marks: Sequence[int],
        labelling: Labelling | None,
        *,
        told_words: int | None = None,
    ) -> Packed:
        """Pack; without ``labelling`` every wish is topic, style and length only (evaluation).

        ``told_words`` is told as the length of every document instead of its own, and then
        nothing tells which paragraph is its last.
        """
        build = _Build()
        for begin in range(0, len(documents), 256):
            group = documents[begin : begin + 256]
            paragraphs = [f" {p}" for d in group for p in d.paragraphs]
            encoded = iter(self._backend.encode_batch(paragraphs, add_special_tokens=False))
            for document, mark in zip(group, marks[begin : begin + 256], strict=True):
                ids = [next(encoded).ids for _ in document.paragraphs]
                wish = self.wish(document, mark, labelling, told_words)
                self._add(build, document, wish, ids, open_end=told_words is not None)
        return build.finish()

    def wish(
        self,
        document: Document,
        mark: int,
        labelling: Labelling | None,
        told_words: int | None = None,
    ) -> Wish | None:
        """Make the wish that this document fulfils; None = nothing is told."""
        words = told_words or document.words
        if labelling is None:
            return Wish(document.topic, words, document.style)
        draw = random.Random(f"{labelling.seed}:{document.id}")
        if draw.random() < labelling.no_wish:
            return None
        mark = 0 if draw.random() < labelling.no_mark else mark
        if draw.random() < labelling.no_content:
            return Wish("", words, document.style, mark)
        topic, plan = document.topic, None
        if not topic or draw.random() < labelling.own_topic:
            topic = " ".join(self._lexicon.keywords(document.text, draw.randint(1, 4)))
        if draw.random() >= labelling.no_plan:
            plan = self._plan(document, draw)
        return Wish(topic, words, document.style, mark, plan)

    def _plan(self, document: Document, draw: random.Random) -> Plan:
        return tuple(
            self._lexicon.keywords(paragraph, draw.randint(2, PLAN_KEYWORDS))
            for paragraph in document.paragraphs[:PLAN_PARAGRAPHS]
        )

    def _add(
        self,
        build: _Build,
        document: Document,
        wish: Wish | None,
        paragraphs: Sequence[list[int]],
        *,
        open_end: bool,
    ) -> None:
        prompter = self._prompter
        prefix = [prompter.ids["<text>"]] if wish is None else prompter.prefix(wish)
        body: list[int] = []
        places = [0] * (len(prefix) + 1)  # 0 = prefix, k = paragraph k, counted from 1
        places[-1] = 1  # <text> already belongs to the first paragraph
        for number, ids in enumerate(paragraphs, start=1):
            if number > 1:
                body.append(prompter.ids[PAR])
                places.append(number)
            body += ids
            places += [number] * len(ids)
        tokens = [prompter.ids["<s>"], *prefix, *body, prompter.ids["</s>"]]
        places.append(len(paragraphs))
        plan_at = prefix.index(prompter.ids["<plan>"]) if prompter.ids["<plan>"] in prefix else None
        learn = np.ones(len(tokens), dtype=np.uint8)
        learn[: 1 + (len(prefix) if plan_at is None else plan_at + 1)] = 0
        array = np.array(tokens)
        text = np.arange(len(tokens)) > len(prefix)
        told = wish.words if wish else document.words
        left = told - np.cumsum(self._begins_word[array] & text)
        buckets = _BUCKET[np.clip(left, 0, len(_BUCKET) - 1)]
        rows = self._rows(wish, len(paragraphs) + 2 * open_end)
        build.add(array, learn, np.array(places), buckets, rows)
        build.sizes.append((len(document.text.encode()) + 1, document.words))

    def _rows(self, wish: Wish | None, paragraphs: int) -> list[_Row]:
        """Describe the prefix (first) and every paragraph: bags, style, mark, role."""
        if wish is None:
            return [_Row((), (), 0, 0, 0, False)] * (paragraphs + 1)
        topic = self._prompter.bag([wish.topic])
        style = style_index(wish.style)
        rows = [_Row(topic, (), style, wish.mark, 0, True)]
        for number in range(paragraphs):
            plan = wish.plan or ()
            keywords = self._prompter.bag(plan[number]) if number < len(plan) else ()
            role = role_of(number, paragraphs)
            rows.append(_Row(topic, keywords, style, wish.mark, role, True))
        return rows


@dataclass(frozen=True)
class _Row:
    topic: tuple[int, ...]
    keywords: tuple[int, ...]
    style: int
    mark: int
    role: int
    told: bool


class _Build:
    """Growing arrays."""

    def __init__(self) -> None:
        self.tokens: list[Array] = []
        self.learn: list[Array] = []
        self.condition: list[Array] = []
        self.starts = [0]
        self.topics: list[Array] = []
        self.keywords: list[Array] = []
        self.small: list[Array] = []
        self.rows = 0
        self.bags: dict[tuple[int, ...], int] = {(): 0}
        self.sizes: list[tuple[int, int]] = []

    def add(
        self, tokens: Array, learn: Array, places: Array, buckets: Array, rows: Sequence[_Row]
    ) -> None:
        """Append one document; a new condition row begins wherever place or bucket changes."""
        key = places * 64 + buckets  # type: ignore[operator]
        changes = np.flatnonzero(np.diff(key, prepend=-1))
        number = np.cumsum(np.diff(key, prepend=-1) != 0) - 1
        here = places[changes].astype(int)
        topic = np.array([self._bag(r.topic) for r in rows])
        keywords = np.array([self._bag(r.keywords) for r in rows])
        small = np.array([(r.style, r.mark, r.role, r.told) for r in rows])[here]
        small[:, 3] *= buckets[changes].astype(int)
        self.topics.append(topic[here])
        self.keywords.append(keywords[here])
        self.small.append(small)
        self.condition.append(number + self.rows)
        self.rows += len(changes)
        self.tokens.append(tokens)
        self.learn.append(learn)
        self.starts.append(self.starts[-1] + len(tokens))

    def _bag(self, ids: tuple[int, ...]) -> int:
        return self.bags.setdefault(ids, len(self.bags))

    def finish(self) -> Packed:
        """Join everything."""
        bags = np.zeros((len(self.bags), BAG), dtype=np.uint16)
        for ids, number in self.bags.items():
            bags[number, : len(ids)] = ids
        sizes = np.array(self.sizes, dtype=np.int64).reshape(-1, 2)
        return Packed(
            tokens=np.concatenate(self.tokens).astype(np.uint16),
            condition=np.concatenate(self.condition).astype(np.uint32),
            learn=np.concatenate(self.learn).astype(np.uint8),
            starts=np.array(self.starts, dtype=np.int64),
            row_topic=np.concatenate(self.topics).astype(np.uint32),
            row_keywords=np.concatenate(self.keywords).astype(np.uint32),
            row_small=np.concatenate(self.small).astype(np.uint8),
            bags=bags,
            text_bytes=sizes[:, 0],
            text_words=sizes[:, 1],
        )
