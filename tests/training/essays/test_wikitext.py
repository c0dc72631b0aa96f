from __future__ import annotations

import lzma
import math
from pathlib import Path

import pytest

from training.essays.corpus import Document
from training.essays.labels import Lexicon
from training.essays.pack import Packer
from training.essays.vocabulary import train_tokenizer
from training.essays.wikitext import flag_nats, natural, read_benchmark, read_wikitext

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
    assert natural(" with Ben <unk> , Shane <unk> <unk> . ") == "with Ben, Shane."


def test_articles_become_documents(tmp_path: Path) -> None:
    path = tmp_path / "wiki.valid.tokens.xz"
    path.write_bytes(lzma.compress(LINES.encode()))
    documents, tokens = read_wikitext(path)
    assert [d.topic for d in documents] == ["Robert Boulter", "Robert Boulter"]
    assert documents[0].text.startswith("Robert is an English film, television and theatre actor.")
    assert "unk" not in documents[0].text
    assert tokens == sum(len(line.split()) + 1 for line in LINES.split("\n")[:-1])


def test_the_benchmark_is_the_whole_file(tmp_path: Path) -> None:
    path = tmp_path / "wiki.valid.tokens"
    second = LINES.replace("Robert Boulter", "Boiled <unk>")
    path.write_text(LINES + second + " \n")
    pieces = read_benchmark(path)
    lines = (LINES + second + " \n").split("\n")[:-1]
    assert sum(p.tokens for p in pieces) == sum(len(line.split()) + 1 for line in lines)
    assert [p.unknown for p in pieces] == [1, 2]
    first = pieces[0].document
    assert first.paragraphs[0] == "= Robert Boulter =" and "== Career ==" in first.text
    assert first.topic == "" and "unk" not in first.text
    assert pieces[1].document.paragraphs[0] == "= Boiled ="


def test_long_articles_are_cut_between_lines(tmp_path: Path) -> None:
    path = tmp_path / "wiki.test.tokens"
    line = " " + "word " * 200
    path.write_text(f" = Words = \n{line}\n{line}\n{line}\n")
    pieces = read_benchmark(path)
    assert [p.document.words for p in pieces] == [403, 200]
    assert [p.tokens for p in pieces] == [4 + 2 * 201, 201]


def test_flags_cost_what_an_adaptive_code_costs() -> None:
    flags = [0, 1, 0, 0, 1, 0, 0, 0]
    nats, seen = 0.0, [0.5, 0.5]
    for flag in flags:
        nats -= math.log(seen[flag] / sum(seen))
        seen[flag] += 1
    assert flag_nats(len(flags), sum(flags)) == pytest.approx(nats)
    assert flag_nats(10_000, 0) < 6  # next to nothing where there is no <unk>
    assert flag_nats(0, 0) == pytest.approx(0.0)


def test_nothing_told_betrays_where_a_piece_ends() -> None:
    paragraph = "Rain falls on the garden of the old house."
    short = Document("a", "wikitext-2", "", "\n\n".join([paragraph] * 2), "encyclopedia")
    long = Document("b", "wikitext-2", "", "\n\n".join([paragraph] * 9), "encyclopedia")
    packer = Packer(train_tokenizer([short.text], 300), Lexicon.count([short.text]))

    def felt(document: Document, told: int | None) -> list[tuple[int, ...]]:
        packed = packer.pack([document], [0], None, told_words=told)
        return [tuple(map(int, row)) for row in packed.row_small[packed.condition]]

    count = len(felt(short, 500)) - 1  # at its very end the longer text goes on
    assert felt(short, 500)[:count] == felt(long, 500)[:count]
    assert felt(short, None)[:count] != felt(long, None)[:count]
