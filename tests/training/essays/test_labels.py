from __future__ import annotations

import random
from pathlib import Path

from tests.training.essays.made_up import TOPICS, essay
from training.essays.corpus import Document
from training.essays.labels import Lexicon, marks, polished


def lexicon() -> Lexicon:
    draw = random.Random(0)
    return Lexicon.count(essay(TOPICS[n % 5], draw) for n in range(100))


def test_keywords_tell_what_a_text_is_about() -> None:
    words = lexicon().keywords(essay("Garden work", random.Random(5)), 4)
    assert 1 <= len(words) <= 4
    assert set(words) <= {"flowers", "garden", "seeds", "water", "soil", "roses", "summer"}


def test_keywords_stand_in_the_order_of_the_text() -> None:
    text = "Roses need water. Seeds need soil. The roses need water, the seeds need soil."
    assert lexicon().keywords(text, 4) == ("roses", "water", "seeds", "soil")


def test_cleanliness_falls_with_errors() -> None:
    text = essay("Garden work", random.Random(5))
    bad = text.replace("garden", "gardn").replace("the", "teh").replace(".", " ,")
    assert lexicon().cleanliness(text) > 0.9 > 0.5 > lexicon().cleanliness(bad)
    assert lexicon().cleanliness("") == 0.0


def test_marks_are_percentiles_within_a_source() -> None:
    text = essay("Garden work", random.Random(5))
    low = [Document(f"a{n}", "strict", "t", text, mark=10 + n) for n in range(20)]
    high = [Document(f"b{n}", "kind", "t", text, mark=80 + n) for n in range(20)]
    none = Document("c", "unmarked", "t", text)
    buckets = marks([*low, *high, none], lexicon())
    assert buckets[:20] == buckets[20:40] == sorted(buckets[:20])
    assert (buckets[0], buckets[19], buckets[40]) == (1, 5, 0)


def test_a_lexicon_survives_and_grows(tmp_path: Path) -> None:
    before = lexicon()
    before.save(tmp_path / "lexicon.json")
    after = Lexicon.load(tmp_path / "lexicon.json")
    assert after.rarity("flowers") == before.rarity("flowers")
    grown = after.grown(["Quokkas hop about the garden.", "Quokkas sleep in the garden."])
    assert "quokkas" in [w.lower() for w in grown.keywords("The quokkas hop.", 3)]
    assert after.keywords("The quokkas hop.", 3) == ()


def test_polishing_mends_small_things_only() -> None:
    assert polished("i dont know ,but i cant go.it is late\n\nim here , alot") == (
        "I don't know, but I can't go. It is late\n\nI'm here, a lot"
    )
    fine = "I don't know, but it's 3.5 km. The U.S. is far."
    assert polished(fine) == fine
