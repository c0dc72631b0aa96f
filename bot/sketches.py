"""Sketches of texts and songs: small sets of hashes by which near-duplicates are found."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Sequence

#: Hashes kept: the smallest ones of a document, so that two sketches keep the same ones.
KEPT = 64
WINDOW = 5
#: Documents that share this much of their word sequences count as the same.
ALIKE = 0.7
_WORD = re.compile(r"\w+(?:['’]\w+)*")
_COMMON = {
    "en": "the a and of to in is that it for was on are with as be this have from by not they",
    "de": "der die das und ist nicht ein eine zu den mit von auf für sich dem des es im auch",
    "fr": "le la les et est un une des que qui dans pour pas sur au avec ce il sont du en",
    "es": "el los las y que es un una en por para con no se del su lo como más pero",
    "it": "il gli e che di un una per con non si del della sono è come ma nel più anche",
    "nl": "de het een en van is dat op te in niet met voor zijn aan er ook als maar om",
    "pt": "o os as e que é um uma em para com não se do da por mais como mas ao",
}
_SETS = {language: frozenset(words.split()) for language, words in _COMMON.items()}
#: Share of such words from which a language is believed.
_SURE = 0.15


def words_of(text: str) -> list[str]:
    """Take the words of a text, in small letters."""
    return _WORD.findall(text.casefold())


def language_of(words: Sequence[str]) -> str | None:
    """Guess the language of a text by its commonest words; None where nothing fits."""
    sample = words[:1000]
    if not sample:
        return None
    shares = {
        language: sum(word in common for word in sample) / len(sample)
        for language, common in _SETS.items()
    }
    best = max(shares, key=lambda language: shares[language])
    return best if shares[best] >= _SURE else None


def sketch(tokens: Sequence[object]) -> tuple[int, ...]:
    """Sketch a sequence: the smallest hashes of its windows of five."""
    last = max(len(tokens) - WINDOW + 1, 1)
    windows = {"\0".join(map(str, tokens[i : i + WINDOW])) for i in range(last)}
    hashes = (hashlib.blake2b(w.encode(), digest_size=6).digest() for w in windows)
    return tuple(sorted(int.from_bytes(h, "big") for h in hashes)[:KEPT])


def resemblance(one: Iterable[int], other: Iterable[int]) -> float:
    """Estimate the share of windows that two documents have in common."""
    first, second = set(one), set(other)
    union = sorted(first | second)[:KEPT]
    return sum(h in first and h in second for h in union) / len(union) if union else 0.0
