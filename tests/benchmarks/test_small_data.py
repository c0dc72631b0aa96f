"""The study of small collections, with tiny models and made-up essays and songs."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from benchmarks import adapting
from benchmarks.adapting import Ground
from benchmarks.small_data import app, fitting, numbers, verdict
from benchmarks.small_essays import EssayRow, gather
from benchmarks.small_songs import Gap, SongRow
from bot.run_ground import training_command
from bot.settings import Settings
from bot.store import Run, RunState
from models.registry import Registry
from tests.training.essays.made_up import TOPICS, write_corpus
from tests.training.essays.short import short_essays
from tests.training.music.songs import write_midi
from training.__main__ import app as training


@pytest.fixture(autouse=True)
def within_this_process(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Run the training command in this process, for a few steps and with short essays."""

    def call(command: Sequence[str], _threads: int, log: Path) -> None:
        result = CliRunner().invoke(training, [*command[3:], "--steps", "4"])
        log.write_text(result.output)

    monkeypatch.setattr(adapting, "call", call)
    monkeypatch.setattr("training.essays.commands.os.nice", lambda _: 0)
    monkeypatch.setattr("benchmarks.small_essays.WORDS", 60)
    with short_essays():
        yield
    monkeypatch.setattr("benchmarks.small_essays.WORDS", 50)


def study(*words: object) -> Result:
    return CliRunner().invoke(app, [str(word) for word in words])


def test_essays_of_every_size_are_judged_by_the_same_unread_ones(
    base_registry: Path, tmp_path: Path
) -> None:
    corpus = write_corpus(tmp_path / "corpus", 40, seed=5) / "essays.jsonl"
    words = (
        *("essays", "--corpus", corpus, "--out", tmp_path / "out", "--sizes", "10,90"),
        *("--minutes", 1, "--registry", base_registry, "--preset", "tiny"),
        *("--held-out", 25, "--written", 2),
    )
    result = study(*words)
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out" / "study.json").read_text())
    assert told["base"] == "base" and told["held_out"] == 25
    rows = told["rows"]
    assert [row["essays"] for row in rows] == [10, 15], "the last size is what there is"
    assert len({row["before"] for row in rows}) == 1
    house = Registry(tmp_path / "out" / "registry", None)
    kept = {d.sha256 for d in gather(corpus, "", 90, 25).held_out}
    for row in rows:
        assert row["after"] > 0 and row["after"] != row["before"] and row["minutes"] > 0
        alias = "live" if row["passed"] else "candidate"
        assert house.resolve("essay", f"s{row['essays']}.{alias}").parent == "base"
        read = (tmp_path / "out" / f"s{row['essays']}" / "documents.jsonl").read_text().splitlines()
        assert len(read) == row["essays"]
        assert kept.isdisjoint(json.loads(line)["sha256"] for line in read)
    table = (tmp_path / "out" / "study.md").read_text()
    assert table in result.output and table.count("\n| ") == 2
    assert "save 8% of the bits and pass the gate" in table
    again = study(*words)
    assert again.exit_code == 1 and "holds a study already" in again.output


def test_the_best_marked_of_one_topic_come_first(tmp_path: Path) -> None:
    corpus = write_corpus(tmp_path, 60, seed=2)
    pool = gather(corpus, TOPICS[0], 6, 4)
    assert len(pool.learnt) == 6 and len(pool.held_out) == 4
    everybody = gather(corpus, TOPICS[0], 11, 1)
    marks = sorted((d.mark or 0 for d in (*everybody.learnt, *everybody.held_out)), reverse=True)
    chosen = [d.mark or 0 for d in (*pool.learnt, *pool.held_out)]
    assert sorted(chosen, reverse=True) == marks[:10]
    learnt = [d.mark or 0 for d in pool.learnt]
    assert learnt == sorted(learnt, reverse=True) and {d.topic for d in pool.learnt} == {TOPICS[0]}
    few = study("essays", "--corpus", corpus, "--out", tmp_path / "out", "--topic", TOPICS[0])
    assert few.exit_code == 1 and "There are 12 essays; 40 are to be held out." in few.output


def test_songs_of_every_size_are_judged_by_the_same_unread_ones(
    tiny_registry: Path, tmp_path: Path
) -> None:
    songs = write_midi(tmp_path / "songs", 8, 4)
    result = study(
        *("songs", "--corpus", songs, "--out", tmp_path / "out", "--sizes", "5,20"),
        *("--minutes", 1, "--registry", tiny_registry, "--preset", "tiny", "--phrases", 16),
        *("--held-out", write_midi(tmp_path / "others", 10, 4)),
    )
    assert result.exit_code == 1 and "too few songs" in result.output, "all are held out"
    result = study(
        *("songs", "--corpus", write_midi(tmp_path / "more", 12, 6), "--sizes", "6,90"),
        *("--minutes", 1, "--registry", tiny_registry, "--preset", "tiny", "--phrases", 40),
        *("--out", tmp_path / "out2"),
    )
    assert result.exit_code == 0, result.output
    told = json.loads((tmp_path / "out2" / "study.json").read_text())
    assert told["base"] == "tiny-music" and told["held_out"] == 3
    assert [row["songs"] for row in told["rows"]] == [6, 9]
    house = Registry(tmp_path / "out2" / "registry", None)
    for row in told["rows"]:
        gap = row["gaps"]["drums notes_per_bar"]
        assert len(row["gaps"]) > 30 and gap["before"] >= 0
        assert any(gap["noise"] > 0 for gap in row["gaps"].values())
        assert row["margins_after"] != row["margins_before"] and 0 <= row["nearest_after"] <= 1
        alias = "live" if row["passed"] else "candidate"
        made = house.resolve("music", f"s{row['songs']}.{alias}")
        assert made.parent == "tiny-music" and made.manifest["steps"] == 4
    assert "margins missed" in (tmp_path / "out2" / "study.md").read_text()


def essay_row(after: float | None, passed: bool) -> EssayRow:
    return EssayRow(20, 9000, 1.5, after, 8, 9, 9, 1.0, passed, "")


def test_the_smallest_size_that_is_enough_is_named() -> None:
    rows = [essay_row(1.2, False), essay_row(1.4, True), essay_row(None, False)]
    assert verdict(rows, [20, 50, 70], "do") == "None do."
    rows.append(essay_row(1.38, True))
    assert verdict(rows, [20, 50, 70, 90], "do") == "The fewest that do: 90."
    assert rows[-1].cells()["after"] == "1.380 (-8.0%)"
    assert rows[2].cells()["after"] == ""

    def song_row(**gaps: Gap) -> SongRow:
        return SongRow(10, 99, gaps, 2.0, 1.0, 0.1, 0.1, 0.1, 1.0, True, "")

    assert song_row(a=Gap(3.0, 2.0), b=Gap(0.2, 0.9)).works()
    assert not song_row(a=Gap(3.0, 2.0), b=Gap(0.2, 1.1)).works()
    shaken = song_row(a=Gap(3.0, 2.0), b=Gap(1.2, 1.9, noise=1.0), c=Gap(2.5, 2.6, noise=1.0))
    assert not shaken.works() and shaken.cells()["gone away"] == "c"
    assert shaken.cells()["there, before and after"] == "1, 1 of 3"
    assert song_row(b=Gap(1.2, 1.9, noise=1.0)).works(), "chance moves the songs' own as far"
    assert not song_row().works()


def test_sizes_are_numbers_and_no_more_than_there_are() -> None:
    assert numbers("50, 20,50") == [20, 50]
    assert fitting([20, 50, 500], 60) == [20, 50, 60] and fitting([20, 60, 500], 60) == [20, 60]
    words = ("essays", "--corpus", "none", "--out", "none")
    assert study(*words, "--sizes", "0").exit_code == 2


def test_runs_are_made_by_the_command_that_the_bot_runs(
    base_registry: Path, settings: Settings, tmp_path: Path
) -> None:
    base = Registry(base_registry, None).resolve("essay", "base")
    ground = Ground(settings.data_dir, base, 4, "cpu", 1)
    run = Run(
        id=1, family="essay", minutes=4, requested_by=1, style_id=12, state=RunState.RUNNING,
        preset="cpu", record={"continues": "base"}, created_at=datetime.now(UTC),
    )  # fmt: skip
    mine = ground.command(tmp_path / "corpus", tmp_path, "s12.live")
    theirs = training_command(run, tmp_path, settings)
    assert mine == theirs
