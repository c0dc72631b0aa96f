from __future__ import annotations

import lzma
from pathlib import Path

from training.essays.wikitext import natural, read_wikitext

LINES = """ 
 = Robert Boulter = 

 Robert <unk> is an English film , television and theatre actor . He was 1 @,@ 000 times
 = = Career = = 

 In the well @-@ known play " Herons " ( 2001 ) , he couldn 't stop , didn n't he ?
"""


def test_spelling_is_restored() -> None:
    assert natural(' A well @-@ known " play " ( 2001 ) , 1 @,@ 000 . ') == (
        'A well-known "play" (2001), 1,000.'
    )


def test_articles_become_documents(tmp_path: Path) -> None:
    path = tmp_path / "wiki.valid.tokens.xz"
    path.write_bytes(lzma.compress(LINES.encode()))
    documents, tokens = read_wikitext(path)
    assert [d.topic for d in documents] == ["Robert Boulter", "Robert Boulter"]
    assert documents[0].text.startswith("Robert is an English film, television and theatre actor.")
    assert "unk" not in documents[0].text
    assert tokens == sum(len(line.split()) + 1 for line in LINES.split("\n"))
