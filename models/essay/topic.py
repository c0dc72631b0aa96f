"""Reading what a user typed as a topic: any text becomes a title, a subject and maybe a note."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from dataclasses import dataclass

from models.essay.insult import is_insult
from models.essay.lexicon import STOP_WORDS, english, is_english, split_set
from models.essay.prompt import clean_topic, normalise
from models.essay.spelling import respelled

SUBJECT_WORDS = 6  # the model learned from short titles and from one to four keywords
TITLE_LETTERS = 90

_ASKING = re.compile(
    r"^(?:please |pls |can you |could you |i (?:want|need) (?:you to )?)*"
    r"(?:(?:write|make|give|create|generate|do|compose)\s+(?:me |us )?)?"
    r"(?:(?:an?|the|my|some)\s+)?"
    r"(?:(?:short|long|good|nice|persuasive|argumentative|\d+[- ]words?)\s+)*"
    r"(?:essay|(?:text|paper|article|composition|paragraph)(?!s?\s+of\b))s?\s*"
    r"(?:about|on|of|for|regarding|:|-)\s*(?:the\s+)?",
    re.IGNORECASE,
)
_THANKS = re.compile(r"[\s,]+(?:please|pls|plz|thanks|thank you|thx)$", re.IGNORECASE)
_SMALL_WORDS = split_set("a an the and or but nor of to in on at for with by from as vs")
_SHORT_FORMS = {
    re.compile(r"\bww(?:1|i)\b|\bworld war (?:1|i|one)\b", re.I): "First World War",
    re.compile(r"\bww(?:2|ii)\b|\bworld war (?:2|ii|two)\b", re.I): "Second World War",
}
# What is asked about a matter, and is not the matter.
_ANGLE = re.compile(
    r"\b(?:(?:main|major|biggest)\s+)?(?:causes?|effects?|impacts?|importance|(?:dis)?advantages?"
    r"|benefits?|pros|roles?|history|meaning|influence|dangers?)"
    r"(?:\s+and\s+(?:causes?|effects?|consequences|disadvantages?|cons|drawbacks))?"
    r"\s+(?:of|on)\s+(?=\S)",
    re.IGNORECASE,
)
_AGAINST = re.compile(r"\s+(?:versus|vs\.?)\s+", re.IGNORECASE)
_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_SIGNS = re.compile(
    r"[\U0001F3FB-\U0001F3FF\U0001F1E6-\U0001F1FF\u200d\ufe0f\u20e3]"
)  # tones, flags
_SIGN_WORDS = split_set("heavy black white sign symbol face with globe europe africa americas asia")
_ASKERS = split_set("why how when where")
_AUXILIARIES = split_set(
    "should is are can could do does did will would must may was were has have isn't aren't don't "
    "doesn't can't won't shouldn't didn't"
)
_MEASURES = split_set("much many often far long old good bad well big important hard easy fast")
_TELLERS = split_set("i we my our")  # "what I learned"
_INSTRUCTIONS = split_set(
    "essay essays write writing written discuss explain describe argue opinion answer "
    "question topic reasons reason examples example giving support agree disagree whether "
    "state"
)

# The commonest little words; English shares few of them.
_LANGUAGES = {
    "German": "der die das und ist nicht ich ein eine mit für auf den im von zu wie warum über wir",
    "French": "le la les des et est un une dans pour que qui pas je nous du au aux pourquoi avec",
    "Spanish": "el la los las y es un una de en por para que no con cómo qué del al se su más",
    "Italian": "il la gli le e è un una di che per con non della nel sono perché come più delle",
    "Portuguese": "o a os as e é um uma de em por para que não com como do da no na dos mais",
    "Dutch": "de het een en is van ik niet op met voor dat zijn hoe waarom wij naar over",
    "Polish": "i w na z do nie jest się że jak dla o po przez czy są",
    "Turkish": "ve bir bu için ile çok daha gibi ne neden nasıl var değil",
}
_ENGLISH = split_set("the of and to in is are that for with on how why what should do does my our")

NOTE_FOREIGN = "I write in English only, so I read this {language} topic as best I could."
NOTE_SCRIPT = (
    "I can only read and write English, so this essay is about languages instead of your topic."
)
NOTE_NO_WORDS = "I found no words that I know in this topic, so the essay is about the unknown."
NOTE_SPELLING = "I took {typed} to mean {meant}."
NOTE_LONG = "The topic was long, so I kept to {subject}."
NOTE_INSULT = "I write nothing against anybody, so this essay is about kindness instead."
NOTE_NAME = "I do not know the word '{name}', so I could only guess what it is."
FALLBACK_INSULT = "kindness"
FALLBACK_SCRIPT = "foreign languages"
FALLBACK_WORDS = "the unknown"


@dataclass(frozen=True)
class Topic:
    """A topic as the writer takes it."""

    title: str
    subject: str  # a few content words for the model; never empty
    note: str | None = None


def read_topic(typed: str) -> Topic:
    """Make sense of any text: a title, a question, a slip, emoji, another language, nothing."""
    cleaned = clean_topic(_spell_out_signs(typed))
    if is_insult(cleaned):
        return Topic(FALLBACK_INSULT.capitalize(), FALLBACK_INSULT, NOTE_INSULT)
    text = _ASKING.sub("", _THANKS.sub("", cleaned)).strip() or clean_topic(typed)
    letters = [c for c in text if c.isalpha()]
    latin = sum("LATIN" in unicodedata.name(c, "") for c in letters)
    if letters and latin < len(letters) / 2:
        return Topic(_shorten(text), FALLBACK_SCRIPT, NOTE_SCRIPT)
    language = foreign_language(text)
    if language:
        little = _LANGUAGES.get(language, "").split()
        own = " ".join(w for w in _LETTERS.findall(text) if w.lower() not in little)
        subject = _subject(own) or FALLBACK_WORDS
        return Topic(_titled(text), subject, NOTE_FOREIGN.format(language=language))
    for short, whole in _SHORT_FORMS.items():
        text = short.sub(whole, text)
    text, slips = respelled(text)
    subject = _subject(text)
    if not subject or not any(is_english(word) for word in _LETTERS.findall(subject)):
        name = subject if _looks_like_name(subject) else ""
        title = _titled(text) if text else "The Unknown"
        told = NOTE_NAME.format(name=name) if name else NOTE_NO_WORDS
        return Topic(title, name or FALLBACK_WORDS, told)
    note = None
    if slips:
        typed_words, meant = zip(*slips.items(), strict=True)
        note = NOTE_SPELLING.format(typed=_listed(typed_words), meant=_listed(meant))
    elif len(text.split()) > 25:
        note = NOTE_LONG.format(subject=_listed(tuple(subject.split())))
    return Topic(_titled(text), subject, note)


def foreign_language(text: str) -> str | None:
    """Name the language of a text in Latin letters; None when it may well be English."""
    words = [w.lower() for w in _LETTERS.findall(text)]
    if not words:
        return None
    own = sum(w in _ENGLISH for w in words)
    known = sum(is_english(w) or w in STOP_WORDS for w in words) / len(words)
    hits = {name: sum(w in little.split() for w in words) for name, little in _LANGUAGES.items()}
    best = max(hits, key=lambda name: hits[name])
    if hits[best] > own and known < 0.75:
        return best
    odd = sum(any(ord(c) > 127 for c in w) for w in words)
    if odd > len(words) / 4 and own == 0 and known < 0.5:
        return best if hits[best] else "foreign"
    return None


def _spell_out_signs(text: str) -> str:
    """Replace emoji by their names: a rocket becomes the word "rocket"."""
    text = _SIGNS.sub("", text[:1000])
    text = re.sub(r"([^\w\s.!?])\1+", r"\1", text)
    return "".join(
        f" {_sign_name(c)} " if unicodedata.category(c) in ("So", "Sk") and ord(c) > 0x2000 else c
        for c in text
    )


def _sign_name(sign: str) -> str:
    """Name an emoji by what it shows: "heavy black heart" is a heart."""
    words = unicodedata.name(sign, "").lower().replace("-", " ").split()
    return " ".join([w for w in words if w not in _SIGN_WORDS] or words)


def _subject(text: str) -> str:
    """Keep the few words that carry the matter, in their order."""
    matter = _AGAINST.sub(" ", _ANGLE.sub(" ", text))
    words = [w for w in _LETTERS.findall(matter) if w.lower() not in STOP_WORDS and len(w) > 1]
    words = [w.removesuffix("'s") for w in words]
    counts = Counter(w.lower() for w in words)
    words = list({w.lower(): w for w in words}.values())
    if len(words) > SUBJECT_WORDS:
        ranks = english()
        words = [w for w in words if w.lower() not in _INSTRUCTIONS] or words
        # Repeated and rare words tell most, but words nobody knows tell the model nothing.
        best = sorted(words, key=lambda w: (-counts[w.lower()], -ranks.get(w.lower(), -1)))
        words = [w for w in words if w in best[:SUBJECT_WORDS]]
    others = [w for w in _LETTERS.findall(text) if len(w) > 2 and w.lower() not in _ENGLISH]
    return " ".join(words) or " ".join(others)[:60]


def _looks_like_name(subject: str) -> bool:
    """Tell a pronounceable unknown word ("Skibidi") from keyboard noise ("xqzt")."""
    word = max(subject.split(), key=len, default="")
    if any(c.isupper() for c in word[1:]):  # "BTS", "ChatGPT"
        return len(word) >= 2
    vowels = sum(c in "aeiouyAEIOUY" for c in word)
    return (
        len(word) >= 3
        and 0.2 <= vowels / len(word) <= 0.75
        and not re.search(r"[^aeiouyAEIOUY]{5}|(.)\1\1", word)
    )


def _titled(text: str) -> str:
    """Write a text as a title; questions and whole sentences stay as they are."""
    text = _shorten(normalise(text))
    words = text.split()
    if not words:
        return "The Unknown"
    sentence = len(words) > 8 or _is_question(text)
    if sentence:
        ending = "?" if _is_question(text) and len(words) <= 20 else ""
        return text[0].upper() + text[1:] + ending
    return " ".join(
        word
        if any(c.isupper() for c in word[1:]) or (number and word.lower() in _SMALL_WORDS)
        else word[:1].upper() + word[1:]
        for number, word in enumerate(words)
    )


def _is_question(text: str) -> bool:
    """Tell "How do plants grow" from "How plants grow"."""
    words = text.lower().split()
    if len(words) < 3:
        return False
    first, second = words[:2]
    if first in ("what", "who", "which"):
        return second not in _TELLERS
    if first == "how" and second in _MEASURES:
        return True
    return second in _AUXILIARIES if first in _ASKERS else first in _AUXILIARIES


def _shorten(text: str) -> str:
    """Cut a long topic to its first sentence or to a title's length."""
    first = re.split(r"(?<=[.!?])\s+", text)[0]
    text = first if len(first) >= 12 else text
    if len(text) <= TITLE_LETTERS:
        return text.strip(" .,:;!?")
    return text[:TITLE_LETTERS].rsplit(" ", 1)[0].strip(" .,:;!?") or text[:TITLE_LETTERS]


def _listed(words: tuple[str, ...]) -> str:
    """Join quoted words for a sentence."""
    quoted = [f"'{word}'" for word in words]
    return quoted[0] if len(quoted) == 1 else f"{', '.join(quoted[:-1])} and {quoted[-1]}"
