"""What stays of people who want to be forgotten, and what must not."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from bot.store import NOBODY, Artifact, GuildSettings, NewRun, NewStyle, Store, utc_now
from tests.bot.store.rows import album, beat, essay
from tests.bot.store.test_queue import claim, done
from tests.bot.store.test_styles import text


async def test_forgetting_a_user_leaves_nothing_of_theirs(store: Store, tmp_path: Path) -> None:
    await store.requests.create(essay(1))
    await store.requests.create(essay(2))
    mine = await claim(store)
    await store.requests.keep(mine, done(), [Artifact("md", tmp_path / "a", "a", "0" * 64, 1)])
    await store.requests.finish(mine, None)
    await store.ratings.rate(mine.id, 2, 1, "v1")
    still_open = await store.requests.create(essay(1))
    assert await store.requests.forget(1) == [mine.id]
    assert await store.requests.get(mine.id) is None
    assert await store.artifacts.of(mine.id) == ()
    assert await store.requests.events(mine.id) == []
    assert await store.ratings.by_version() == {}
    assert await store.requests.get(still_open.id) is not None
    assert (await store.requests.history(2)).total == 1


async def test_who_is_forgotten_keeps_the_count_of_the_day_and_nothing_else(store: Store) -> None:
    """Else anybody could have a day's quota as often as they like."""
    today = utc_now().replace(hour=0, minute=0, second=0, microsecond=0)
    for new in (album(1, tracks=4), essay(1), essay(2)):
        await store.requests.create(replace(new, guild_id=7))
    await store.requests.create(beat(1))
    failed = await store.requests.create(replace(essay(1), guild_id=8))
    for number in (1, 2, 4):
        await store.requests.request_cancel(number)
    while (mine := await claim(store)).id != failed.id:
        await store.requests.finish(mine, None)
    await store.requests.fail(mine, "Broken.")
    before = await store.requests.standing("discord", 1, 7, today)
    assert (before.today, before.today_here, before.guild_today) == (6, 5, 6)
    assert len(await store.requests.forget(1)) == 4
    assert await store.requests.standing("discord", 1, 7, today) == before
    assert (await store.requests.standing("discord", 1, 8, today)).today_here == 0
    assert (await store.requests.standing("discord", 3, 7, today)).today == 0
    assert await store.requests.forget(1) == []
    assert await store.requests.standing("discord", 1, 7, today) == before
    kept = await store.requests.forgotten(1)
    assert [(one.guild_id, one.cost) for one in kept] == [(None, 1), (7, 5)]
    assert await store.requests.forgotten(2) == []
    assert kept[0].last_asked_at == before.last_asked


async def test_the_count_of_the_forgotten_is_gone_the_next_day(store: Store) -> None:
    now = utc_now()
    store._db.clock = lambda: now
    await store.requests.create(replace(essay(1), guild_id=7))
    await store.requests.request_cancel(1)
    await store.requests.forget(1)
    assert await store.requests.drop_forgotten() == 0
    tomorrow = (now + timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
    later = await store.requests.standing("discord", 1, 7, tomorrow)
    assert (later.today, later.today_here, later.guild_today) == (0, 0, 0)
    store._db.clock = lambda: tomorrow
    assert await store.requests.drop_forgotten() == 1
    assert await store.requests.forgotten(1) == []


async def test_what_was_asked_yesterday_leaves_no_count(store: Store) -> None:
    yesterday = utc_now() - timedelta(days=1)
    store._db.clock = lambda: yesterday
    await store.requests.create(replace(essay(1), guild_id=7))
    await store.requests.request_cancel(1)
    store._db.clock = utc_now
    assert await store.requests.forget(1) == [1]
    assert await store.requests.forgotten(1) == []


async def test_the_number_of_a_deleted_request_is_never_given_again(store: Store) -> None:
    """Else old buttons would act on a stranger's request."""
    first = await store.requests.create(essay(1))
    await store.requests.request_cancel(first.id)
    assert await store.requests.forget(1) == [first.id]
    assert (await store.requests.create(essay(2))).id > first.id


async def test_what_is_still_running_goes_when_it_is_over(store: Store) -> None:
    await store.requests.create(replace(essay(1), guild_id=7))
    mine = await claim(store)
    assert await store.requests.forget(1) == await store.requests.forget_the_late() == []
    later = await store.requests.create(essay(1))
    await store.requests.request_cancel(later.id)
    await store.requests.finish(mine, None)
    assert await store.requests.forget_the_late() == [mine.id]
    assert await store.requests.get(later.id) is not None
    assert [(one.guild_id, one.cost) for one in await store.requests.forgotten(1)] == [(7, 1)]


async def test_what_an_admin_did_stays_and_forgets_who_it_was(store: Store) -> None:
    style = await store.styles.create(
        NewStyle(guild_id=5, family="essay", name="Ours", created_by=9)
    )
    run = await store.runs.create(NewRun(family="essay", minutes=5, requested_by=9, guild_id=5))
    request = await store.requests.create(essay(1))
    assert style is not None and run is not None
    document = await store.documents.add(text(style.id, added_by=9))
    await store.offers.make(request.id, style.id, 1)
    await store.offers.decide(request.id, by=9, accepted=True)
    await store.guilds.change(5, admin_ids=[9, 8], words_max=99)
    await store.guilds.change(6, admin_ids=[99])
    assert document is not None
    assert [(deed.what, deed.id, deed.guild_id) for deed in await store.deeds.of(9)] == [
        ("styles", style.id, 5),
        ("documents", document.id, 5),
        ("runs", run.id, 5),
        ("offers", request.id, 5),
        ("guilds", 5, 5),
    ]
    assert await store.deeds.of(1) == []
    await store.deeds.forget(9)
    assert await store.deeds.of(9) == []
    assert await store.guilds.get(5) == GuildSettings(admin_ids=(8,), words_max=99)
    assert await store.guilds.get(6) == GuildSettings(admin_ids=(99,))
    decided = await store.offers.get(request.id)
    assert decided is not None and (decided.decided_by, decided.accepted) == (NOBODY, True)
    assert (await store.runs.history())[0].requested_by == NOBODY
