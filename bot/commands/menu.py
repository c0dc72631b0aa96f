"""How commands stand in Discord's menus: named from the words, and open to whom and where."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, TypeVar

import discord
from discord import app_commands

from bot.commands.common import Choice, Interaction, Refusal
from bot.words import FALLBACK, base, words
from models.contract import Family

Callback = Callable[..., Coroutine[Any, Any, None]]
Command = app_commands.Command[Any, ..., None]
#: Raises Refusal for whoever may not.
Check = Callable[[Interaction], Awaitable[None]]
AnyCallback = TypeVar("AnyCallback", bound=Callback)


def text(key: str) -> app_commands.locale_str:
    """Take a name or description from the English words; the translator finds the others."""
    return app_commands.locale_str(words(FALLBACK)(key), key=key)


class Translator(app_commands.Translator):
    """Gives Discord the names and descriptions in the other languages we speak."""

    async def translate(
        self,
        string: app_commands.locale_str,
        locale: discord.Locale,
        context: app_commands.TranslationContextTypes,
    ) -> str | None:
        """Look a name or description up; None leaves the English one."""
        short = base(locale.value)
        key = string.extras.get("key")
        if short == FALLBACK or key is None:
            return None
        return words(short).find(key)


def command(key: str) -> Callable[[Callback], Command]:
    """Make a command that may be used everywhere, named by ``command.<key>`` of the words."""
    made = app_commands.command(
        name=text(f"command.{key}.name"), description=text(f"command.{key}.description")
    )
    return lambda callback: made(_everywhere(callback))


def message_menu(key: str) -> Callable[[Callback], app_commands.ContextMenu]:
    """Make an entry in the menu of messages, named by ``menu.<key>`` of the words."""
    made = app_commands.context_menu(name=text(f"menu.{key}"))
    return lambda callback: made(_everywhere(callback))


def _everywhere(callback: Callback) -> Callback:
    """Let a command be installed by servers and people, and used wherever they write."""
    installed = app_commands.allowed_installs(guilds=True, users=True)
    used = app_commands.allowed_contexts(guilds=True, dms=True, private_channels=True)
    return installed(used(callback))


def options(key: str, *same: str, **elsewhere: str) -> Callable[[AnyCallback], AnyCallback]:
    """Name and describe options by ``command.<key>.<option>``, or by what is given for them."""
    places = {option: f"{key}.{option}" for option in same} | elsewhere
    named = {option: text(f"command.{place}.name") for option, place in places.items()}
    told = {option: text(f"command.{place}.description") for option, place in places.items()}
    return lambda callback: app_commands.rename(**named)(app_commands.describe(**told)(callback))


def families() -> list[Choice[str]]:
    """Offer the families of models."""
    return [Choice(name=text(f"train.{family}"), value=family.value) for family in Family]


class AdminGroup(app_commands.Group):
    """Commands for those who manage a server, and perhaps for those who run the bot in a DM."""

    def __init__(self, key: str, check: Check, *, dms: bool = False) -> None:
        super().__init__(
            name=text(f"command.{key}.name"),
            description=text(f"command.{key}.description"),
            default_permissions=discord.Permissions(manage_guild=True),
            allowed_installs=app_commands.AppInstallationType(guild=True),
            allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=dms or None),
        )
        self._words = f"command.{key}"
        self._check = check
        self._dms = dms

    def sub(self, key: str) -> Callable[[Callback], Command]:
        """Make a command of this group, named by its own part of the words."""
        return self.command(
            name=text(f"{self._words}.{key}.name"),
            description=text(f"{self._words}.{key}.description"),
        )

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Refuse as the command runs: Discord's own permission is a hint that servers can lift."""
        if interaction.guild_id is None and not self._dms:
            raise Refusal("reply.server_only")
        await self._check(interaction)
        return True
