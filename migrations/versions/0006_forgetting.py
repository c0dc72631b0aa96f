"""Numbers that no other row ever gets again, and a mark for what is to be deleted when it is over.

Reason: people delete what they asked for, also while it is being delivered, and old buttons must
not find a stranger's request. SQLite gives the highest number again once its row is gone, unless it
is told AUTOINCREMENT.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from migrations.columns import moment

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

WISHED = sa.text("forgotten_at IS NOT NULL")
#: Tables whose numbers outlive their rows, and where else a number of theirs may be known.
NUMBERED = {
    "requests": (
        "SELECT id FROM requests",
        "SELECT parent_id FROM requests",
        "SELECT request_id FROM documents",
    ),
    "runs": ("SELECT id FROM runs", "SELECT resumes FROM runs"),
    "styles": ("SELECT id FROM styles", "SELECT style_id FROM runs"),
    "documents": (
        "SELECT id FROM documents",
        *(
            "SELECT json_extract(one.value, '$.id') "
            f"FROM runs, json_each(runs.record, '$.{part}') AS one"
            for part in ("documents", "absent")
        ),
    ),
}


def upgrade() -> None:
    _number()
    op.add_column("requests", sa.Column("forgotten_at", moment()))
    op.create_index(
        "ix_requests_forgotten_at",
        "requests",
        ["forgotten_at"],
        sqlite_where=WISHED,
        postgresql_where=WISHED,
    )


def _number() -> None:
    """Make the tables anew, with all that is in them, where they give numbers twice."""
    if op.get_bind().dialect.name != "sqlite":
        return  # a sequence never goes back
    if op.get_bind().exec_driver_sql("PRAGMA foreign_keys").scalar_one():
        raise RuntimeError("foreign keys are on: the old tables would take rows along")
    for table, known in NUMBERED.items():
        with op.batch_alter_table(
            table, recreate="always", table_kwargs={"sqlite_autoincrement": True}
        ):
            pass
        _count_on(table, known)


def _count_on(table: str, known: tuple[str, ...]) -> None:
    """Let the next number of a table be above every one that is known."""
    highest = sa.text(f"SELECT coalesce(max(id), 0) FROM ({' UNION ALL '.join(known)})")
    number = op.get_bind().execute(highest).scalar_one()
    op.execute(sa.text("DELETE FROM sqlite_sequence WHERE name = :t").bindparams(t=table))
    row = sa.text("INSERT INTO sqlite_sequence (name, seq) VALUES (:t, :n)")
    op.execute(row.bindparams(t=table, n=number))
