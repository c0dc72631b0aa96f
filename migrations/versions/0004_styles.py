"""Styles of guilds, their documents, what authors offer, and runs of a style.

Reason: a guild teaches the models its own manner and may take documents back.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.columns import moment, row_id

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

KEPT = sa.text("deleted_at IS NULL")


def upgrade() -> None:
    with op.batch_alter_table("runs") as runs:
        runs.add_column(sa.Column("style_id", row_id()))
        runs.add_column(sa.Column("preset", sa.String(16)))
        runs.add_column(sa.Column("resumes", row_id()))
        runs.add_column(sa.Column("record", sa.JSON()))
    op.create_table(
        "styles",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("guild_id", sa.BigInteger(), nullable=False),
        sa.Column("family", sa.String(16), nullable=False),
        sa.Column("name", sa.String(64), nullable=False),
        sa.Column("folded", sa.String(128), nullable=False),
        sa.Column("created_by", sa.BigInteger(), nullable=False),
        sa.Column("minimum_mark", sa.Float(), nullable=False),
        sa.Column("published", sa.Boolean(), nullable=False),
        sa.Column("created_at", moment(), nullable=False),
        sa.Column("deleted_at", moment()),
        sa.PrimaryKeyConstraint("id", name="pk_styles"),
    )
    op.create_index("ix_styles_guild_id", "styles", ["guild_id"])
    op.create_index(
        "uq_styles_name",
        "styles",
        ["guild_id", "family", "folded"],
        unique=True,
        sqlite_where=KEPT,
        postgresql_where=KEPT,
    )
    _documents()
    _offers()


def _documents() -> None:
    op.create_table(
        "documents",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("style_id", row_id(), nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("name", sa.String(128), nullable=False),
        sa.Column("title", sa.String(256), nullable=False),
        sa.Column("mark", sa.Float()),
        sa.Column("language", sa.String(8)),
        sa.Column("words", sa.Integer()),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("sketch", sa.JSON(), nullable=False),
        sa.Column("added_by", sa.BigInteger(), nullable=False),
        sa.Column("request_id", row_id()),
        sa.Column("added_at", moment(), nullable=False),
        sa.Column("removed_at", moment()),
        sa.ForeignKeyConstraint(
            ["style_id"], ["styles.id"], name="fk_documents_style_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name="pk_documents"),
    )
    op.create_index(
        "uq_documents_style_id_sha256", "documents", ["style_id", "sha256"], unique=True
    )


def _offers() -> None:
    op.create_table(
        "offers",
        sa.Column("request_id", row_id(), nullable=False),
        sa.Column("style_id", row_id(), nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("offered_at", moment(), nullable=False),
        sa.Column("decided_by", sa.BigInteger()),
        sa.Column("accepted", sa.Boolean()),
        sa.Column("decided_at", moment()),
        sa.ForeignKeyConstraint(
            ["request_id"], ["requests.id"], name="fk_offers_request_id", ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["style_id"], ["styles.id"], name="fk_offers_style_id", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("request_id", name="pk_offers"),
    )
    op.create_index("ix_offers_style_id", "offers", ["style_id"])
