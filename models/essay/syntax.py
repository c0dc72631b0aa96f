"""A few things that no English sentence has: pairs of little words, and signs after the wrong word.

A small model slips here most often, and a slip is cheap to tell.
"""

from __future__ import annotations

import re

from models.essay.lexicon import split_set

_BE = split_set("is are was were am")
_HAVE = split_set("has have had")
_MODAL = split_set("can will would should could may might must cannot shall")
_JOINING = split_set("of and or but because if than that which who")
_DETERMINERS = split_set("the a an my your their our its every")
_SUBJECTS = split_set("i you he she we they")

_AFTER_DETERMINER = (
    _BE | _HAVE | _MODAL | _JOINING | _DETERMINERS | _SUBJECTS
    | split_set("it to in for with at from by as on not be been do does did this so there is its")
)  # fmt: skip
_AFTER_MODAL = (
    _BE | _MODAL | (_JOINING - {"and", "or"})
    | split_set("has had to for from been being does did")
)  # fmt: skip

#: What never follows a word.
_NEVER: dict[str, frozenset[str]] = {
    **dict.fromkeys(_DETERMINERS, _AFTER_DETERMINER),
    **dict.fromkeys(_MODAL, _AFTER_MODAL),
    **dict.fromkeys(_BE, _BE | _MODAL | split_set("have had do does be")),
    **dict.fromkeys(_HAVE, _BE | _MODAL | split_set("have be do does of and or")),
    **dict.fromkeys(("they", "we", "you"), split_set("is was has does am")),
    **dict.fromkeys(("he", "she", "it"), split_set("are were have do am")),
    "i": split_set("is are were has does"),
    "to": _BE - {"is"} | _MODAL | split_set("has had been does did of to they he she i we"),
    "be": _BE | _HAVE | _MODAL | split_set("be do does did they he she we i you and or"),
    "been": _BE | _HAVE | _MODAL | split_set("been be do does they he she we i you of"),
    "very": _BE | _HAVE | _MODAL | _DETERMINERS | _JOINING | split_set("to in for with not be do"),
    "of": _BE | _HAVE | _MODAL | _JOINING - {"which", "that"} | split_set("to be do he she they i"),
    "this": _DETERMINERS - {"every"} | split_set("are were have of"),
    "these": _DETERMINERS | split_set("is was has and or of they this a"),
    "and": split_set("and or but"),
    "or": split_set("and or of but"),
    "but": split_set("and or but"),
    "not": split_set("is was were are not and of has had"),
    "from": _BE | _HAVE | _MODAL | split_set("and or of to they he she i we be"),
    "with": _BE | _HAVE | _MODAL | split_set("of to they he she i we be"),
    "for": _BE | _HAVE | _MODAL | split_set("of to be"),
    "do": _HAVE - {"have"} | split_set("does did of be"),  # "all we do is"
    "does": _BE | _HAVE - {"have"} | _MODAL | split_set("do did of be"),
}
# A clause cannot stop after these.
_OPEN = _DETERMINERS | split_set("and or but because if than of very from with which whose i")
_BEFORE_STOP = split_set("with from of")  # "to choose from."
_BEFORE_COMMA = _BEFORE_STOP | split_set("and or but because if which i very")
#: First halves of short forms, which are no words: "don" of "don't".
_HALVES = split_set(
    "don doesn didn isn aren wasn weren hasn hadn couldn wouldn shouldn mustn needn ain"
)
_STOP = re.compile(r"[,.;:!?]")


def leans(word: str) -> bool:
    """Tell whether a sentence cannot stop after a word."""
    return word.lower().strip(",;:") in _OPEN or is_half(word)


def is_half(word: str) -> bool:
    """Tell whether a word is but the beginning of a short form."""
    return word.lower().strip() in _HALVES


def allows(text: str, before: str, piece: str) -> bool:
    """Tell whether ``piece`` may follow ``text``, whose last word is ``before`` (lower case)."""
    if is_half(before) and not (piece[:1].isalnum() or piece[:1] in "'’"):
        return False
    if piece.startswith(" "):
        return not text[-1:].isalnum() or piece[1:].lower() not in _NEVER.get(before, ())
    if _STOP.match(piece):
        ends = text.rstrip("\"' ")
        open_ = _OPEN - _BEFORE_COMMA if piece[0] == "," else _OPEN - _BEFORE_STOP
        return before not in open_ and not (ends and _STOP.match(ends[-1]))
    return True
