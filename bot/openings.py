"""A message made into what an essay goes on from: its plain text, and a topic taken out of it."""

from __future__ import annotations

import re
import unicodedata

from bot.limits import clip

#: Longest topic taken from a text: it stands in the title of the card.
TOPIC_ROOM = 160
#: A sentence of fewer words, such as “Well, yes.”, says nothing about what a text is about.
TELLING = 4

#: Custom emoji, times, mentions nobody could resolve, and addresses: no words to go on from.
_TOKENS = re.compile(r"<a?:\w+:\d+>|<t:-?\d+(?::\w)?>|<[@#][!&]?\d+>|<?https?://[^\s>]+>?")
_LINKS = re.compile(r"\[([^\[\]\n]++)\]\([^)\s]*+\)")
_LINE_MARKS = re.compile(r"^[ \t]*(?:>{1,3}|#{1,3}|-#|[-*+•])[ \t]+", re.MULTILINE)
_FENCES = re.compile(r"```(?:\w*\n)?|`")
#: What opens and what closes each kind of emphasis; of those that begin alike the longest first.
_EMPHASIS = [
    (re.compile(rf"{mark}(?=\S)"), re.compile(rf"(?<=\S){mark}"))
    for mark in (r"\|\|", "~~", r"\*\*\*", r"\*\*", r"\*", "___", "__")
]
_EMPHASIS.append((re.compile(r"(?<!\w)_(?=\S)"), re.compile(r"(?<=\S)_(?!\w)")))
_SENTENCE = re.compile(r"(?:(?<=[.!?…])|(?<=[.!?…][\"”’)»]))\s+|\n+")


def cleaned(text: str) -> str:
    """Reduce a message to its words: no markup, addresses, emoji codes or hidden characters."""
    text = unicodedata.normalize("NFC", text).replace("\r\n", "\n")
    text = _FENCES.sub("", _LINKS.sub(r"\1", text))
    text = _LINE_MARKS.sub("", _TOKENS.sub(" ", text))
    for opens, closes in _EMPHASIS:
        text = _without_pairs(text, opens, closes)
    text = "".join(c for c in text if c.isprintable() or c.isspace())
    paragraphs = (" ".join(block.split()) for block in re.split(r"\n\s*\n", text))
    return "\n\n".join(paragraph for paragraph in paragraphs if paragraph)


def _without_pairs(text: str, opens: re.Pattern[str], closes: re.Pattern[str]) -> str:
    """Take away each mark that opens and the next that closes.

    One expression for both would look for the end of each mark anew, through the whole text.
    """
    parts, at = list[str](), 0
    while (opening := opens.search(text, at)) is not None:
        closing = closes.search(text, opening.end() + 1)
        if closing is None:  # nor is there one for those that open later
            break
        parts += text[at : opening.start()], text[opening.end() : closing.start()]
        at = closing.end()
    return "".join([*parts, text[at:]])


def topic_of(text: str) -> str:
    """Take the first telling sentence of a cleaned text as its topic; empty without words."""
    sentences = [part.strip() for part in _SENTENCE.split(text) if any(map(str.isalpha, part))]
    if not sentences:
        return ""
    telling = (s for s in sentences if len(s.split()) >= TELLING)
    return clip(next(telling, " ".join(sentences)), TOPIC_ROOM).rstrip(".…")
