"""The tables, as SQLAlchemy Core; migrations/ must lead to exactly these."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)
from sqlalchemy import DateTime as SqlDateTime
from sqlalchemy.types import TypeDecorator

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

#: SQLite counts rows up only in an INTEGER column. Unless told otherwise (sqlite_autoincrement) it
#: gives the number of a deleted row again, and buttons, files and aliases still name what is gone.
RowId = BigInteger().with_variant(Integer(), "sqlite")


class UtcTime(TypeDecorator[datetime]):
    """An aware UTC moment on both databases; SQLite itself would forget the zone."""

    impl = SqlDateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """Store in UTC, without a zone where the database has none."""
        if value is None:
            return None
        moment = value.astimezone(UTC)
        return moment if dialect.name == "postgresql" else moment.replace(tzinfo=None)

    def process_result_value(self, value: Any | None, dialect: Dialect) -> datetime | None:
        """Give the zone back."""
        if value is None:
            return None
        moment: datetime = value
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)


requests = Table(
    "requests",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("kind", String(16), nullable=False),
    Column("origin", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger),
    Column("message_id", BigInteger),
    Column("interaction_token", Text),
    Column("token_expires_at", UtcTime),
    Column("upload_limit", BigInteger),
    Column("locale", String(16), nullable=False),
    Column("parameters", JSON, nullable=False),
    Column("seed", BigInteger, nullable=False),
    Column("model_version", String(64)),
    Column("outcome", JSON(none_as_null=True)),
    Column("attempts", Integer, nullable=False),
    Column("error", Text),
    Column("parent_id", RowId),
    Column("reserved_for", String(64)),
    Column("worker", String(64)),
    Column("claim", String(32)),
    Column("cancel_requested", Boolean, nullable=False),
    Column("not_before", UtcTime),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("heartbeat_at", UtcTime),
    Column("finished_at", UtcTime),
    Column("forgotten_at", UtcTime),
    Index("ix_requests_state_created_at", "state", "created_at"),
    Index("ix_requests_user_id_created_at", "user_id", "created_at"),
    Index("ix_requests_guild_id_created_at", "guild_id", "created_at"),
    sqlite_autoincrement=True,
)
#: At most one running request a user, kept by the database itself; 0 is the console.
Index(
    "uq_requests_running_user",
    requests.c.user_id,
    unique=True,
    sqlite_where=text("state = 'running' AND user_id <> 0"),
    postgresql_where=text("state = 'running' AND user_id <> 0"),
)

#: The few that were still running when their people wanted to be forgotten.
Index(
    "ix_requests_forgotten_at",
    requests.c.forgotten_at,
    sqlite_where=text("forgotten_at IS NOT NULL"),
    postgresql_where=text("forgotten_at IS NOT NULL"),
)

#: How much people asked for, today, whose requests were deleted as they wished; gone tomorrow.
forgotten = Table(
    "forgotten",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("user_id", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("cost", Integer, nullable=False),
    Column("last_asked_at", UtcTime, nullable=False),
    Index("ix_forgotten_user_id", "user_id"),
    Index("ix_forgotten_guild_id", "guild_id"),
    Index("ix_forgotten_last_asked_at", "last_asked_at"),
)

artifacts = Table(
    "artifacts",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("request_id", RowId, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("kind", String(16), nullable=False),
    Column("path", Text, nullable=False),
    Column("name", String(128), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("size", BigInteger, nullable=False),
    Index("uq_artifacts_request_id_kind", "request_id", "kind", unique=True),
)

events = Table(
    "events",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("request_id", RowId, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("at", UtcTime, nullable=False),
    Column("old", String(16)),
    Column("new", String(16), nullable=False),
    Column("why", Text, nullable=False),
    Index("ix_events_request_id", "request_id"),
)

guilds = Table(
    "guilds",
    metadata,
    Column("id", BigInteger, primary_key=True, autoincrement=False),
    Column("settings", JSON, nullable=False),
    Column("updated_at", UtcTime, nullable=False),
)

ratings = Table(
    "ratings",
    metadata,
    Column("request_id", RowId, ForeignKey("requests.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("value", SmallInteger, nullable=False),
    Column("model_version", String(64)),
    Column("at", UtcTime, nullable=False),
    PrimaryKeyConstraint("request_id", "user_id"),
)

runs = Table(
    "runs",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("family", String(16), nullable=False),
    Column("state", String(16), nullable=False),
    Column("minutes", Integer, nullable=False),
    Column("requested_by", BigInteger, nullable=False),
    Column("guild_id", BigInteger),
    Column("channel_id", BigInteger),
    Column("message_id", BigInteger),
    Column("locale", String(16), nullable=False),
    Column("pid", Integer),
    Column("run_dir", Text),
    Column("style_id", RowId),
    Column("preset", String(16)),
    Column("resumes", RowId),
    Column("record", JSON(none_as_null=True)),
    Column("stop_requested", Boolean, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("version", String(64)),
    Column("sentence", Text),
    Column("created_at", UtcTime, nullable=False),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Index("ix_runs_created_at", "created_at"),
    sqlite_autoincrement=True,
)
#: One waiting and one running a family, kept by the database itself.
Index(
    "uq_runs_open_family",
    runs.c.family,
    runs.c.state,
    unique=True,
    sqlite_where=text("state IN ('waiting', 'running')"),
    postgresql_where=text("state IN ('waiting', 'running')"),
)

styles = Table(
    "styles",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("guild_id", BigInteger, nullable=False),
    Column("family", String(16), nullable=False),
    Column("name", String(64), nullable=False),
    Column("folded", String(128), nullable=False),
    Column("created_by", BigInteger, nullable=False),
    Column("minimum_mark", Float, nullable=False),
    Column("published", Boolean, nullable=False),
    Column("created_at", UtcTime, nullable=False),
    Column("deleted_at", UtcTime),
    Index("ix_styles_guild_id", "guild_id"),
    sqlite_autoincrement=True,
)
#: A guild has each name once in a family, whatever its capitals; a deleted style frees its name.
Index(
    "uq_styles_name",
    styles.c.guild_id,
    styles.c.family,
    styles.c.folded,
    unique=True,
    sqlite_where=text("deleted_at IS NULL"),
    postgresql_where=text("deleted_at IS NULL"),
)

documents = Table(
    "documents",
    metadata,
    Column("id", RowId, primary_key=True, autoincrement=True),
    Column("style_id", RowId, ForeignKey("styles.id", ondelete="CASCADE"), nullable=False),
    Column("sha256", String(64), nullable=False),
    Column("kind", String(8), nullable=False),
    Column("name", String(128), nullable=False),
    Column("title", String(256), nullable=False),
    Column("mark", Float),
    Column("language", String(8)),
    Column("words", Integer),
    Column("size", BigInteger, nullable=False),
    Column("sketch", JSON, nullable=False),
    Column("added_by", BigInteger, nullable=False),
    Column("request_id", RowId),
    Column("added_at", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
    Index("uq_documents_style_id_sha256", "style_id", "sha256", unique=True),
    sqlite_autoincrement=True,
)

offers = Table(
    "offers",
    metadata,
    Column("request_id", RowId, ForeignKey("requests.id", ondelete="CASCADE"), primary_key=True),
    Column("style_id", RowId, ForeignKey("styles.id", ondelete="CASCADE"), nullable=False),
    Column("user_id", BigInteger, nullable=False),
    Column("offered_at", UtcTime, nullable=False),
    Column("decided_by", BigInteger),
    Column("accepted", Boolean),
    Column("decided_at", UtcTime),
    Index("ix_offers_style_id", "style_id"),
)
