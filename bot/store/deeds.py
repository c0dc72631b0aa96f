"""What people did as admins: it stays when they are forgotten, and their ids go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Select, Text, cast, select, update

from bot.store.database import Database
from bot.store.shapes import NOBODY, GuildSettings
from bot.store.tables import documents, guilds, offers, runs, styles


@dataclass(frozen=True)
class Deed:
    """One thing that a person did for a guild, or is there."""

    #: The table that tells; "guilds" where they are on the list of admins.
    what: str
    #: Number of what they made or decided; for an admin the guild.
    id: int
    guild_id: int | None
    at: datetime | None


#: Columns that name an admin, each with what it tells.
_DOERS = {
    styles.c.created_by: select(styles.c.id, styles.c.guild_id, styles.c.created_at),
    documents.c.added_by: select(documents.c.id, styles.c.guild_id, documents.c.added_at).join(
        styles, styles.c.id == documents.c.style_id
    ),
    runs.c.requested_by: select(runs.c.id, runs.c.guild_id, runs.c.created_at),
    offers.c.decided_by: select(offers.c.request_id, styles.c.guild_id, offers.c.decided_at).join(
        styles, styles.c.id == offers.c.style_id
    ),
}


class Deeds:
    """Everything about who did what for a guild."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def of(self, user_id: int) -> list[Deed]:
        """List what a person did, kind by kind, and the guilds that list them as an admin."""
        found = []
        async with self._db.read() as db:
            for doer, asked in _DOERS.items():
                rows = await db.execute(asked.where(doer == user_id).order_by(doer.table.c[0]))
                found += [Deed(doer.table.name, *row) for row in rows.all()]
            listed = (await db.execute(_listing(user_id))).all()
        admin_of = [row.id for row in listed if user_id in _admins(row.settings)]
        return found + [Deed("guilds", guild, guild, None) for guild in admin_of]

    async def forget(self, user_id: int) -> None:
        """Keep what a person did, forget that it was them, and take them off the admins' lists."""
        async with self._db.write() as db:
            for doer in _DOERS:
                await db.execute(
                    update(doer.table).where(doer == user_id).values({doer.name: NOBODY})
                )
            for row in (await db.execute(_listing(user_id).with_for_update())).all():
                others = [admin for admin in _admins(row.settings) if admin != user_id]
                changed = {**row.settings, "admin_ids": others}
                mine = update(guilds).where(guilds.c.id == row.id)
                await db.execute(mine.values(settings=changed, updated_at=self._db.clock()))


def _listing(user_id: int) -> Select[Any]:
    """Find the guilds in whose settings the number occurs."""
    written = cast(guilds.c.settings, Text)
    return select(guilds.c.id, guilds.c.settings).where(written.contains(str(user_id)))


def _admins(settings: object) -> tuple[int, ...]:
    return GuildSettings.model_validate(settings).admin_ids
