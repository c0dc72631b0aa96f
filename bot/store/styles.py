"""The styles that guilds teach the models."""

from __future__ import annotations

from collections.abc import Mapping

from sqlalchemy import ColumnElement, and_, insert, or_, select, update
from sqlalchemy.exc import IntegrityError

from bot.store import mapping
from bot.store.database import Database
from bot.store.shapes import NewStyle, Style
from bot.store.tables import styles

_KEPT = styles.c.deleted_at.is_(None)


class Styles:
    """Everything about styles; whoever asks names the guild, and sees no other guild's."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def create(self, new: NewStyle) -> Style | None:
        """Make a style; None when the guild has one of that name in the family."""
        values = {
            "guild_id": new.guild_id,
            "family": new.family,
            "name": new.name,
            "folded": folded(new.name),
            "created_by": new.created_by,
            "minimum_mark": new.minimum_mark,
            "published": False,
            "created_at": self._db.clock(),
        }
        try:
            async with self._db.write() as db:
                row = (await db.execute(insert(styles).values(values).returning(styles))).one()
        except IntegrityError:
            return None
        return mapping.style(row)

    async def get(self, style_id: int) -> Style | None:
        """Find a style for the rooms behind, deleted ones too; nobody's right to see it counts."""
        async with self._db.read() as db:
            row = (await db.execute(select(styles).where(styles.c.id == style_id))).one_or_none()
        return None if row is None else mapping.style(row)

    async def of(self, guild_id: int | None, family: str | None = None) -> list[Style]:
        """List a guild's own styles, by name."""
        if guild_id is None:
            return []
        return await self._list(styles.c.guild_id == guild_id, family)

    async def visible(self, guild_id: int | None, family: str | None = None) -> list[Style]:
        """List the styles a guild may use: its own first, then those published to all."""
        mine = styles.c.guild_id == guild_id
        found = await self._list(or_(mine, styles.c.published), family)
        return sorted(found, key=lambda style: style.guild_id != guild_id)

    async def change(
        self, style_id: int, *, published: bool | None = None, minimum_mark: float | None = None
    ) -> Style | None:
        """Change what is given; None when the style is gone."""
        given = {"published": published, "minimum_mark": minimum_mark}
        values = {name: value for name, value in given.items() if value is not None}
        return await self._update(style_id, values)

    async def delete(self, style_id: int) -> Style | None:
        """Delete a style, keeping its row for the runs that name it; None when it is gone."""
        return await self._update(style_id, {"deleted_at": self._db.clock(), "published": False})

    async def _update(self, style_id: int, values: Mapping[str, object]) -> Style | None:
        changed = update(styles).where(and_(styles.c.id == style_id, _KEPT)).values(**values)
        async with self._db.write() as db:
            row = (await db.execute(changed.returning(styles))).one_or_none()
        return None if row is None else mapping.style(row)

    async def _list(self, where: ColumnElement[bool], family: str | None) -> list[Style]:
        asked = select(styles).where(_KEPT, where).order_by(styles.c.folded, styles.c.id)
        if family is not None:
            asked = asked.where(styles.c.family == family)
        async with self._db.read() as db:
            return [mapping.style(row) for row in (await db.execute(asked)).all()]


def folded(name: str) -> str:
    """Write a name as names are compared."""
    return name.strip().casefold()


def pick(found: list[Style], wanted: str) -> Style | None:
    """Choose the style somebody named, by its name or its key, the guild's own before others."""
    name = folded(wanted)
    by_name = next((style for style in found if folded(style.name) == name), None)
    return by_name or next((style for style in found if style.key == name), None)
