"""Styles, documents and offers, on both databases."""

from __future__ import annotations

from dataclasses import replace

import pytest

from bot.store import NewDocument, NewRun, NewStyle, RunState, Store, Tally
from bot.store.styles import pick
from tests.bot.store.rows import essay

NEW = NewStyle(guild_id=5, family="essay", name="Ms Smith", created_by=2**60)


def text(style_id: int, sha256: str = "a" * 64, **more: object) -> NewDocument:
    made = NewDocument(
        style_id=style_id,
        sha256=sha256,
        kind="txt",
        name="essay.docx",
        title="The sea",
        mark=95.5,
        language="en",
        words=300,
        size=1800,
        sketch=(1, 2**60),
        added_by=7,
    )
    return replace(made, **more)  # type: ignore[arg-type]


async def test_a_guild_sees_its_own_styles_and_those_published(store: Store) -> None:
    mine = await store.styles.create(NEW)
    theirs = await store.styles.create(replace(NEW, guild_id=6, name="Abel"))
    assert mine is not None and theirs is not None
    assert await store.styles.create(replace(NEW, name="ms SMITH")) is None
    assert await store.styles.create(replace(NEW, family="music")) is not None
    assert await store.styles.visible(5, "essay") == await store.styles.of(5, "essay") == [mine]
    assert await store.styles.visible(None, "essay") == await store.styles.of(None) == []
    changed = await store.styles.change(theirs.id, published=True, minimum_mark=80)
    assert changed == replace(theirs, published=True, minimum_mark=80.0)
    assert await store.styles.visible(5, "essay") == [mine, changed]
    assert await store.styles.visible(None, "essay") == [changed]
    assert await store.styles.of(5, "essay") == [mine]


async def test_a_deleted_style_frees_its_name_and_keeps_its_row(store: Store) -> None:
    first = await store.styles.create(NEW)
    assert first is not None
    assert await store.styles.delete(first.id) is not None
    assert await store.styles.delete(first.id) is None
    assert await store.styles.change(first.id, published=True) is None
    second = await store.styles.create(NEW)
    assert second is not None and second.id != first.id
    assert await store.styles.of(5) == [second]
    gone = await store.styles.get(first.id)
    assert gone is not None and gone.deleted_at is not None


async def test_a_style_is_named_by_name_or_key_the_guilds_own_first(store: Store) -> None:
    own = await store.styles.create(NEW)
    other = await store.styles.create(replace(NEW, guild_id=6))
    assert own is not None and other is not None
    await store.styles.change(other.id, published=True)
    found = await store.styles.visible(5)
    assert pick(found, " MS smith ") == own
    chosen = pick(found, other.key)
    assert chosen is not None and chosen.id == other.id
    assert pick(found, "s99") is None


async def test_a_removed_document_is_remembered_and_can_come_back(store: Store) -> None:
    style = await store.styles.create(NEW)
    assert style is not None
    first = await store.documents.add(text(style.id))
    assert first is not None and first.sketch == (1, 2**60) and first.file == f"{'a' * 64}.txt"
    assert await store.documents.add(text(style.id)) is None
    second = await store.documents.add(text(style.id, "b" * 64, mark=None))
    assert second is not None
    assert await store.documents.of(style.id) == [first, second]
    assert await store.documents.label(second.id, "New", 50)
    removed = await store.documents.remove(first.id)
    assert removed is not None and await store.documents.remove(first.id) is None
    assert not await store.documents.label(first.id, "Late", 50)
    assert await store.documents.of(style.id, removed=True) == [removed]
    assert await store.documents.count() == {style.id: 1}
    back = await store.documents.add(text(style.id, title="Again"))
    assert back is not None and (back.id, back.title, back.removed_at) == (first.id, "Again", None)
    assert [d.title for d in await store.documents.of(style.id)] == ["Again", "New"]


async def test_an_offer_is_made_once_decided_once_and_forgotten(store: Store) -> None:
    style = await store.styles.create(NEW)
    request = await store.requests.create(essay(1))
    assert style is not None
    assert await store.offers.make(request.id, style.id, 1)
    assert not await store.offers.make(request.id, style.id, 1)
    assert [offer.request_id for offer in await store.offers.open(style.id)] == [request.id]
    decided = await store.offers.decide(request.id, by=9, accepted=True)
    assert decided is not None and decided.accepted and decided.decided_by == 9
    assert await store.offers.decide(request.id, by=9, accepted=False) is None
    assert await store.offers.open(style.id) == []
    given = await store.documents.add(text(style.id, added_by=1, request_id=request.id))
    await store.documents.add(text(style.id, "c" * 64, added_by=1))
    assert [offer.request_id for offer in await store.offers.by(1)] == [request.id]
    await store.offers.forget(1)
    assert await store.offers.get(request.id) is None
    assert await store.documents.forget(1) == [given]
    assert [document.added_by for document in await store.documents.of(style.id)] == [0]


async def test_runs_of_styles_are_found_and_remember_what_they_learned_from(store: Store) -> None:
    new = NewRun(family="essay", minutes=5, requested_by=1, style_id=3, preset="tiny")
    run = await store.runs.create(new)
    assert run is not None and (run.style_id, run.preset) == (3, "tiny")
    assert await store.runs.set_record(run.id, {"documents": [], "absent": [{"id": 1}]})
    assert await store.runs.finish(run.id, RunState.FAILED, "No.")
    assert not await store.runs.set_record(run.id, {})
    await store.runs.create(replace(new, style_id=None, resumes=run.id, run_dir="there"))
    found = await store.runs.history(styles={3, 4})
    assert [(run.id, run.record) for run in found] == [
        (run.id, {"documents": [], "absent": [{"id": 1}]})
    ]
    assert [run.run_dir for run in await store.runs.history(limit=1)] == ["there"]
    assert [found.id for found in await store.runs.history(limit=1, page=1)] == [run.id]


async def test_opinions_are_counted_by_style(store: Store) -> None:
    asked = essay(1)
    plain = await store.requests.create(asked)
    styled = [
        await store.requests.create(
            replace(asked, parameters=asked.parameters.model_copy(update={"version": "s3.live"}))
        )
        for _ in range(2)
    ]
    await store.ratings.rate(plain.id, 1, 1, "v")
    for user, request in enumerate(styled):
        await store.ratings.rate(request.id, user, 1 if user else -1, "v")
    assert await store.ratings.by_alias() == {"s3.live": Tally(1, 1)}


@pytest.mark.parametrize(
    ("up", "down", "low", "high"),
    [(0, 0, 0.0, 1.0), (10, 0, 0.722, 1.0), (0, 10, 0.0, 0.278), (80, 20, 0.711, 0.867)],
)
def test_wilsons_interval(up: int, down: int, low: float, high: float) -> None:
    assert Tally(up, down).interval == pytest.approx((low, high), abs=5e-4)
