"""Which of several drafted sentences is kept: on the topic, fluent, new, and clean."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Set
from dataclasses import dataclass

from models.essay.associations import Associations
from models.essay.decoding import Decoding
from models.essay.lexicon import content_words, is_english, stem
from models.essay.sampling import PhraseBook
from models.essay.sentence import Room, SentenceCandidate

HOPELESS = -20.0  # below this a sentence is kept only for want of any other
GAIN_BAND = (-0.2, 0.6)  # nats a token gains from knowing the topic; more is mere listing of it
CROWDED = 0.05  # share of all words from which on the topic's own are too many
CROWD_WORDS = 120  # fewer words than these tell no share
ABSURD_GAIN = 1.7  # from here on it is gibberish

_ODD = re.compile(
    r" [,.;:!?]|[,;:]{2}|[,;:][.!?]|\"\"|''|--|(?i:\b(\w+) \1\b)|[a-z][A-Z]|(?<![\w'])[b-z] "
    r"|\bmore (?:[a-z]+ier|better|worse|bigger|faster|stronger|smarter)\b"
)
_LOWER = re.compile(r"(?<![A-Za-z'])[a-z][a-z']*[a-z]")
_CAPITAL = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_NUMBERS = re.compile(r"\d[\d,.]*")
_COARSE = re.compile(
    r"\b(?:fuck|shit|bitch|cunt|nigg|fag(?:got)?s?\b|whore|slut|rape|asshole|dick\b|porn)", re.I
)


_CONCLUDING = re.compile(
    r"(?:in (?:conclusion|summary|closing|the end)|to (?:conclude|sum up|summarize)|all in all"
    r"|overall|finally|lastly)\b",
    re.IGNORECASE,
)
_LEANING = re.compile(  # words that lean on an earlier sentence
    r"(?:he|she|it|they|this|that|these|those|his|her|their|however|but|and|so|also|because|then"
    r"|therefore|another|for example|for instance|in addition|furthermore|moreover|as a result"
    r"|on the other hand|with that|after that|the (?:second|third|last|next|other))\b",
    re.IGNORECASE,
)
_SOURCES = re.compile(
    r"\b(?:authors?|articles?|passages?|paragraphs?|prompt|(?:the|this) (?:source|text)s?)\b", re.I
)
_LETTER = re.compile(r"(?:dear|sincerely|thank you)\b|.*\b(?:policy|source) \d", re.IGNORECASE)
_NEW_POINT = re.compile(
    r"(?:for (?:example|instance)|another|first(?:ly)?|second(?:ly)?|to begin with)\b",
    re.IGNORECASE,
)
_GOING_ON = re.compile(r"(?:also|but|and)\b", re.IGNORECASE)


@dataclass(frozen=True)
class Place:
    """Where a sentence stands."""

    first: bool  # of the essay
    opens: bool  # a paragraph
    closing: bool  # in the last paragraph


class Record:
    """What was written so far, as far as the judge cares."""

    def __init__(self, subject: str, known: Associations, hard: Set[str] = frozenset()) -> None:
        """Begin; ``hard`` are stems of topic words that are seldom written of themselves."""
        self._hard = hard
        self.unnamed = bool(hard)  # in this paragraph
        self.subject = known.mean(subject.split())
        self._known = known
        self.about = {stem(word) for word in content_words(subject)}
        self.book = PhraseBook()
        self._used: Counter[str] = Counter()
        self._sentences: list[frozenset[str]] = []
        self._texts: set[str] = set()
        self._openers: list[tuple[str, ...]] = []
        self._wanted: set[str] = set()
        self._length = self._mentions = 0  # words, and how many of them are the topic's

    def begin_paragraph(self, keywords: Iterable[str]) -> None:
        """Take the keywords of the paragraph that begins."""
        self._wanted = {stem(word) for keyword in keywords for word in content_words(keyword)}
        self.unnamed = bool(self._hard)

    def add(self, text: str, words: list[str]) -> None:
        """Remember a sentence that was kept."""
        stems = frozenset(stem(word) for word in content_words(text))
        self.book.add(words)
        self._used.update(stems)
        self._sentences.append(stems)
        self._texts.add(text.strip().lower())
        self._openers.append(tuple(words[:2]))
        self._wanted -= stems
        self._length += len(words)
        self._mentions += self._mentioned(text)
        self.unnamed &= self._hard.isdisjoint(stems)

    def score(self, draft: SentenceCandidate, room: Room, place: Place, how: Decoding) -> float:
        """Rate a sentence; below ``HOPELESS`` it has a fault that nothing makes up for."""
        if not draft.ended:
            return 10 * HOPELESS
        text, words = draft.text, draft.words
        stems = {stem(word) for word in content_words(text)}
        tokens = len(draft.tokens)
        low, high = GAIN_BAND
        mean = draft.logp / tokens
        points = how.relevance * max(low, min(high, draft.gain / tokens)) / high
        points += how.fluency * min(mean, how.fluency_high)
        points -= 2 * how.fluency * max(0.0, how.fluency_low - mean)
        points -= _misplacement(text.strip().lstrip('"'), place, last=room.final)
        points -= 1.5 * draft.strained
        points += 3.0 * (self.unnamed and not self._hard.isdisjoint(stems))
        points += 2 * HOPELESS * (draft.gain / tokens > ABSURD_GAIN)
        points += how.association * self._nearness(text)
        points += how.coverage * min(2, len(stems & self._wanted))
        points += how.coverage * 0.5 * bool(stems & self.about)
        points += how.novelty * self._newness(stems)
        points -= 40.0 * self._crowding(text, words)
        points -= self._sameness(text, words, stems) + _untidiness(text, self.about)
        points += 2 * HOPELESS * self.book.repeats(words)
        return points if room.fits(draft.written) else points + 4 * HOPELESS

    def _nearness(self, text: str) -> float:
        """Give how near the sentence's three nearest words are to the topic, from 0 to 1."""
        near = sorted(self._known.nearness(content_words(text), self.subject))[-3:]
        return max(0.0, sum(near)) / 3

    def _mentioned(self, text: str) -> int:
        return sum(stem(word) in self.about for word in content_words(text))

    def _crowding(self, text: str, words: list[str]) -> float:
        """Give by how much the topic's words would be more than a reader bears."""
        mentions = self._mentioned(text)
        share = (self._mentions + mentions) / max(self._length + len(words), CROWD_WORDS)
        return max(0.0, share - CROWDED) if mentions else 0.0

    def _newness(self, stems: set[str]) -> float:
        """Give the share of content words that stand nowhere else yet."""
        others = stems - self.about
        return sum(s not in self._used for s in others) / max(len(others), 3)

    def _sameness(self, text: str, words: list[str], stems: set[str]) -> float:
        """Add up penalties for saying the same again, in the same way."""
        points = -3 * HOPELESS if text.strip().lower() in self._texts else 0.0
        for earlier in self._sentences:
            shared = len(stems & earlier) / max(len(stems | earlier), 1)
            points += 4.0 * max(0.0, shared - 0.4)
        recent = self._openers[-3:]
        points += 1.0 * (tuple(words[:2]) in self._openers[-8:])
        points += 0.3 * sum(words[:1] == list(opener[:1]) for opener in recent)
        counts = Counter(stem(word) for word in content_words(text))
        return points + 0.5 * sum(count - 1 for count in counts.values())


def _misplacement(text: str, place: Place, *, last: bool) -> float:
    """Add up penalties for words that belong elsewhere in an essay."""
    if _LETTER.match(text):
        return -1.5 * HOPELESS
    if (place.closing and _NEW_POINT.match(text)) or (last and _GOING_ON.match(text)):
        return 3.0
    if _CONCLUDING.match(text):
        return -0.8 if place.closing and place.opens and not place.first else -1.5 * HOPELESS
    if not _LEANING.match(text):
        return 0.0
    return 2.0 if place.first else 0.6 if place.opens else 0.0


def _untidiness(text: str, about: set[str]) -> float:
    """Add up penalties for slips, loose signs, coarse words and people nobody knows."""
    body = text.strip()
    points = 1.5 * len(_ODD.findall(body))
    points += 0.7 * max(0, body.count(",") - 2 - len(body.split()) // 12)
    names = [name for name in _CAPITAL.findall(body) if stem(name) not in about]
    points += 0.35 * len(names)
    points += 1.2 * sum(
        not is_english(word) for word in _LOWER.findall(body) if stem(word) not in about
    )
    points += 2.0 * sum(stem(word.lower()) not in about for word in _SOURCES.findall(body))
    points += 1.0 * max(0, body.count("-") - 1) + max(0, len(_NUMBERS.findall(body)) - 2)
    points += 1.5 * body.count("$")  # a small writer on money knows little else
    points += 0.4 * (body.count('"') > 0) + 0.3 * body.count(";")
    points -= 2 * HOPELESS * bool(_COARSE.search(body))
    return points
