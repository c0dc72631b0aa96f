"""Words and patterns a guild does not allow, found in spite of accents and look-alike forms."""

from __future__ import annotations

import asyncio
import time
import unicodedata
from collections.abc import Sequence
from functools import lru_cache

import regex
import structlog

from bot.parameters import AlbumParameters, EssayParameters, Parameters
from bot.store import GuildSettings, Outcome
from models.contract import AlbumTake, EssayDone

log = structlog.get_logger()

#: Longest time that all patterns of a guild may take on what is looked at together, in seconds.
PATTERN_SECONDS = 0.2
_WORD = regex.compile(r"[\p{L}\p{N}]+")
_LETTER = r"[\p{L}\p{N}]"
#: What may stand around a listed word without being part of it.
_AROUND = regex.compile(rf"^[\"'“‘„«(\[¿¡]+(?={_LETTER})|(?<={_LETTER})[\"'“”’»)\].,;:!?]+$")


class PatternError(ValueError):
    """A pattern is not a regular expression."""


def fold(text: str) -> str:
    """Reduce a text to what a reader sees: no case, accents, compatibility forms, hidden marks."""
    wide = unicodedata.normalize("NFKD", text).casefold()
    kept = (c for c in wide if unicodedata.category(c) not in {"Mn", "Cf"})
    return unicodedata.normalize("NFKC", "".join(kept))


def shows(word: str) -> bool:
    """Say whether there is anything to see in a word, and so to look for."""
    return bool(fold(word).strip())


class Filter:
    """What one guild does not allow."""

    def __init__(self, words: tuple[str, ...] = (), patterns: tuple[str, ...] = ()) -> None:
        """Compile the lists; raise PatternError for a pattern that is none."""
        seen = [_AROUND.sub("", " ".join(fold(word).split())) for word in words if shows(word)]
        plain = {word for word in seen if _is_letter(word[0]) and _is_letter(word[-1])}
        self._words = frozenset(" ".join(_words_of(word)) for word in plain)
        self._signs = [regex.compile(_as_written(word)) for word in {*seen} - plain]
        try:
            self._patterns = [regex.compile(pattern, regex.IGNORECASE) for pattern in patterns]
        except regex.error as error:
            raise PatternError(str(error)) from error

    def __bool__(self) -> bool:
        """Say whether anything is not allowed."""
        return bool(self._words or self._signs or self._patterns)

    def blocks(self, *texts: str | None) -> bool:
        """Say whether any text has a blocked word or matches a blocked pattern."""
        end = time.monotonic() + PATTERN_SECONDS
        return any(self._blocks(text, end) for text in texts if text)

    def _blocks(self, written: str, end: float) -> bool:
        text = fold(written)
        spaced = f" {' '.join(_words_of(text))} "
        if any(f" {word} " in spaced for word in self._words):
            return True
        if self._signs:
            line = " ".join(text.split())
            if any(sign.search(line) for sign in self._signs):
                return True
        seen = [(pattern, text) for pattern in self._patterns]
        # A pattern with accents of its own means those that a folded text has lost.
        plain = unicodedata.normalize("NFKC", written)
        seen += [(pattern, plain) for pattern in self._patterns if not pattern.pattern.isascii()]
        return any(_matches(pattern, one, end - time.monotonic()) for pattern, one in seen)


def filters(settings: GuildSettings) -> bool:
    """Say whether a guild does not allow something."""
    return bool(settings.blocked_words or settings.blocked_patterns)


async def blocked(settings: GuildSettings, *texts: str | None) -> bool:
    """Say whether a guild does not allow any of the texts; nobody else waits meanwhile."""
    return filters(settings) and await asyncio.to_thread(_blocked, settings, texts)


def _blocked(settings: GuildSettings, texts: Sequence[str | None]) -> bool:
    return filter_of(settings).blocks(*texts)


@lru_cache(maxsize=256)
def filter_of(settings: GuildSettings) -> Filter:
    """Make the filter of a guild's settings, once."""
    return Filter(settings.blocked_words, settings.blocked_patterns)


def _words_of(text: str) -> list[str]:
    return [match.group() for match in _WORD.finditer(fold(text))]


def _is_letter(character: str) -> bool:
    return _WORD.match(character) is not None


def _as_written(word: str) -> str:
    """Look for a word like “c++” or “:)”; only next to a letter of its own it must end there."""
    before = rf"(?<!{_LETTER})" if _is_letter(word[0]) else ""
    after = rf"(?!{_LETTER})" if _is_letter(word[-1]) else ""
    return f"{before}{regex.escape(word)}{after}"


def _matches(pattern: regex.Pattern[str], text: str, seconds: float) -> bool:
    try:
        # Concurrent: a long search lets other threads run, the event loop above all.
        found = pattern.search(text, timeout=max(seconds, 1e-3), concurrent=True)
        return found is not None
    except TimeoutError:
        # A text made to exhaust the pattern must not get past it.
        log.warning("filter.timeout", pattern=pattern.pattern)
        return True


def typed(asked: Parameters) -> tuple[str | None, ...]:
    """List the texts of a person's own in a request."""
    if isinstance(asked, EssayParameters):
        return (asked.topic, asked.opening)
    return (asked.title if isinstance(asked, AlbumParameters) else asked.sample,)


def written(made: Outcome) -> tuple[str, ...]:
    """List the texts of a result that a model has written."""
    if isinstance(made, EssayDone):
        return (made.text, made.plan.title)
    return tuple(track.title for track in made.tracks) if isinstance(made, AlbumTake) else ()
