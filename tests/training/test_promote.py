from __future__ import annotations

import json
from pathlib import Path

import pytest

from models.registry import Registry, Version
from training.promote import Figure, check_alias, fresh_name, judge, promote, rival
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


def test_a_style_has_aliases_of_its_own(registry: Registry, tmp_path: Path) -> None:
    assert rival(registry, "essay", "s12.live") is None
    registry.move_alias("essay", "live", version(registry, "one", tmp_path).name)
    rivals = [rival(registry, "essay", "s12.live")]
    two, three = version(registry, "two", tmp_path), version(registry, "three", tmp_path)
    outcome = promote(registry, "essay", two, {"loss": 2.5}, {"loss": 3.0}, "s12.live")
    assert outcome.sentence == "The new version two is live for s12: loss went from 3 to 2.5."
    rivals.append(rival(registry, "essay", "s12.live"))
    assert [r.name if r else None for r in rivals] == ["one", "two"]
    promote(registry, "essay", three, {"loss": 9.0}, {"loss": 2.5}, "s12.live")
    assert registry.aliases("essay") == {
        "live": "one",
        "s12.live": "two",
        "s12.candidate": "three",
    }
    promote(registry, "essay", three, {"loss": 1.0}, {"loss": 2.5}, "s12.live")
    assert registry.rollback("essay", style="s12").name == "two"
    assert registry.resolve("essay").name == "one"


@pytest.mark.parametrize("alias", ["live", "s12.live", "a-b.live"])
def test_aliases_that_move(alias: str) -> None:
    assert check_alias(alias) == alias


@pytest.mark.parametrize(
    "alias", ["", "candidate", "s12", "S12.live", "../live", ".live", "s.live "]
)
def test_other_names_do_not_move(alias: str) -> None:
    with pytest.raises(ValueError, match="cannot be moved"):
        check_alias(alias)


def test_a_figure_that_is_no_number_is_refused() -> None:
    assert judge({"loss": float("nan")}, {"loss": 1.0}) == ["loss could not be measured"]


def test_margins_and_directions() -> None:
    assert not judge({"a": 1.019}, {"a": 1.0})
    assert judge({"a": 1.03}, {"a": 1.0})
    assert not judge({"a": Figure(0.9, "higher", 0.1)}, {"a": Figure(1.0, "higher", 0.1)})
    assert judge({"a": Figure(0.8, "higher", 0.1)}, {"a": Figure(1.0, "higher", 0.1)})
    assert not judge({"new": 9.0}, {"other": 1.0})


def test_names_are_fresh(registry: Registry, tmp_path: Path) -> None:
    assert fresh_name(registry, "essay") == "essay-own-0001"
    version(registry, "essay-0007", tmp_path)  # as one that ships
    version(registry, "essay-own-0002", tmp_path)
    assert fresh_name(registry, "essay") == "essay-own-0003"


def test_an_outcome_is_written_for_the_bot(tmp_path: Path) -> None:
    Outcome("refused", "It is worse.", "two", {"loss": 1.0}).write(tmp_path)
    assert read_outcome(tmp_path) == {
        "state": "refused",
        "sentence": "It is worse.",
        "version": "two",
        "figures": {"loss": 1.0},
        "live": {},
    }
