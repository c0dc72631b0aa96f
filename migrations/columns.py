"""Column types as they were when the migrations were written."""

from __future__ import annotations

import sqlalchemy as sa


def row_id() -> sa.types.TypeEngine[int]:
    """Key that SQLite counts up by itself."""
    return sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def moment() -> sa.DateTime:
    """UTC."""
    return sa.DateTime(timezone=True)
