"""Every sentence a person reads, by locale: ``bot/words/<locale>.json``, English the fallback."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from string import Formatter
from typing import Any

from bot.sentences import ENGLISH, Sentence, recognised

FALLBACK = "en"
LOCALES = ("en", "de", "fr")
_FOLDER = Path(__file__).parent / "words"


class Words:
    """The sentences of one locale; one it lacks is said in English."""

    def __init__(self, locale: str, texts: Mapping[str, str]) -> None:
        self.locale = locale
        self._texts = texts

    def __call__(self, key: str, /, **values: Any) -> str:
        """Say the sentence ``key`` with its values filled in."""
        text = self._texts.get(key) or _load(FALLBACK)[key]
        return text.format(**values) if values else text

    def count(self, key: str, n: int, /, **values: Any) -> str:
        """Say ``key.one`` or ``key.many``, with the number filled in as ``{n}``."""
        return self(f"{key}.{'one' if n == 1 else 'many'}", n=n, **values)

    def find(self, key: str) -> str | None:
        """Return a raw sentence of this very locale, None when it has none."""
        return self._texts.get(key)

    def say(self, sentence: str) -> str:
        """Say a sentence from the rooms behind in this locale, also one that was stored as text."""
        known = sentence if isinstance(sentence, Sentence) else recognised(sentence)
        text = self._texts.get(f"said.{known.key}") if known is not None else None
        return sentence if known is None or text is None else text.format(**known.values)


def words(locale: str | None) -> Words:
    """Return the words for a Discord locale such as ``en-GB``, ``de`` or ``fr``."""
    return _words(base(locale))


def base(locale: str | None) -> str:
    """Reduce a Discord locale to one we speak."""
    short = (locale or FALLBACK).split("-")[0].lower()
    return short if short in LOCALES else FALLBACK


def placeholders(text: str) -> frozenset[str]:
    """Name the values a sentence wants filled in."""
    return frozenset(name for _, name, _, _ in Formatter().parse(text) if name)


@cache
def _words(locale: str) -> Words:
    return Words(locale, _load(locale))


@cache
def _load(locale: str) -> dict[str, str]:
    text = (_FOLDER / f"{locale}.json").read_text(encoding="utf-8")
    texts = dict(_flatten(json.loads(text)))
    if locale == FALLBACK:
        # What the other rooms say has its English in bot/sentences.py.
        texts |= {f"said.{key}": sentence for key, sentence in ENGLISH.items()}
    return texts


def _flatten(node: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, str]]:
    """Yield ``a.b.c`` and its text for each leaf of nested objects."""
    for name, child in node.items():
        if isinstance(child, dict):
            yield from _flatten(child, f"{path}{name}.")
        else:
            yield f"{path}{name}", child
