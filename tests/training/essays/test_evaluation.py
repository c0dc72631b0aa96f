from __future__ import annotations

import random
from pathlib import Path
from typing import cast

import numpy as np
import pytest

from models.registry import Version
from tests.training.essays.made_up import TOPICS, essay
from training.essays import gate
from training.essays.card import phases_of
from training.essays.corpus import Document
from training.essays.evaluation import (
    Essays,
    Judges,
    measure_essays,
    ngram_texts,
    ratio_interval,
    shuffled_plans,
    spread,
)
from training.essays.examination import other_people, shares
from training.essays.gate import gate_figures
from training.essays.ngram import KneserNey
from training.essays.report import Report, read_report, table, turned
from training.essays.textstats import CopyIndex
from training.essays.writing import Written
from training.promote import Figure, judge
from training.runs import Journal


def documents(counts: dict[str, int]) -> list[Document]:
    draw = random.Random(1)
    return [
        Document(f"{topic}-{n}", "made-up", topic, f"{topic} {n} {essay(TOPICS[0], draw)}")
        for topic, count in counts.items()
        for n in range(count)
    ]


def test_prompts_are_drawn_evenly_over_topics() -> None:
    essays = documents({"a": 90, "b": 5, "c": 2, "": 40})
    topics = [d.topic for d in spread(essays, 9, seed=1)]
    assert {t: topics.count(t) for t in "abc"} == {"a": 4, "b": 3, "c": 2}
    assert "" not in topics
    assert len(spread(essays, 1000, seed=1)) == 97
    assert spread(essays, 9, seed=1) == spread(list(reversed(essays)), 9, seed=1)
    assert spread(essays, 9, seed=1) != spread(essays, 9, seed=2)


def test_people_are_set_against_other_people_on_the_topic() -> None:
    held, train = documents({"a": 3, "b": 1}), documents({"b": 1, "c": 1})
    train = [Document(f"train-{d.id}", d.source, d.topic, d.text) for d in train]
    chosen = [held[0], held[3]]
    others = other_people(chosen, held, train)
    assert others == [held[1].text, train[0].text]
    assert other_people([held[0], train[1]], held, train)[1] == ""


def test_numbers_of_essays_are_parted() -> None:
    assert shares(9, 2) == [5, 4] and shares(200, 1) == [200] and shares(1, 2) == [1, 0]


def test_a_ratio_is_as_sure_as_its_documents_agree() -> None:
    draw = np.random.default_rng(4)
    theirs = draw.uniform(500, 900, 200)
    agreed = ratio_interval(0.95 * theirs, theirs)
    assert agreed == pytest.approx((0.95, 0.95))
    low, high = ratio_interval(theirs * draw.normal(0.95, 0.05, 200), theirs)
    assert 0.93 < low < 0.95 < high < 0.97
    assert high - low == pytest.approx(4 * 0.05 / 200**0.5, rel=0.35)
    articles = np.repeat(draw.normal(0.95, 0.05, 20), 10)  # ten pieces of an article are alike
    low, high = ratio_interval(theirs * articles, theirs)
    assert high - low == pytest.approx(4 * 0.05 / 20**0.5, rel=0.35)


def test_a_plan_is_shuffled_to_another_topic() -> None:
    plans = [(("one",),), (("two",),), (("three",),)]
    assert shuffled_plans(plans, ["a", "a", "b"]) == [plans[2], plans[2], plans[0]]
    assert shuffled_plans(plans, ["a", "a", "a"]) == [(), (), ()]


def test_figures_of_a_writer() -> None:
    copied = "one two three four five six seven"
    texts = [f"{copied} eight.\n\nCats sleep here.", "Dogs run. They all bark at us. " * 2]
    plans = [(("one",), ("cat",)), (("fish",), ("dog",))]
    measured = measure_essays(
        Essays(texts, ["cats", "dogs"], plans, asked=11), Judges(CopyIndex([copied]))
    )
    row = measured.row
    assert measured.copied == [7, 0]
    assert (row["longest_copy_median"], row["longest_copy_max"]) == (3.5, 7)
    assert row["repeated_sentences"] == 0.5
    assert row["length_error"] == pytest.approx((0 + 3 / 11) / 2)
    assert row["length_within_5_percent"] == 0.5
    assert row["plan_in_paragraph"] == 0.5  # the second essay has no second paragraph
    assert row["plan_in_essay"] == 0.75
    assert row["other_plan_in_essay"] == 0.0
    assert "topic_found_of_20" not in row and "predicted_mark" not in row


def test_the_ngram_goes_on_until_the_length_is_reached() -> None:
    ids = [np.array([5, 6, 3, 7, 2])] * 9  # two words, a paragraph, a word, the end
    model = KneserNey.fit(ids, 8, 1)
    names = {5: "five", 6: "six", 7: "seven"}
    texts = ngram_texts(model, lambda t: " ".join(names.get(i, "?") for i in t), 3, 2, 2, 40)
    assert [len(t.split()) for t in texts] == [40, 40]
    assert all("\n\n" in t for t in texts)


def test_a_report_is_read_as_it_was_written(tmp_path: Path) -> None:
    report = Report(samples={"model": {"rep_4": 0.5, "words": 1234.0}, "people": {"words": 2.0}})
    report.notes.append("A note.")
    report.write(tmp_path)
    assert read_report(tmp_path / "evaluation.json") == report
    text = (tmp_path / "evaluation.md").read_text()
    assert "| essays | model | people |\n|---|---|---|\n| rep 4 | 0.500 |  |\n" in text
    assert "| words | 1,234 | 2 |" in text and text.endswith("- A note.\n")
    assert not list(tmp_path.glob("*.png"))
    assert table("empty", turned({})) == ""


def test_a_run_is_summed_up_by_phase(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    for step in (10, 20):
        journal.add(phase="first", step=step, units=step * 100)
    journal.add(phase="second", step=5)
    assert phases_of(tmp_path) == {
        "first": {"steps": 20.0, "tokens": 2000.0, "minutes": pytest.approx(0, abs=0.1)},
        "second": {"steps": 5.0, "tokens": 0.0, "minutes": 0.0},
    }
    assert phases_of(tmp_path / "nowhere") == {}


def test_the_gate_sees_who_copies_and_who_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    draw = random.Random(4)
    read = [essay(TOPICS[n % 5], draw) for n in range(20)]
    nobody = cast(Version, None)  # the writers below need none

    def figures(texts: list[str]) -> dict[str, Figure | float]:
        monkeypatch.setattr(gate, "write_all", lambda version, orders: [Written(t) for t in texts])
        return gate_figures(nobody, {"seen": {"bits_per_byte": 1.0}}, CopyIndex(read))

    own = [" ".join(f"w{n}x{k}" for k in range(60)) for n in range(8)]
    live = figures(own)
    little = [f"{text} {' '.join(read[0].split()[:11])}" for text in own]
    much = [f"{text} {' '.join(read[0].split()[:20])}" for text in own]
    twice = [f"All of us like this a lot. {text}. All of us like this a lot." for text in own]
    assert judge(figures(little), live) == []
    assert judge(figures(much), live) == ["longest copy p95 is 20 instead of 8"]
    assert judge(figures(twice), live)[0].startswith("repeated")
    assert judge(figures([*own[:7], ""]), live) == ["essays written is 7 instead of 8"]
    assert judge(figures([""] * 8), live) == ["essays written is 0 instead of 8"]
