"""Small repairs of drawn sentences: spaces, capitals, and ends where none was found."""

from __future__ import annotations

import re

from models.essay import syntax
from models.essay.sentence import SentenceCandidate

_RULES = (
    (re.compile(r"\s+"), " "),
    (re.compile(r" ([,.;:!?])"), r"\1"),
    (re.compile(r"\bi\b(?=[ ',.;!?]|$)"), "I"),
    (re.compile(r"\b([Aa]) (?=[aeio](?!ne\b|nce\b|u[a-z])[a-z])"), r"\1n "),
    (re.compile(r"\b([Aa])n (?=[bcdfgjklmnpqrstvwxyz][a-z])"), r"\1 "),
)
_QUESTION = re.compile(
    r"\"?(?:(?:have|has|do|does|did|are|is|can|could|would|will|was|were|isn't|aren't|don't|doesn't"
    r"|can't|won't|wouldn't|didn't) (?:you|we|they|he|she|it|i|people|students)"
    r"|(?:why|how|where) (?:do|does|did|is|are|can|could|would|will|should)"
    r"|what (?:do|does|did) (?:you|we|they|he|she|it|i))\b[^,;?!]*\.\Z",
    re.IGNORECASE,
)


def finished(draft: SentenceCandidate, most: int) -> str:
    """Give what a sentence adds to the essay, cut to ``most`` words if it found no end."""
    if not draft.begun:
        return tidy(draft.text if draft.ended else cut(draft.text, most))
    rest = draft.text[len(draft.begun) :]
    if not draft.ended:
        room = most - len(draft.begun.split())
        rest = f" {cut(rest, room)}" if room > 0 and rest.strip() else "."
    return _ruled(rest).rstrip()


def cut(text: str, most: int) -> str:
    """Stop a sentence that found no end, where it fits and can stop at all."""
    words = text.split()[:most]
    while len(words) > 1 and syntax.leans(words[-1]):
        if syntax.is_half(words.pop()) and len(words) > 1:
            words.pop()  # who does not do it
    return " ".join(words).rstrip(" ,;:-'\".!?") + "."


def tidy(sentence: str) -> str:
    """Set spaces, the capital at the start and the lone "I" right."""
    sentence = _ruled(sentence.strip())
    if _QUESTION.match(sentence):
        sentence = sentence[:-1] + "?"
    for place, sign in enumerate(sentence):
        if sign.isalnum():
            return sentence[:place] + sign.upper() + sentence[place + 1 :]
    return sentence


def _ruled(text: str) -> str:
    for pattern, put in _RULES:
        text = pattern.sub(put, text)
    return text
