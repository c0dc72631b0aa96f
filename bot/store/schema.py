"""The version of the database, and the way to the newest one."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from bot.store.database import StoreError, connect, try_out, unreachable

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
#: Any number that all processes agree on: only one of them migrates at a time.
_LOCK = 719_204_117


def config(connection: Connection | None = None) -> Config:
    """Make alembic's configuration; there is no ini file to go out of step with it."""
    made = Config()
    made.set_main_option("script_location", str(MIGRATIONS))
    made.set_main_option("path_separator", "os")
    made.attributes["connection"] = connection
    return made


def head() -> str:
    """Name the newest version."""
    newest = ScriptDirectory.from_config(config()).get_current_head()
    if newest is None:
        raise StoreError("The folder of database migrations is missing.")
    return newest


def revision(connection: Connection) -> str | None:
    """Name the version of a database; None when it is empty."""
    return MigrationContext.configure(connection).get_current_revision()


def check_known(version: str | None) -> None:
    """Raise StoreError for a version that only newer code knows."""
    scripts = ScriptDirectory.from_config(config())
    if version is not None and version not in {each.revision for each in scripts.walk_revisions()}:
        raise StoreError(
            f"The database is at version {version}, which is newer than this program; update it."
        )


def upgrade(connection: Connection, target: str = "head") -> None:
    """Bring the database of a connection to a version, inside its transaction."""
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
    check_known(revision(connection))
    command.upgrade(config(connection), target)


async def migrate(url: str, target: str = "head") -> str:
    """Bring a database to a version, from empty or from any older one; return its name."""
    engine = connect(url)
    try:
        await try_out(engine)
        async with engine.connect() as connection:
            await connection.execution_options(foreign_keys=False)
            async with connection.begin():
                await connection.run_sync(upgrade, target)
                return await connection.run_sync(revision) or ""
    except (DBAPIError, OSError) as error:
        raise unreachable(error) from error
    finally:
        await engine.dispose()
