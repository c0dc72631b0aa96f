from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.registry import Registry, Version
from training.promote import Figure, fresh_name, judge, promote
from training.runs import Outcome, read_outcome


@pytest.fixture
def registry(tmp_path: Path) -> Registry:
    return Registry(tmp_path / "registry", None)


def version(registry: Registry, name: str, tmp_path: Path) -> Version:
    folder = tmp_path / f"made-{name}"
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps({"name": name}))
    return registry.publish("essay", name, folder, parent=None)


def test_the_first_version_goes_live(registry: Registry, tmp_path: Path) -> None:
    outcome = promote(registry, "essay", version(registry, "one", tmp_path), {"loss": 3.0}, None)
    assert (outcome.state, outcome.version) == ("promoted", "one")
    assert registry.aliases("essay") == {"live": "one"}


def test_a_better_one_replaces_it_and_says_by_how_much(registry: Registry, tmp_path: Path) -> None:
    registry.move_alias("essay", "live", version(registry, "one", tmp_path).name)
    outcome = promote(
        registry, "essay", version(registry, "two", tmp_path), {"loss": 2.5}, {"loss": 3.0}
    )
    assert outcome.sentence == "The new version two is live: loss went from 3 to 2.5."
    assert registry.aliases("essay") == {"live": "two", "previous": "one"}


def test_a_worse_one_stays_a_candidate(registry: Registry, tmp_path: Path) -> None:
    registry.move_alias("essay", "live", version(registry, "one", tmp_path).name)
    outcome = promote(
        registry,
        "essay",
        version(registry, "two", tmp_path),
        {"loss": 2.0, "repeated_4_grams": Figure(0.2, margin=0.02)},
        {"loss": 3.0, "repeated_4_grams": Figure(0.1, margin=0.02)},
    )
    assert outcome.state == "refused"
    assert outcome.sentence == (
        "The new version two stays a candidate: repeated 4 grams is 0.2 instead of 0.1."
    )
    assert registry.aliases("essay") == {"live": "one", "candidate": "two"}


def test_a_figure_that_is_no_number_is_refused() -> None:
    assert judge({"loss": float("nan")}, {"loss": 1.0}) == ["loss could not be measured"]


def test_margins_and_directions() -> None:
    assert not judge({"a": 1.019}, {"a": 1.0})
    assert judge({"a": 1.03}, {"a": 1.0})
    assert not judge({"a": Figure(0.9, "higher", 0.1)}, {"a": Figure(1.0, "higher", 0.1)})
    assert judge({"a": Figure(0.8, "higher", 0.1)}, {"a": Figure(1.0, "higher", 0.1)})
    assert not judge({"new": 9.0}, {"other": 1.0})


def test_names_are_fresh(registry: Registry, tmp_path: Path) -> None:
    assert fresh_name(registry, "essay") == "essay-0001"
    version(registry, "essay-0002", tmp_path)
    assert fresh_name(registry, "essay") == "essay-0003"


def test_an_outcome_is_written_for_the_bot(tmp_path: Path) -> None:
    Outcome("refused", "It is worse.", "two", {"loss": 1.0}).write(tmp_path)
    assert read_outcome(tmp_path) == {
        "state": "refused",
        "sentence": "It is worse.",
        "version": "two",
        "figures": {"loss": 1.0},
    }
