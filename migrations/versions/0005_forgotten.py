"""How much forgotten people have asked for.

Reason: forgetting somebody deletes their requests, and a day's quota must hold all the same.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.columns import moment, row_id

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "forgotten",
        sa.Column("id", row_id(), autoincrement=True, nullable=False),
        sa.Column("user_id", sa.BigInteger(), nullable=False),
        sa.Column("guild_id", sa.BigInteger()),
        sa.Column("cost", sa.Integer(), nullable=False),
        sa.Column("last_asked_at", moment(), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_forgotten"),
    )
    op.create_index("ix_forgotten_user_id", "forgotten", ["user_id"])
    op.create_index("ix_forgotten_guild_id", "forgotten", ["guild_id"])
    op.create_index("ix_forgotten_last_asked_at", "forgotten", ["last_asked_at"])
