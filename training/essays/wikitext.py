"""The WikiText-2 texts in ordinary spelling: as documents, and as the benchmark counts them."""

from __future__ import annotations

import lzma
import math
import re
from dataclasses import dataclass
from pathlib import Path

from training.essays.corpus import Document

LIMIT = 500  # words of one document
UNKNOWN = "<unk>"
_HEADING = re.compile(r"^ (=(?: =)*) (.+?) \1 $")


@dataclass(frozen=True)
class Piece:
    """Some lines of the file as a document, and how the benchmark counts them."""

    document: Document
    tokens: int  # one end token a line among them
    unknown: int  # of these, <unk>


def read_benchmark(path: Path) -> list[Piece]:
    """Cut a whole ``wiki.*.tokens[.xz]`` into pieces of about 500 words, headings and all.

    The benchmark's perplexity is exp(nats of the file / its tokens). A model with an open
    vocabulary predicts the file in ordinary spelling, from which its tokens can be had back, except
    that <unk> stands for a word that nobody can spell. So <unk> is left out of the text, and a flag
    before every token tells whether it is one; ``flag_nats`` is what the flags cost. Pieces are
    read from an empty memory, and nothing is told but the manner and the usual length.
    """
    pieces: list[Piece] = []
    held: list[str] = []

    def close() -> None:
        texts = [shown for line in held if (shown := _shown(line))]
        if not texts:
            return  # blank lines at the end go with the next piece
        words = [line.split() for line in held]
        body, number = "\n\n".join(texts), f"wikitext-{len(pieces)}"
        document = Document(number, "wikitext-2", "", body, "encyclopedia")
        tokens = sum(len(line) + 1 for line in words)
        pieces.append(Piece(document, tokens, sum(line.count(UNKNOWN) for line in words)))
        held.clear()

    for line in _lines(path):
        heading = _HEADING.match(line)
        count = sum(len(h.split()) for h in held)
        if (heading and heading[1] == "=") or count + len(line.split()) > LIMIT:
            close()
        held.append(line)
    close()
    if held and pieces:  # blank lines that nothing follows
        last = pieces[-1]
        pieces[-1] = Piece(last.document, last.tokens + len(held), last.unknown)
    return pieces


def flag_nats(tokens: int, unknown: int) -> float:
    """Price the flags that tell <unk> from words: each by how often it was set until then.

    Half a count is given to either side beforehand (Krichevsky and Trofimov), so nothing is known
    of the file in advance; the sum does not depend on the order.
    """
    known = tokens - unknown
    return (
        math.lgamma(tokens + 1)
        + 2 * math.lgamma(0.5)
        - math.lgamma(unknown + 0.5)
        - math.lgamma(known + 0.5)
    )


def read_wikitext(path: Path) -> tuple[list[Document], int]:
    """Read ``wiki.*.tokens[.xz]``; give documents of up to 500 words and the file's token count.

    Spelling is restored (`` @-@ `` becomes a hyphen, no blank before a comma), ``<unk>`` is dropped
    and headings become topics, not text. The token count has one end token for every line.
    """
    lines = _lines(path)
    documents: list[Document] = []
    topic, held = "", list[str]()
    for line in [*lines, " = end = "]:
        heading = _HEADING.match(line)
        text = "" if heading else natural(line)
        full = sum(len(p.split()) for p in held) + len(text.split()) > LIMIT
        if held and (full or heading):
            number = f"wikitext-{len(documents)}"
            body = "\n\n".join(held)
            documents.append(Document(number, "wikitext-2", topic, body, "encyclopedia"))
            held = []
        if heading and heading[1] == "=":
            topic = natural(heading[2])
        elif text:
            held.append(text)
    return documents, sum(len(line.split()) + 1 for line in lines)


def natural(line: str) -> str:
    """Undo the tokenisation of a line."""
    line = re.sub(r" @([-,.])@ ", r"\1", line).replace(UNKNOWN, "")
    line = re.sub(r"\s+", " ", line)
    line = re.sub(r" ([,.;:!?%)\]]|'s|'t|'re|'ve|'d|'ll|n't)(?= |$)", r"\1", line)
    line = re.sub(r"([(\[$£]) ", r"\1", line)
    line = re.sub(r'" ([^"]*?) "', r'"\1"', line)
    return line.strip()


def _lines(path: Path) -> list[str]:
    data = path.read_bytes()
    text = (lzma.decompress(data) if path.suffix == ".xz" else data).decode()
    return text.removesuffix("\n").split("\n")


def _shown(line: str) -> str:
    """Restore a line; a heading keeps its marks, which tell it from prose."""
    heading = _HEADING.match(line)
    if not heading:
        return natural(line)
    mark = heading[1].replace(" ", "")
    return f"{mark} {natural(heading[2])} {mark}"
