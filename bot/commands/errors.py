"""What a person reads when something fails: one plain sentence, only for them."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable

import aiohttp
import discord
import structlog
from discord import app_commands

from bot import metrics
from bot.cards import plain
from bot.commands.common import Interaction, Refusal, whisper, words_for
from bot.sentences import Objection
from bot.verdicts import Verdict, judge
from bot.words import Words

log = structlog.get_logger(__name__)


class Tree(app_commands.CommandTree[discord.Client]):
    """A command tree whose every error is answered."""

    async def on_error(
        self, interaction: Interaction, error: app_commands.AppCommandError, /
    ) -> None:
        """Answer an error of a command."""
        await answer(interaction, error)


async def guarded(interaction: Interaction, act: Callable[[Interaction], Awaitable[None]]) -> None:
    """Run a handler that discord.py would let fail in silence."""
    try:
        await act(interaction)
    except Exception as error:
        await answer(interaction, error)


async def answer(interaction: Interaction, error: Exception) -> None:
    """Say one sentence about an error; never raise."""
    cause = error.original if isinstance(error, app_commands.CommandInvokeError) else error
    if _is_over(cause):
        # Now and then Discord drops an interaction before we can answer; nobody can be told.
        log.warning("interaction was over", kind=type(cause).__name__)
        return
    if interaction.type is discord.InteractionType.autocomplete:
        log.warning("autocomplete failed", error=type(cause).__name__)
        return
    try:
        await whisper(interaction, sentence(words_for(interaction), cause))
    except (discord.HTTPException, aiohttp.ClientError, OSError) as failed:
        log.warning("error could not be told", error=type(failed).__name__)


def sentence(say: Words, error: Exception) -> str:
    """Choose the sentence for an error; one nobody expected is logged under a reference."""
    match error:
        case Refusal():
            return say(error.key, **{name: _safe(value) for name, value in error.values.items()})
        case Objection():
            return plain(say.say(error.sentence))
        case app_commands.CommandOnCooldown():
            return say("reply.slow_down", seconds=max(1, round(error.retry_after)))
        case app_commands.NoPrivateMessage():
            return say("reply.server_only")
        case app_commands.BotMissingPermissions():
            return say("reply.bot_permission", permissions=", ".join(error.missing_permissions))
        case app_commands.CheckFailure():
            return say("reply.missing_permission")
        case app_commands.CommandSignatureMismatch() | app_commands.CommandNotFound():
            return say("reply.unknown_command")
        case discord.Forbidden():
            return say("reply.bot_permission", permissions=error.text or "?")
    metrics.UNEXPECTED.inc()
    reference = secrets.token_hex(3)
    log.error("unexpected error", reference=reference, exc_info=error)
    return say("reply.trouble", reference=reference)


def _safe(value: object) -> object:
    return plain(value) if isinstance(value, str) else value


def _is_over(error: Exception) -> bool:
    if not isinstance(error, discord.HTTPException):
        return isinstance(error, discord.InteractionResponded)
    return judge(error.code, error.status) in (Verdict.DEAD_TOKEN, Verdict.TAKEN)
