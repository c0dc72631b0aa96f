"""What is known about words: how common English ones are, and which tokens they begin with."""

from __future__ import annotations

import lzma
import re
from collections.abc import Iterable
from functools import cache, lru_cache
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedTokenizerBase

from models.essay.prompt import SPECIAL_TOKENS

# 48,000 words by falling number of articles that hold them, counted in Wikipedia (2015).
ENGLISH = Path(__file__).parent / "english.txt.xz"
# Rarer ones, mostly names: they may stand in a topic, but are not written of one's own accord.
NAMES = Path(__file__).parent / "names.txt.xz"


def split_set(line: str) -> frozenset[str]:
    """Make a set of the words of a line."""
    return frozenset(line.split())


_LAST_RUN = re.compile(r"[A-Za-z]+\Z")
_FIRST_RUN = re.compile(r"[A-Za-z]+")
_AFTER_APOSTROPHE = frozenset({"s", "t", "re", "ve", "ll", "d", "m"})
_BEFORE_APOSTROPHE = split_set(
    "don doesn isn didn wouldn couldn shouldn wasn weren aren haven hasn hadn won ain mustn"
)
_SHORT_WORDS = split_set(
    "a i o am an as at be by do ex go he hi if in is it me my no of oh ok on or ox so to up us we "
    "tv ai uk eu dj"
)
_AFTER_DIGIT = frozenset({"s", "st", "nd", "rd", "th"})
_WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")

STOP_WORDS = split_set(
    "a an the and or but nor so yet if then than that this these those there here it its "
    "he she they them their his her him we us our you your i me my mine who whom whose "
    "which what when where why how is are was were be been being am do does did done "
    "doing have has had having can could will would shall should may might must not no "
    "yes of in on at to from by with for as into onto over under about after before "
    "between through during without within against toward towards up down out off above "
    "below again further once all any both each few more most other others some such only "
    "own same too very just also even ever never much many well one two first because "
    "while although though since until unless however therefore thus hence whether either "
    "neither rather quite like make makes made get gets got go goes going went come comes "
    "take takes give gives say says said let lets way ways thing things something "
    "anything everything nothing people person someone anyone everyone really good great "
    "new old lot lots time times use used using need needs want wants know think see help "
    "helps "
    "don't doesn't didn't isn't aren't wasn't weren't won't wouldn't can't couldn't shouldn't "
    "haven't hasn't hadn't ain't mustn't it's that's there's what's who's let's he's she's i'm "
    "i've i'd i'll you're you've you'd you'll we're we've we'd we'll they're they've they'd "
    "they'll it'll he'd she'd he'll she'll that'll "
    "doesn didn isn aren wasn weren wouldn couldn shouldn haven hasn hadn mustn dont"
)


def words_of(text: str) -> list[str]:
    """List the words of a text in lower case, without punctuation."""
    return [word.lower() for word in _WORD.findall(text)]


def stem(word: str) -> str:
    """Cut the commonest endings, so that "cities" meets "city"."""
    word = word.lower().removesuffix("'s")
    for ending, put in (("ies", "y"), ("ing", ""), ("ed", ""), ("es", ""), ("s", ""), ("e", "")):
        if word.endswith(ending) and len(word) - len(ending) >= 3 and not word.endswith("ss"):
            return word[: -len(ending)] + put
    return word


def content_words(text: str) -> list[str]:
    """List the words of a text that carry its matter, in lower case."""
    return [w for w in words_of(text) if w not in STOP_WORDS and len(w) > 2]


# Pupils write these, encyclopedias hardly ever.
_EVERYDAY = split_set(
    "anyways babysit babysitter babysitting bloomed bluetooth brainstorm brainstorming carpool "
    "carpooling chore chores classwork curfews driveways facetime goof grandma grandmas grandpa "
    "grandpas homeschooling impactful instagram juggle luckily messed multitask multitasking "
    "procrastinate procrastinated procrastinating procrastination purr seatbelt seatbelts slacking "
    "snapchat swish tardy unmotivated upsides vibes wifi worksheet worksheets yearbook yearbooks"
)
# Younger than the encyclopedia: nobody misspelt them.
_YOUNG = split_set(
    "bitcoin blockchain chatbot chatbots chatgpt covid crypto cryptocurrency emoji emojis esports "
    "fortnite hashtag hashtags influencer influencers iphones kpop meme memes minecraft netflix "
    "selfie selfies smartwatch tiktok vape vapes vaping vlog vlogs"
)


@cache
def english() -> dict[str, int]:
    """Map every known English word to its rank, 0 the commonest."""
    words = dict.fromkeys((*_read(ENGLISH), *sorted(_EVERYDAY)))
    return {word: rank for rank, word in enumerate(words)}


@cache
def seldom() -> frozenset[str]:
    """Collect words, mostly names, that are spelled right although hardly anybody writes them."""
    return frozenset(_read(NAMES)) | _YOUNG


def _read(path: Path) -> list[str]:
    return lzma.decompress(path.read_bytes()).decode().split("\n")


@cache
def spelled() -> frozenset[str]:
    """Collect the words that may be written: of the shortest, only those that are no initials."""
    return frozenset(w for w in english() if len(w) > 2) | _SHORT_WORDS


@cache
def _beginnings() -> frozenset[str]:
    """Collect every beginning of every word that may be spelled."""
    return frozenset(word[:n] for word in spelled() for n in range(1, len(word) + 1))


class Speller:
    """Tells, letter group by letter group, whether a known word can still come of it.

    ``extra`` words (the topic's own) are known too.
    """

    def __init__(self, extra: Iterable[str] = ()) -> None:
        own = {word.lower() for word in extra}
        self._extra = frozenset(own)
        self._extra_beginnings = frozenset(w[:n] for w in own for n in range(1, len(w) + 1))

    def allows(self, partial: str, piece: str) -> bool:
        """Tell whether ``piece`` may follow ``partial``, the word as far as it was drawn."""
        last = _last_run(partial)
        if not piece[:1].isalpha():  # the letters end here
            return not last or self._ends(last, partial, piece)
        run = _FIRST_RUN.match(piece)
        joined = (last + (run.group() if run else "")).lower()
        if run and run.end() < len(piece):
            return self._ends(joined, partial, piece[run.end() :])
        if partial[: len(partial) - len(last)].endswith("'"):
            return joined in _AFTER_APOSTROPHE
        if partial[: len(partial) - len(last)][-1:].isdigit():
            return any(ending.startswith(joined) for ending in _AFTER_DIGIT)
        return joined in _beginnings() or joined in self._extra_beginnings

    def _ends(self, run: str, before: str, after: str) -> bool:
        run = run.lower()
        if before[: len(before) - len(run)].endswith("'"):
            return run in _AFTER_APOSTROPHE
        if before[: len(before) - len(run)][-1:].isdigit():
            return run in _AFTER_DIGIT
        if after.startswith("'") and run in _BEFORE_APOSTROPHE:
            return True
        return run in spelled() or run in self._extra


def _last_run(text: str) -> str:
    found = _LAST_RUN.search(text)
    return found.group() if found else ""


def is_english(word: str) -> bool:
    """Tell whether a word is in the list, as it stands or before its apostrophe."""
    head, mark, tail = word.lower().partition("'")
    if not mark:
        return head in english()
    return tail in _AFTER_APOSTROPHE and (head in english() or head in _BEFORE_APOSTROPHE)


class Lexicon:
    """Facts about every token of one tokenizer; arrays are indexed by token id."""

    def __init__(self, tokenizer: PreTrainedTokenizerBase, forbidden: str) -> None:
        self._tokenizer = tokenizer
        size = len(tokenizer)
        special = len(SPECIAL_TOKENS)
        self.texts: list[str] = [
            "" if number < special else str(tokenizer.decode([number])) for number in range(size)
        ]
        self.spellings = frozenset(self.texts)
        self.begins = np.array([text.startswith(" ") for text in self.texts])
        self.ends = np.array([bool(re.search(r"[.!?][\"']?\Z", text)) for text in self.texts])
        self.banned = _mask(
            not (text.strip() or text == " ")  # a number begins with the bare space
            or not text.isascii()
            or not text.isprintable()
            or ".." in text
            or any(sign in text for sign in forbidden)
            for text in self.texts
        )
        opening = re.compile(r"[A-Z\"][a-zA-Z]*\Z")
        self.opens = _mask(
            bool(opening.match(text[1:])) if text.startswith(" ") else False for text in self.texts
        )
        self.enders = torch.tensor(np.flatnonzero(self.ends))
        self.content = _mask(
            text.startswith(" ")
            and len(text) > 4
            and text[1:].isalpha()
            and text[1:].lower() not in STOP_WORDS
            for text in self.texts
        )
        self.full_stop = self.encode(".")[0]
        # Capitals inside a sentence are mostly names; "I" is none.
        self.names = _mask(bool(re.match(r" ?[A-Z](?!')", t)) for t in self.texts)
        self.names[[n for n, t in enumerate(self.texts) if t in (" I", " A")]] = False
        self.is_content: list[bool] = self.content.tolist()
        self.starts_of = lru_cache(maxsize=65_536)(self._starts_of)

    def encode(self, text: str) -> list[int]:
        """Turn text into ids, without special tokens."""
        return list(self._tokenizer.encode(text, add_special_tokens=False))

    def decode(self, ids: Iterable[int]) -> str:
        """Turn ids into text; special tokens give nothing."""
        return "".join(self.texts[number] for number in ids)

    def _starts_of(self, word: str) -> tuple[int, ...]:
        """List the tokens that a word, in any capitals, may begin with inside a sentence."""
        forms = dict.fromkeys((word, word.capitalize(), word.upper()))
        return tuple(dict.fromkeys(self.encode(f" {form}")[0] for form in forms))


def _mask(flags: Iterable[bool]) -> torch.Tensor:
    return torch.tensor(list(flags), dtype=torch.bool)
