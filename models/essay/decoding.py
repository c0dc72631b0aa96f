"""How text is drawn and judged: the one place of defaults, overridden by ``generation.json``."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields, replace
from pathlib import Path

from models.essay.precision import Precision

FILE = "generation.json"


class DecodingError(Exception):
    """A ``generation.json`` cannot be used; the message is one plain sentence."""


@dataclass(frozen=True)
class Decoding:
    """Settings of the production sampler; constant for a version, so that a seed keeps its text."""

    style: str = "argument"
    mark: int = 5
    # drawing a token
    temperature: float = 0.65
    min_p: float = 0.1
    top_p: float = 1.0  # 1 = off
    guidance: float = 1.25  # 1 = off: no second voice is run
    plausible: float = 0.0  # share of the likeliest token's that a token needs without guidance
    fatigue: float = 0.6  # nats taken from a content word just used
    fatigue_half_life: float = 90.0  # tokens
    name_shyness: float = 1.5  # nats taken from capitals inside a sentence
    pull: float = 2.0  # nats given to the words that lie nearest to the topic
    plan_pull: float = 5.0  # the same, while keywords are drawn
    plan_far: float = 0.3  # cosine below which keywords lose as much
    pull_from: float = 0.35  # cosine from which a word is pulled at all
    longest_copy: int = 0  # words in a row from a training essay, 8 at least; 0 = any number
    forbidden: str = "()[]{}<>|=~\\@#_^`*+/"  # a token with one of these is never drawn
    # choosing among candidates
    candidates: int = 8  # sentences drafted side by side
    rounds: int = 3  # times a hopeless set of candidates is drawn again
    plan_candidates: int = 8
    plan_temperature: float = 0.8
    patience: int = 12  # steps that the slower half of the candidates may still take
    relevance: float = 1.0  # weights of the judge, see judge.py
    association: float = 2.0
    coverage: float = 0.5
    novelty: float = 1.0
    fluency: float = 1.2
    fluency_low: float = -2.8  # band of the mean log-probability of a token, in nats
    fluency_high: float = -1.2
    # length
    tolerance: float = 0.05
    sentence_tokens: int = 64
    sentence_words: int = 40
    precision: str = Precision.INT8  # of products; see eightbit.py

    @classmethod
    def read(cls, folder: Path) -> Decoding:
        """Take the defaults, overridden by the version folder's own file where there is one."""
        path = folder / FILE
        if not path.is_file():
            return cls()
        given = json.loads(path.read_text(encoding="utf-8"))
        known = {field.name for field in fields(cls)}
        unknown = sorted(set(given) - known) if isinstance(given, dict) else ["its shape"]
        if unknown:
            raise DecodingError(f"{FILE} has settings that nobody knows: {', '.join(unknown)}.")
        return replace(cls(), **given)

    @property
    def guided(self) -> bool:
        """Tell whether a second, topic-less voice runs beside the first."""
        return self.guidance != 1.0
