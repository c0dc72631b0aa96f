"""What each guild has chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sqlalchemy import delete, select, update

from bot.store.database import Database
from bot.store.shapes import GuildSettings
from bot.store.tables import guilds

#: Says what changes of the choices there are.
Changes = Callable[[GuildSettings], Mapping[str, object]]


class Guilds:
    """Everything about guilds."""

    def __init__(self, database: Database) -> None:
        self._db = database

    async def get(self, guild_id: int | None) -> GuildSettings:
        """Read a guild's choices; the defaults where it made none, or in a DM."""
        if guild_id is None:
            return GuildSettings()
        async with self._db.read() as db:
            asked = select(guilds.c.settings).where(guilds.c.id == guild_id)
            chosen = (await db.execute(asked)).scalar_one_or_none()
        return GuildSettings() if chosen is None else GuildSettings.model_validate(chosen)

    async def change(self, guild_id: int, **changes: object) -> GuildSettings:
        """Change some of a guild's choices; raise pydantic's ValidationError for a wrong one."""
        return await self.revise(guild_id, lambda _: changes)

    async def revise(self, guild_id: int, changes: Changes) -> GuildSettings:
        """Change choices by what they are now: nobody else changes them in between."""
        now = self._db.clock()
        mine = guilds.c.id == guild_id
        # A row that is not there yet cannot be locked.
        empty = self._db.insert(guilds).values(id=guild_id, settings={}, updated_at=now)
        async with self._db.write() as db:
            await db.execute(empty.on_conflict_do_nothing())
            asked = select(guilds.c.settings).where(mine).with_for_update()
            chosen = GuildSettings.model_validate((await db.execute(asked)).scalar_one())
            settings = GuildSettings.model_validate({**chosen.model_dump(), **changes(chosen)})
            values = {"settings": settings.model_dump(mode="json"), "updated_at": now}
            await db.execute(update(guilds).where(mine).values(**values))
        return settings

    async def forget(self, guild_id: int) -> None:
        """Drop the choices of a guild that the bot has left."""
        async with self._db.write() as db:
            await db.execute(delete(guilds).where(guilds.c.id == guild_id))
