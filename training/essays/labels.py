"""Self-made labels: keywords of a paragraph, cleanliness of a text, mark buckets."""

from __future__ import annotations

import json
import math
import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

from training.essays.corpus import Document

_TOKEN = re.compile(r"[A-Za-z][A-Za-z'-]*[A-Za-z]|[A-Za-z]")
_SENTENCE = re.compile(r"(?<=[.!?])\s+")
_BUCKETS = (0.20, 0.45, 0.70, 0.90)  # percentile borders of marks 1 | 2 | 3 | 4 | 5


class Lexicon:
    """Word counts of a corpus: which words are rare, and which exist at all."""

    def __init__(self, document_frequency: Counter[str], documents: int, known: set[str]) -> None:
        self._frequency = document_frequency
        self._documents = max(documents, 1)
        self._known = known

    @classmethod
    def count(cls, texts: Iterable[str], known_from: int = 4) -> Lexicon:
        """Count in how many texts each lower-case word stands."""
        frequency: Counter[str] = Counter()
        documents = 0
        for text in texts:
            frequency.update(set(_TOKEN.findall(text.lower())))
            documents += 1
        known = {word for word, count in frequency.items() if count >= known_from}
        return cls(frequency, documents, known)

    def grown(self, texts: Iterable[str]) -> Lexicon:
        """Know also the words that stand in at least two of these texts."""
        own = Lexicon.count(texts, known_from=2)
        frequency = Counter(self._frequency)
        for word in own._known:
            frequency.setdefault(word, 1)
        return Lexicon(frequency, self._documents, self._known | own._known)

    def spelt_like(self, texts: Iterable[str]) -> Lexicon:
        """Keep the counts, but know only the words of these texts."""
        known = Lexicon.count(texts)._known
        return Lexicon(self._frequency, self._documents, known)

    def save(self, path: Path, words: int = 40_000) -> None:
        """Write the commonest known words with their counts."""
        common = [(w, c) for w, c in self._frequency.most_common() if w in self._known][:words]
        data = {"documents": self._documents, "words": dict(common)}
        path.write_text(json.dumps(data, separators=(",", ":")), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Lexicon:
        """Read what ``save`` wrote."""
        data = json.loads(path.read_text(encoding="utf-8"))
        return cls(Counter(data["words"]), data["documents"], set(data["words"]))

    def rarity(self, word: str) -> float:
        """Give the inverse document frequency in nats."""
        return math.log(self._documents / (1 + self._frequency.get(word, 0)))

    def keywords(self, text: str, limit: int) -> tuple[str, ...]:
        """Choose the words that tell most about a text, in the order in which they stand there."""
        surface: dict[str, str] = {}
        counts: Counter[str] = Counter()
        for word in _TOKEN.findall(text):
            lower = word.lower().removesuffix("'s")
            if len(lower) < 4:
                continue
            counts[lower] += 1
            kept = surface.setdefault(lower, word.removesuffix("'s"))
            if word == lower and kept != lower:
                surface[lower] = lower
        scores = {
            word: (1 + math.log(count)) * min(self.rarity(word), 7.0)
            for word, count in counts.items()
            if word in self._known and self.rarity(word) > 1.0
        }
        chosen = set(sorted(scores, key=lambda w: (-scores[w], w))[:limit])
        return tuple(surface[word] for word in surface if word in chosen)

    def cleanliness(self, text: str) -> float:
        """Rate spelling and sentence shape from 0 to 1."""
        words = _TOKEN.findall(text)
        if not words:
            return 0.0
        known = sum(w.lower().removesuffix("'s") in self._known for w in words) / len(words)
        lone_i = sum(w == "i" for w in words) / len(words)
        sentences = [s for s in _SENTENCE.split(text.replace("\n\n", " ")) if s]
        shaped = sum(_well_shaped(s) for s in sentences) / max(len(sentences), 1)
        spelling = max(0.0, 1 - 12 * (1 - known) - 20 * lone_i)
        return float(0.6 * spelling + 0.4 * shaped)


def marks(documents: Sequence[Document], lexicon: Lexicon) -> list[int]:
    """Give each marked document its bucket (1 to 5) among its source's; 0 where nothing is known.

    A person's mark counts half, cleanliness half; a machine's guess counts a quarter only.
    """
    result = [0] * len(documents)
    by_source: dict[str, list[int]] = {}
    for number, document in enumerate(documents):
        if document.mark is not None or document.weak_mark is not None:
            by_source.setdefault(document.source, []).append(number)
    for numbers in by_source.values():
        clean = _percentiles([lexicon.cleanliness(documents[n].text) for n in numbers])
        given = _percentiles([_first(documents[n].mark, documents[n].weak_mark) for n in numbers])
        shares = [0.5 if documents[n].mark is not None else 0.25 for n in numbers]
        mixed = [s * g + (1 - s) * c for s, g, c in zip(shares, given, clean, strict=True)]
        for number, percentile in zip(numbers, _percentiles(mixed), strict=True):
            result[number] = 1 + sum(percentile >= border for border in _BUCKETS)
    return result


def _first(mark: float | None, guess: float | None) -> float:
    return mark if mark is not None else guess if guess is not None else 0.0


def _percentiles(values: Sequence[float]) -> list[float]:
    ordered = sorted(values)
    return [bisect_left(ordered, v) / max(len(values), 1) for v in values]


def _well_shaped(sentence: str) -> bool:
    words = sentence.split()
    return (
        4 <= len(words) <= 45
        and sentence[0].upper() == sentence[0]
        and sentence[-1] in ".!?\"')"
        and " ," not in sentence
    )


_CONTRACTIONS = {
    "dont": "don't", "doesnt": "doesn't", "didnt": "didn't", "cant": "can't", "couldnt": "couldn't",
    "wouldnt": "wouldn't", "shouldnt": "shouldn't", "isnt": "isn't", "arent": "aren't",
    "wasnt": "wasn't", "werent": "weren't", "havent": "haven't", "hasnt": "hasn't",
    "im": "I'm", "ive": "I've", "thats": "that's", "theyre": "they're", "youre": "you're",
    "theres": "there's", "alot": "a lot", "becuase": "because", "beacuse": "because",
    "becasue": "because", "thier": "their", "recieve": "receive", "belive": "believe",
    "definately": "definitely", "untill": "until", "wich": "which", "freind": "friend",
    "freinds": "friends", "everytime": "every time", "aswell": "as well", "infact": "in fact",
    "tho": "though", "thru": "through", "cuz": "because", "wont": "won't",
}  # fmt: skip
_MISSPELT = re.compile(r"\b(" + "|".join(_CONTRACTIONS) + r")\b", re.I)
_LONE_I = re.compile(r"\bi(?=['\s,.;!?]|$)")
_SMALL_START = re.compile(r"(^|[a-z]{2}[.!?]\s+)([a-z])")
_TIGHT = re.compile(r"([a-z]{2}[,;:.!?])([A-Za-z]{2})")
_LOOSE = re.compile(r"\s+([,;:!?]|\.(?=\s|$))")


def polished(text: str) -> str:
    """Mend what a proof-reader mends without thinking: apostrophes, capitals, spaces at commas."""

    def mend(match: re.Match[str]) -> str:
        fixed = _CONTRACTIONS[match[0].lower()]
        return fixed[:1].upper() + fixed[1:] if match[0][0].isupper() else fixed

    def paragraph(block: str) -> str:
        block = _TIGHT.sub(r"\1 \2", _LOOSE.sub(r"\1", block))
        block = _MISSPELT.sub(mend, _LONE_I.sub("I", block))
        return _SMALL_START.sub(lambda m: m[1] + m[2].upper(), block)

    return "\n\n".join(paragraph(block) for block in text.split("\n\n"))
