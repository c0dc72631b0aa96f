"""The WikiText-2 texts as documents in ordinary spelling."""

from __future__ import annotations

import lzma
import re
from pathlib import Path

from training.essays.corpus import Document

_HEADING = re.compile(r"^ (=(?: =)*) (.+?) \1 $")
_LIMIT = 500  # words of one document


def read_wikitext(path: Path) -> tuple[list[Document], int]:
    """Read ``wiki.*.tokens[.xz]``; give documents of up to 500 words and the file's token count.

    Spelling is restored (`` @-@ `` becomes a hyphen, no blank before a comma), ``<unk>`` is dropped
    and headings become topics, not text. The token count has one end token for every line.
    """
    data = path.read_bytes()
    lines = (lzma.decompress(data) if path.suffix == ".xz" else data).decode().split("\n")
    documents: list[Document] = []
    topic, held = "", list[str]()
    for line in [*lines, " = end = "]:
        heading = _HEADING.match(line)
        text = "" if heading else natural(line)
        full = sum(len(p.split()) for p in held) + len(text.split()) > _LIMIT
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
    line = re.sub(r" @([-,.])@ ", r"\1", line).replace("<unk>", "")
    line = re.sub(r" ([,.;:!?%)\]]|'s|'t|'re|'ve|'d|'ll|n't)(?= |$)", r"\1", line)
    line = re.sub(r"([(\[$£]) ", r"\1", line)
    line = re.sub(r'" ([^"]*?) "', r'"\1"', line)
    return re.sub(r"\s+", " ", line).strip()
