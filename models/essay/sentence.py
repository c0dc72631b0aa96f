"""One sentence being drawn, and how many words it may have."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from models.essay import numerals, syntax
from models.essay.decoding import Decoding
from models.essay.grammar import Mask
from models.essay.lexicon import Lexicon, Speller, words_of
from models.essay.naming import FORCE, PUSH, Naming
from models.essay.runs import Novelty
from models.essay.sampling import PhraseBook

SHORTEST = 4  # words of a sentence
ROOM_FOR_ONE = 9  # words that must be left for a last sentence, if one is to follow
LAST_SENTENCE = 32  # with fewer words to go than this, the next sentence should be the last

_ABBREVIATION = re.compile(
    r"(?:^|[\s(\"])(?:Mr|Mrs|Ms|Dr|St|Jr|Sr|vs|etc|e\.g|i\.e|No|Prof|Gen|Col|U\.S|[A-Z])\.\Z"
)


@dataclass(frozen=True)
class Room:
    """How many words the next sentence may have."""

    left: int  # words until the length asked for
    slack: int  # words by which the essay may be longer or shorter
    closing: bool  # whether this is the last paragraph
    longest: int

    @classmethod
    def make(cls, written: int, asked: int, paragraphs_after: int, how: Decoding) -> Room:
        """Work out the room from what is written; ``paragraphs_after`` still want words."""
        slack = int(asked * how.tolerance)
        left = asked - written
        most = left + slack - paragraphs_after * 2 * ROOM_FOR_ONE
        return cls(left, slack, not paragraphs_after, max(SHORTEST, min(how.sentence_words, most)))

    def beyond(self, begun: int) -> Room:
        """Let a sentence be longer that had ``begun`` words before anything was drawn."""
        if begun == 0:
            return self
        return replace(self, longest=max(self.longest, begun + ROOM_FOR_ONE))

    @property
    def most(self) -> int:
        """Count the words that a sentence without an end is cut to."""
        return min(self.longest, self.left) if self.closing else self.longest

    @property
    def final(self) -> bool:
        """Tell whether the next sentence should be the essay's last."""
        return self.closing and self.left <= LAST_SENTENCE

    def ends(self, words: int) -> bool:
        """Tell whether the essay has its length after a sentence of ``words``."""
        return self.closing and abs(self.left - words) <= self.slack

    def fits(self, words: int) -> bool:
        """Tell whether a sentence of ``words`` leaves the essay finished, or enough to go on."""
        if not SHORTEST <= words <= self.longest:
            return False
        return not self.closing or self.ends(words) or self.left - words >= ROOM_FOR_ONE


class SentenceCandidate:
    """One sentence being drawn; it is done at a full stop that fits, or given up.

    Its beginning may be given: ``begun`` counts as its text, but not among its tokens.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        speller: Speller,
        book: PhraseBook,
        room: Room,
        limit: int,
        openers: Sequence[int] = (),
        begun: str = "",
        novelty: Novelty | None = None,
        naming: Naming | None = None,
        unnamed: bool = False,
    ) -> None:
        """Begin; ``openers`` are first tokens that would sound like the sentences before.

        ``unnamed`` asks for the topic to be named.
        """
        self._lexicon = lexicon
        self._speller = speller
        self._book = book
        self._room = room
        self._limit = limit
        self._openers = list(openers)
        self._novelty = novelty
        self._naming = naming
        self._unnamed = unnamed
        self._pending: tuple[int, ...] = ()  # tokens that end the topic's word that was begun
        self._quoted = begun.count('"') % 2 == 1
        self._must_close = False
        self._stranded = False  # inside a word that would be a stump, whatever came next
        self._whole: list[str] = words_of(begun)  # words that cannot change any more
        self._partial = ""
        self._before = lexicon.encode(f" {begun}") if begun else []
        self.begun = f" {begun}" if begun else ""
        self.text = self.begun
        self.tokens: list[int] = []
        self.written = len(begun.split())  # words begun
        self.logp = 0.0
        self.gain = 0.0
        self.strained = 0  # tokens that nobody would have drawn, had the likely ones been allowed
        self.done = False
        self.ended = False

    @property
    def words(self) -> list[str]:
        """List the words drawn so far, in lower case."""
        return [*self._whole, *words_of(self._partial)]

    @property
    def mask(self) -> int:
        """Say what may come next."""
        if not self.text:
            return Mask.OPENING
        if self._must_close:
            return Mask.CLOSING
        if not self._room.fits(self.written):
            return Mask.HELD
        return Mask.ENDING if self._room.final and self._room.ends(self.written) else Mask.PROSE

    def favoured(self) -> dict[int, float]:
        """Hold the topic's own words out: nats by token."""
        if self._pending:
            return {self._pending[0]: FORCE}
        return dict.fromkeys(self._wanted(), PUSH)

    def _wanted(self) -> dict[int, tuple[int, ...]]:
        if self._naming is None or not self._unnamed or (self.text and not self.text[-1].isalpha()):
            return {}
        return self._naming.wanted((self.words or [""])[-1])

    def forbidden(self) -> list[int]:
        """Rule out words that would complete a 4-gram again, and content words of this sentence."""
        if not self.text:
            return self._openers
        banned = [
            token
            for word in self._book.completions(self.words)
            for token in self._lexicon.starts_of(word)
        ]
        tokens = [*self._before, *self.tokens]
        banned += [token for token in tokens if self._lexicon.is_content[token]]
        # Nothing stammers, but a number may: "200".
        return banned + [t for t in tokens[-1:] if not self._lexicon.texts[t].isdigit()]

    def accepts(self, token: int) -> bool:
        """Refuse a token that spells no known word, copies too far, or has no place here."""
        piece = self._lexicon.texts[token]
        if self._stranded or not self._fits(piece) or not self._sits(piece):
            return False
        if not numerals.allows(self.text, piece) or not self._goes_on(piece):
            return False
        if self._novelty is None or self._novelty.allows(self.text, piece):
            return True
        # Another token would end the word early: "don" for "don't". So nothing may follow.
        self._stranded = bool(self.tokens) and not piece.startswith(" ")
        return False

    def _fits(self, piece: str) -> bool:
        if self.begun and not self.tokens:  # words that are given stay as they are
            before = (self._whole or [""])[-1]
            return not piece[:1].isalnum() and syntax.allows(self.text, before, piece)
        before = (words_of(self._partial) or [""])[-1]
        return self._speller.allows(self._partial, piece) and syntax.allows(
            self.text, before, piece
        )

    def _sits(self, piece: str) -> bool:
        """Tell whether spaces lie right: digits follow a bare one, and none is inside quotes."""
        if self._partial == " " and self.tokens:
            return piece.isdigit() or f" {piece}" not in self._lexicon.spellings
        if self.text.endswith('"') and self._quoted:
            return not piece.startswith(" ")
        if piece.startswith(' "'):
            return not self._quoted
        return not (self.text.endswith('"') and piece[:1].isalnum())

    def _goes_on(self, piece: str) -> bool:
        """Tell whether a name that was begun goes on as it should."""
        if self._naming is None:
            return True
        before, so_far = (self._whole or [""])[-1], self._partial
        if piece.startswith(" "):
            if not self._naming.continues(before, _letters(so_far), whole=True):
                return False
            before, so_far = (words_of(so_far) or [before])[-1], ""
        elif piece[:1].isalpha() and not self._naming.grows(_letters(so_far).lower(), piece):
            return False
        ended = not piece[:1].isalpha() and not piece.startswith(" ")
        return self._naming.continues(before, _letters(so_far + piece), whole=ended)

    def take(self, token: int, logp: float, gain: float, *, strained: bool = False) -> None:
        """Add a drawn token; ``strained`` if the likelier ones were all ruled out."""
        self._pending = self._pending[1:] if token in self._pending[:1] else self._begun_with(token)
        self.strained += strained
        piece = self._lexicon.texts[token]
        self.tokens.append(token)
        self.text += piece
        self.logp += logp
        self.gain += gain
        if self._lexicon.begins[token]:
            self._whole += words_of(self._partial)
            self._partial = piece
            self.written += 1
        else:
            self._partial += piece
        self._quoted ^= piece.count('"') % 2 == 1
        if self._must_close or (self._lexicon.ends[token] and not _ABBREVIATION.search(self.text)):
            self._must_close = self._quoted
            self.done = self.ended = not self._quoted
        elif len(self.tokens) >= self._limit or self.written > self._room.longest:
            self.done = True

    def _begun_with(self, token: int) -> tuple[int, ...]:
        rest = self._wanted().get(token)
        if rest is None:
            return ()
        self._unnamed = False
        return rest

    def give_up(self) -> None:
        """Stop without an end, and without the word that was begun if it cannot be ended."""
        self.done = True
        if self._stranded and len(self._partial) < len(self.text):
            self.text = self.text[: len(self.text) - len(self._partial)]
            self.written -= self._partial.startswith(" ")
            self._partial = ""


def _letters(piece: str) -> str:
    found = re.match(r" ?([A-Za-z]*)", piece)
    return found.group(1) if found else ""
