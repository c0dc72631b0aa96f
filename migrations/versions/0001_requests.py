"""Requests, their files and their changes of state.

Reason: a request must survive a restart of the bot.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.columns import moment, row_id

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

RUNNING = sa.text("state = 'running' AND user_id <> 0")


def upgrade() -> None:
    op.create_table(
        "requests",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("origin", sa.String(16), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("guild_id", sa.BigInteger()),
        sa.Column("channel_id", sa.BigInteger()),
        sa.Column("message_id", sa.BigInteger()),
        sa.Column("interaction_token", sa.Text()),
        sa.Column("token_expires_at", moment()),
        sa.Column("upload_limit", sa.BigInteger()),
        sa.Column("locale", sa.String(16), nullable=False),
        sa.Column("parameters", sa.JSON(), nullable=False),
        sa.Column("seed", sa.BigInteger(), nullable=False),
        sa.Column("model_version", sa.String(64)),
        sa.Column("outcome", sa.JSON()),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("error", sa.Text()),
        sa.Column("parent_id", row_id()),
        sa.Column("reserved_for", sa.String(64)),
        sa.Column("worker", sa.String(64)),
        sa.Column("claim", sa.String(32)),
        sa.Column("cancel_requested", sa.Boolean(), nullable=False),
        sa.Column("not_before", moment()),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("started_at", moment()),
        sa.Column("heartbeat_at", moment()),
        sa.Column("finished_at", moment()),
        sa.PrimaryKeyConstraint("id", name="pk_requests"),
    )
    op.create_index("ix_requests_state_created_at", "requests", ["state", "created_at"])
    op.create_index("ix_requests_user_id_created_at", "requests", ["user_id", "created_at"])
    op.create_index("ix_requests_guild_id_created_at", "requests", ["guild_id", "created_at"])
    op.create_index(
        "uq_requests_running_user",
        "requests",
        ["user_id"],
        unique=True,
        sqlite_where=RUNNING,
        postgresql_where=RUNNING,
    )
    op.create_table(
        "artifacts",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("request_id", row_id(), nullable=False),
        sa.Column("kind", sa.String(16), nullable=False),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["requests.id"],
            name="fk_artifacts_request_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_artifacts"),
    )
    op.create_index(
        "uq_artifacts_request_id_kind", "artifacts", ["request_id", "kind"], unique=True
    )
    op.create_table(
        "events",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("request_id", row_id(), nullable=False),
        sa.Column("at", moment(), nullable=False),
        sa.Column("old", sa.String(16)),
        sa.Column("new", sa.String(16), nullable=False),
        sa.Column("why", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["request_id"],
            ["requests.id"],
            name="fk_events_request_id",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id", name="pk_events"),
    )
    op.create_index("ix_events_request_id", "events", ["request_id"])
