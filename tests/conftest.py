"""Fixtures every room's tests may use: settings, and stores on both databases."""

from __future__ import annotations

import asyncio
import os
import shutil
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from bot.settings import Settings, load_settings
from bot.store import Store, migrate
from bot.store.tables import metadata
from tests.postgres import PostgresServer, find_binaries
from tests.service_fixtures import (
    base_registry,
    own_registry,
    service_url,
    tiny_registry,
    trainable_registry,
)

# Tests run beside each other, and what they compute is small: more threads would only be in each
# other's way. Read when torch is loaded, which no import above does; child processes inherit it.
for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

__all__ = ["base_registry", "own_registry", "service_url", "tiny_registry", "trainable_registry"]


@pytest.fixture(autouse=True, scope="session")
def hardly_nicer() -> Iterator[None]:
    """Let children make way a little only: tests wait for them, others keep the cores busy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("bot.priority.SERVICE", 1)
        patch.setattr("bot.priority.TRAINING", 2)
        yield


@pytest.fixture(autouse=True)
def connections_are_closed() -> Iterator[None]:
    """Fail the test that leaves a connection to SQLite behind, not the next one it disturbs.

    Its thread has an answer for a loop that has gone, or a transaction that nobody will end.
    """
    before = _connections()
    yield
    left = _connections() - before
    assert not left, f"left open by this test: {sorted(thread.name for thread in left)}"


def _connections() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if "_connection_worker" in thread.name}


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of nobody's environment, with everything under a folder of the test's own."""
    for name in Settings.model_fields:
        monkeypatch.delenv(name.upper(), raising=False)
    return load_settings(_env_file=None, data_dir=tmp_path / "data", health_port=0)


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    """A PostgreSQL server on a loopback port, for the whole session."""
    binaries = find_binaries()
    if binaries is None:
        pytest.skip("PostgreSQL is not installed (apt-get install postgresql)")
    server = PostgresServer(binaries)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty SQLite database at the newest version, to copy from."""
    path = tmp_path_factory.mktemp("template") / "empty.db"
    asyncio.run(migrate(f"sqlite+aiosqlite:///{path}"))
    return path


@pytest.fixture(scope="session")
def postgres_database(postgres_server: PostgresServer) -> str:
    """URL of a PostgreSQL database at the newest version, shared by the tests in turn."""
    url = postgres_server.create("ghostwriter")
    asyncio.run(migrate(url))
    return url


@pytest.fixture
def sqlite_url(sqlite_template: Path, tmp_path: Path) -> str:
    """URL of a migrated SQLite database of the test's own."""
    path = tmp_path / "data" / "ghostwriter.db"
    path.parent.mkdir(exist_ok=True)
    shutil.copy(sqlite_template, path)
    return f"sqlite+aiosqlite:///{path}"


@pytest.fixture
async def sqlite_store(sqlite_url: str) -> AsyncIterator[Store]:
    """An open store on SQLite, where the default settings look for it."""
    store = await Store.open(sqlite_url)
    yield store
    await store.close()


@pytest.fixture
def postgres_url(postgres_server: PostgresServer, postgres_database: str) -> str:
    """URL of a migrated PostgreSQL database with nothing in it; a copy each would be slow."""
    postgres_server.empty("ghostwriter", [table.name for table in metadata.sorted_tables])
    return postgres_database


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest) -> str:
    """URL of a migrated database: the test runs on both kinds."""
    name = "sqlite_url" if request.param == "sqlite" else "postgres_url"
    url: str = request.getfixturevalue(name)
    return url


@pytest.fixture
async def store(database_url: str) -> AsyncIterator[Store]:
    """An open store: the test runs on both databases."""
    store = await Store.open(database_url)
    yield store
    await store.close()
