"""Documents: cleaned, checked for language, free of near-duplicates, with source and split."""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from models.essay.prompt import normalise

SPLITS = ("train", "seen", "unseen")  # held-out documents of seen topics; whole topics unseen

_BLANK = re.compile(r"\n\s*\n+")
_INLINE = re.compile(r"[ \t\r\f\v\n]+")
_WORD = re.compile(r"[a-z']+")
_COMMON = """the a an and or but of to in on at for with as by from is are was were be been it its
this that these those he she they we you i not have has had do does can will would their his her our
your who which what when there if so than more all because people"""
_STOP = frozenset(_COMMON.split())
_SOURCE_STYLES = {  # by how a source's name begins
    "persuade": "argument",
    "ellipse": "reflection",
    "wikipedia": "encyclopedia",
    "enwiki": "encyclopedia",
    "emerson": "classic",
    "inaugural": "speech",
    "state_union": "speech",
    "masc": "plain",
}


@dataclass(frozen=True)
class Document:
    """One text with where it came from."""

    id: str
    source: str
    topic: str
    text: str  # paragraphs parted by a blank line
    style: str = "own"
    mark: float | None = None  # per cent, on the source's own scale
    weak_mark: float | None = None  # per cent, guessed by a machine
    licence: str = ""
    split: str = "train"

    @property
    def paragraphs(self) -> list[str]:
        """Split the text at blank lines."""
        return self.text.split("\n\n")

    @property
    def words(self) -> int:
        """Count words."""
        return len(self.text.split())

    @property
    def sha256(self) -> str:
        """Hash the cleaned text."""
        return hashlib.sha256(self.text.encode()).hexdigest()


class CorpusError(Exception):
    """A corpus cannot be used; the message is one plain sentence."""


def clean(text: str) -> str:
    """Normalise unicode and white space; keep paragraphs, parted by one blank line."""
    text = normalise(text).replace("\r\n", "\n")
    blocks = _BLANK.split(text)
    if len(blocks) == 1 and text.count("\n") >= 2:  # one paragraph a line
        blocks = text.split("\n")
    return "\n\n".join(b for b in (_INLINE.sub(" ", block).strip() for block in blocks) if b)


def stop_word_share(text: str) -> float:
    """Measure how English a text looks: the share of the commonest English words."""
    words = _WORD.findall(text[:4000].lower())
    return sum(w in _STOP for w in words) / max(len(words), 1)


def is_english(text: str) -> bool:
    """Tell English prose from other languages, tables and lists."""
    return stop_word_share(text) >= 0.22


def style_of(source: str) -> str:
    """Name the style that texts of a source teach."""
    return next((s for start, s in _SOURCE_STYLES.items() if source.startswith(start)), "own")


def licence_of(source: str) -> str:
    """Give the licence of a source whose records do not carry it; empty where it is not known."""
    return "CC BY-SA 3.0" if source.startswith(("enwiki", "wikipedia")) else ""


def chunked(document: Document, *, low: int = 150, high: int = 700) -> Iterator[Document]:
    """Cut a long document at paragraph borders into pieces of ``low`` to ``high`` words."""
    draw = random.Random(document.id)
    pieces: list[list[str]] = [[]]
    count, aim = 0, draw.randint(low, high)
    for paragraph in document.paragraphs:
        if document.style == "encyclopedia" and not _is_prose(paragraph):
            continue
        for part in _sentences_up_to(paragraph, 220):
            words = len(part.split())
            if count and count + words > aim:
                pieces.append([])
                count, aim = 0, draw.randint(low, high)
            pieces[-1].append(part)
            count += words
    for number, piece in enumerate(pieces):
        text = "\n\n".join(piece)
        if len(text.split()) >= low // 2:
            yield replace(document, id=f"{document.id}#{number}", text=text)


def deduplicated(documents: Iterable[Document], threshold: float = 0.7) -> list[Document]:
    """Drop near-duplicates (MinHash of 5-word shingles), keeping the first of each."""
    from datasketch import MinHash, MinHashLSH

    index = MinHashLSH(threshold=threshold, num_perm=32)
    kept: list[Document] = []
    for document in documents:
        words = _WORD.findall(document.text.lower())
        shingles = {
            " ".join(words[i : i + 5]).encode() for i in range(0, max(len(words) - 4, 1), 2)
        }
        sketch = MinHash(num_perm=32, seed=1)
        sketch.update_batch(sorted(shingles))
        if not index.query(sketch):
            index.insert(len(kept), sketch)  # ids may come twice
            kept.append(document)
    return kept


def without_repeated_paragraphs(documents: Iterable[Document]) -> Iterator[Document]:
    """Drop paragraphs seen before, by exact hash: cheap enough for an encyclopedia."""
    seen: set[bytes] = set()
    for document in documents:
        fresh = []
        for paragraph in document.paragraphs:
            key = hashlib.blake2b(paragraph.encode(), digest_size=8).digest()
            if key not in seen:
                seen.add(key)
                fresh.append(paragraph)
        if fresh:
            yield replace(document, text="\n\n".join(fresh))


def assign_splits(
    documents: Sequence[Document], *, unseen_topics: Iterable[str], share: float = 0.05, seed: int
) -> list[Document]:
    """Hold out whole topics (``unseen``) and a share of the other documents (``seen``)."""
    unseen = set(unseen_topics)

    def split(document: Document) -> str:
        if document.topic in unseen:
            return "unseen"
        digest = hashlib.sha256(f"{seed}:{document.sha256}".encode()).digest()
        return "seen" if int.from_bytes(digest[:4], "big") / 2**32 < share else "train"

    return [replace(document, split=split(document)) for document in documents]


def _is_prose(paragraph: str) -> bool:
    """Keep paragraphs of sentences; drop list items, tables, headings and formulas."""
    words = paragraph.split()
    if len(words) < 12 or paragraph[-1] not in ".!?\"')":
        return False
    letters = sum(c.isalpha() or c.isspace() for c in paragraph) / len(paragraph)
    return letters > 0.86 and paragraph.count(";") <= len(words) / 12 and not _odd(paragraph)


def _odd(paragraph: str) -> bool:
    return any(mark in paragraph for mark in ("{{", "}}", "[[", "|", "http", "\\", "<", ">"))


def _sentences_up_to(paragraph: str, limit: int) -> Iterator[str]:
    """Split an overlong paragraph at sentence ends."""
    if len(paragraph.split()) <= limit:
        yield paragraph
        return
    held: list[str] = []
    for sentence in re.split(r"(?<=[.!?])\s+(?=[A-Z\"'])", paragraph):
        held.append(sentence)
        if sum(len(s.split()) for s in held) >= limit * 0.6:
            yield " ".join(held)
            held = []
    if held:
        yield " ".join(held)
