from __future__ import annotations

import json
import lzma
import random
from pathlib import Path

from typer.testing import CliRunner

from models.essay.associations import Associations
from training.__main__ import app
from training.essays.associations import counted_words

WORLDS = {
    "sea": "ocean waves fish water boats sailors harbour storm coast salt",
    "town": "street traffic shops houses buses crowds market lights bridge tower",
    "music": "guitar songs piano singing melody concert violin drums chorus opera",
}


def encyclopedia(folder: Path, articles: int = 40) -> Path:
    draw = random.Random(1)
    folder.mkdir()
    with (folder / "wikipedia.jsonl").open("w") as file:
        for number in range(articles):
            words = draw.choice(list(WORLDS.values())).split()
            paragraphs = [f"The {' and '.join(draw.sample(words, 8))} are there." for _ in range(4)]
            text = "\n\n".join(paragraphs)
            record = {"source": "enwiki-made-up", "id": str(number), "text": text}
            file.write(json.dumps({**record, "title": f"Article {number}"}) + "\n")
        for number in range(30):  # not of the encyclopedia, so it does not count
            text = "Zebras zigzag. " * 30
            file.write(json.dumps({"source": "masc-x", "id": f"z{number}", "text": text}) + "\n")
    return folder


def run(*words: object) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["associations", *map(str, words)])
    return result.exit_code, result.output.strip()


def test_an_encyclopedia_gives_words_and_their_company(tmp_path: Path) -> None:
    corpus, out = encyclopedia(tmp_path / "corpus"), tmp_path / "out"
    code, said = run("--corpus", corpus, "--out", out, "--directions", 2)
    assert code == 0 and said == "40 articles gave 34 words, 30 of them related."
    known = lzma.decompress((out / "english.txt.xz").read_bytes()).decode().split("\n")
    assert known[:4] == ["and", "are", "the", "there"] and "zebras" not in known
    made = Associations.read(out / "associations.npz")
    assert made.size == 2
    fish = made.of("fish")
    assert fish is not None
    near, far = (made.nearness(WORLDS[w].split(), fish) for w in ("sea", "town"))
    assert len(near) == len(far) == 10 and min(near) > max(far) + 0.2


def test_a_small_encyclopedia_is_one_sentence(tmp_path: Path) -> None:
    corpus = encyclopedia(tmp_path / "corpus", articles=12)
    code, said = run("--corpus", corpus, "--out", tmp_path / "out")
    assert code == 1 and said.startswith("The corpus is too small: it has ")
    assert not (tmp_path / "out").exists()
    code, said = run("--corpus", tmp_path / "none", "--out", tmp_path / "out")
    assert code == 1 and said == f"There is no corpus at {tmp_path / 'none'}."


def test_words_are_ordered_by_the_articles_that_hold_them() -> None:
    articles = ["Rain, rain, rain and sun.", "Sun and wind.", "Wind, sun!", "Don't."]
    assert counted_words(articles, least=1) == ["sun", "and", "wind", "don't", "rain"]
    assert counted_words(articles, least=2) == ["sun", "and", "wind"]
    assert counted_words(articles, least=4) == []
