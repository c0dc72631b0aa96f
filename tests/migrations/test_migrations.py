"""The way from every version to the newest, on both databases, with the data kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, MetaData, insert, select

from bot.parameters import EssayParameters
from bot.store import (
    GuildSettings,
    NewDocument,
    NewRequest,
    NewRun,
    NewStyle,
    State,
    Store,
    StoreError,
    migrate,
)
from bot.store.database import connect
from bot.store.schema import config, head
from bot.store.shapes import RunState, utc_now
from bot.store.tables import metadata
from tests.postgres import PostgresServer

VERSIONS = [
    script.revision
    for script in reversed(list(ScriptDirectory.from_config(config()).walk_revisions()))
]


@pytest.fixture(params=["sqlite", "postgresql"])
def empty_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """URL of a database in which there is nothing yet."""
    if request.param == "sqlite":
        return f"sqlite+aiosqlite:///{tmp_path / 'sub' / 'folder' / 'new.db'}"
    server: PostgresServer = request.getfixturevalue("postgres_server")
    return server.create()


async def test_an_empty_database_becomes_the_newest(empty_url: str) -> None:
    with pytest.raises(StoreError, match="python -m bot migrate"):
        await Store.open(empty_url)
    assert await migrate(empty_url) == head() == VERSIONS[-1]
    assert await migrate(empty_url) == head()
    store = await Store.open(empty_url)
    await store.ping()
    await store.close()


async def test_the_migrations_lead_to_exactly_the_tables(empty_url: str) -> None:
    await migrate(empty_url)

    def differences(connection: Connection) -> list[object]:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "render_as_batch": True}
        )
        return list(compare_metadata(context, metadata))

    engine = connect(empty_url)
    async with engine.connect() as connection:
        found = await connection.run_sync(differences)
        indexes = await connection.run_sync(_partial_indexes)
    await engine.dispose()
    assert found == []
    assert indexes == {
        "uq_requests_running_user",
        "uq_runs_open_family",
        "uq_styles_name",
    }


def _partial_indexes(connection: Connection) -> set[str]:
    """Name the unique indexes that hold for some rows only; alembic does not compare that."""
    reflected = MetaData()
    reflected.reflect(connection)
    dialect = connection.dialect.name
    return {
        str(index.name)
        for table in reflected.tables.values()
        for index in table.indexes
        if index.unique and index.dialect_options[dialect]["where"] is not None
    }


def test_there_is_one_way() -> None:
    assert sorted(VERSIONS) == VERSIONS
    assert ScriptDirectory.from_config(config()).get_heads() == [VERSIONS[-1]]


@pytest.mark.parametrize("version", VERSIONS)
async def test_from_each_version_the_data_is_kept(empty_url: str, version: str) -> None:
    assert await migrate(empty_url, version) == version
    engine = connect(empty_url)
    async with engine.begin() as connection:
        tables = await connection.run_sync(_fill)
    await engine.dispose()
    await migrate(empty_url)
    store = await Store.open(empty_url)
    request = await store.requests.get(1)
    assert request is not None
    assert (request.state, request.user_id) == (State.DONE, 2**60)
    assert request.parameters == EssayParameters(topic="the sea", words=60)
    assert [artifact.sha256 for artifact in await store.artifacts.of(1)] == ["0" * 64]
    assert [event.new for event in await store.requests.events(1)] == [State.DONE]
    if "guilds" in tables:
        assert await store.guilds.get(5) == GuildSettings(words_max=99)
        assert (await store.ratings.of(1)).up == 1
    if "runs" in tables:
        run = await store.runs.get(1)
        assert run is not None and run.state is RunState.PROMOTED
        assert (run.style_id, run.preset, run.resumes, run.record) == (None, None, None, None)
    if "styles" in tables:
        assert [style.key for style in await store.styles.of(5, "essay")] == ["s1"]
        assert [document.file for document in await store.documents.of(1)] == [f"{'0' * 64}.txt"]
        assert [offer.request_id for offer in await store.offers.open(1)] == [1]
    if "forgotten" in tables:
        assert [one.cost for one in await store.requests.forgotten(2**60)] == [4]
    await store.close()


async def test_numbers_go_on_above_every_one_that_is_known(empty_url: str) -> None:
    """Of what was deleted before, others may still tell the number."""
    await migrate(empty_url, "0005")
    engine = connect(empty_url)
    async with engine.begin() as connection:
        await connection.run_sync(_name_what_is_gone)
    await engine.dispose()
    await migrate(empty_url)
    store = await Store.open(empty_url)
    new = NewRequest(
        kind="essay", parameters=EssayParameters(topic="x"), seed=1, origin="discord", user_id=1
    )
    assert (await store.requests.create(new)).id == 71
    run = await store.runs.create(NewRun(family="music", minutes=1, requested_by=1))
    style = await store.styles.create(NewStyle(guild_id=5, family="essay", name="b", created_by=1))
    assert run is not None and style is not None
    document = await store.documents.add(
        NewDocument(
            style_id=style.id, sha256="1", kind="txt", name="", title="", size=1, added_by=1
        )
    )
    assert document is not None
    assert (run.id, style.id, document.id) == (51, 61, 41)
    await store.close()


def _name_what_is_gone(connection: Connection) -> None:
    _fill(connection)
    for change in (
        "UPDATE requests SET parent_id = 70",
        """UPDATE runs SET resumes = 50, style_id = 60,
        record = '{"documents": [{"id": 40}, {"id": 3}], "absent": [{"id": 9}]}'""",
    ):
        connection.exec_driver_sql(change)
    if connection.dialect.name == "postgresql":  # its sequences have given them themselves
        for table, last in (("requests", 70), ("runs", 50), ("styles", 60), ("documents", 40)):
            connection.exec_driver_sql(f"SELECT setval('{table}_id_seq', {last})")


def _fill(connection: Connection) -> set[str]:
    """Put one row into each table there is, as its columns are in this version."""
    reflected = MetaData()
    reflected.reflect(connection)
    known = [table for table in reflected.sorted_tables if table.name in ROWS]
    for table in known:
        connection.execute(insert(table).values(ROWS[table.name]))
    assert connection.execute(select(reflected.tables["requests"])).all()
    return {table.name for table in known}


NOW = utc_now()
ROWS: Mapping[str, Mapping[str, object]] = {
    "requests": {
        "kind": "essay",
        "origin": "discord",
        "state": "done",
        "user_id": 2**60,
        "locale": "en",
        "parameters": {"topic": "the sea", "words": 60, "style": None},
        "seed": 5,
        "attempts": 1,
        "cancel_requested": False,
        "created_at": NOW,
    },
    "artifacts": {
        "request_id": 1,
        "kind": "md",
        "path": "a.md",
        "name": "a.md",
        "sha256": "0" * 64,
        "size": 1,
    },
    "events": {"request_id": 1, "at": NOW, "old": "running", "new": "done", "why": "delivered"},
    "guilds": {"id": 5, "settings": {"words_max": 99}, "updated_at": NOW},
    "ratings": {"request_id": 1, "user_id": 3, "value": 1, "model_version": "v", "at": NOW},
    "runs": {
        "family": "essay",
        "state": "promoted",
        "minutes": 5,
        "requested_by": 2**60,
        "locale": "en",
        "stop_requested": False,
        "progress": {"step": 3},
        "created_at": NOW,
    },
    "styles": {
        "guild_id": 5,
        "family": "essay",
        "name": "Ms Smith",
        "folded": "ms smith",
        "created_by": 2**60,
        "minimum_mark": 93.0,
        "published": False,
        "created_at": NOW,
    },
    "documents": {
        "style_id": 1,
        "sha256": "0" * 64,
        "kind": "txt",
        "name": "a.docx",
        "title": "The sea",
        "size": 400,
        "sketch": [2**50],
        "added_by": 2**60,
        "added_at": NOW,
    },
    "forgotten": {"user_id": 2**60, "guild_id": 5, "cost": 4, "last_asked_at": NOW},
    "offers": {"request_id": 1, "style_id": 1, "user_id": 2**60, "offered_at": NOW},
}
