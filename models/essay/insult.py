"""Telling a topic that goes against people from one that is only rude about things."""

from __future__ import annotations

import re

# Words that are no topic by themselves, whoever is meant.
_VULGAR = re.compile(
    r"\b(?:(?:mother)?fuck\w*|shit(?:ty|head)?|bitch\w*|cunts?|nigg\w+|fag(?:got)?s?|whores?|sluts?"
    r"|assholes?|dickheads?|bastards?|wankers?|retard(?:ed|s)?)\b",
    re.IGNORECASE,
)
_MEAN = re.compile(
    r"\b(?:stupid|idiot(?:s|ic)?|morons?|dumb(?:ass)?|losers?|ugly|sucks?|trash|worthless|pathetic"
    r"|useless|fools?|imbeciles?|disgusting|jerks?|hate you)\b",
    re.IGNORECASE,
)
_ADDRESSED = re.compile(r"\b(?:you|u|ur|your|you're|youre|yourself)\b", re.IGNORECASE)
_HATED = re.compile(
    r"\bhate\b.*\b(?:people|persons?|men|women|girls|boys|blacks?|whites|asians?|jews?|muslims?"
    r"|christians?|gays?|lesbians?|foreigners|immigrants|refugees)\b",
    re.IGNORECASE,
)
_ASKED = re.compile(r"^(?:why|how|what|who|when|should|is|are|can|do|does)\b", re.IGNORECASE)


def is_insult(text: str) -> bool:
    """Tell whether a text goes against somebody; a question about such words may be a topic."""
    if _VULGAR.search(text):
        return True
    if _ASKED.match(text):
        return False
    mean = len(_MEAN.findall(text))
    return bool(_HATED.search(text)) or mean > 1 or (mean == 1 and bool(_ADDRESSED.search(text)))
