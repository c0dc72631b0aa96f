"""``/model``: the versions of the models and styles: list, card, promote, roll back."""

from __future__ import annotations

import asyncio
import time

import discord
from discord import app_commands

from bot.commands import model_view
from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    answer_with,
    house_of,
    require_style_admin,
    words_for,
)
from bot.commands.menu import AdminGroup, Callback, families, options
from bot.commands.model_view import Scope, scope_of
from bot.commands.suggestions import forgiving, own_styles
from bot.limits import CHOICES
from bot.versions import CANDIDATE, LIVE
from models.contract import Family
from models.registry import DamagedVersion

model = AdminGroup("model", require_style_admin, dms=True)


def _which(callback: Callback) -> Callback:
    """Let people say what a command is about: a style, or the model that all share."""
    named = options("model", style="style.style", family="train.start.family")
    return named(app_commands.choices(family=families())(callback))


async def _scope(
    interaction: Interaction, family: str | None, style: str | None, *, moving: bool
) -> Scope:
    if (family is None) == (style is None):
        raise Refusal("train.which")
    return await scope_of(interaction, Family(family or Family.ESSAY), style, moving=moving)


@model.sub("list")
@_which
async def list_(
    interaction: Interaction, style: str | None = None, family: str | None = None
) -> None:
    """List the versions of a style, or of the model that all share."""
    scope = await _scope(interaction, family, style, moving=False)
    embed = await model_view.listed(words_for(interaction), house_of(interaction), scope)
    await interaction.response.send_message(embed=embed, ephemeral=True)


@model.sub("card")
@options("model", "version")
@_which
async def card(
    interaction: Interaction,
    style: str | None = None,
    family: str | None = None,
    version: str | None = None,
) -> None:
    """Show one version, the live one by default, with its card as a file."""
    scope = await _scope(interaction, family, style, moving=False)
    house, say = house_of(interaction), words_for(interaction)
    name = version or (await scope.aliases(house)).get(LIVE)
    found = next((v for v in await scope.versions(house) if v.name == name), None)
    if found is None:
        raise Refusal("model.unknown", version=(name or "?")[:64])
    try:
        await asyncio.to_thread(found.verify)
    except DamagedVersion:
        raise Refusal("said.version_damaged", version=found.name) from None
    embed = await model_view.card(say, house, scope, found)
    text_of = found.path / "README.md"
    files = [discord.File(text_of, f"{found.name}.md")] if text_of.is_file() else []
    await answer_with(interaction, files, embed=embed)


@model.sub("promote")
@options("model.promote", "version")
@_which
async def promote(
    interaction: Interaction,
    style: str | None = None,
    family: str | None = None,
    version: str | None = None,
) -> None:
    """Show a candidate beside the live version, with the button that makes it live."""
    scope = await _scope(interaction, family, style, moving=True)
    house, say = house_of(interaction), words_for(interaction)
    name = version or (await scope.aliases(house)).get(CANDIDATE)
    if name is None:
        raise Refusal("model.no_candidate")
    if not await scope.has(interaction, name):
        raise Refusal("model.unknown", version=name[:64])
    run = await house.store.runs.of_version(scope.family.value, name)
    embed = (
        await model_view.comparison(say, house, run)
        if run is not None
        else discord.Embed(title=name, description=say("model.no_figures"))
    )
    style_id = scope.style.id if scope.style is not None else None
    view = model_view.promote_row(say, scope.family.value, style_id, name)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


@model.sub("rollback")
@_which
async def rollback(
    interaction: Interaction, style: str | None = None, family: str | None = None
) -> None:
    """Make the version before the live one live again, at once."""
    scope = await _scope(interaction, family, style, moving=True)
    await interaction.response.defer(ephemeral=True, thinking=True)
    begun = time.monotonic()
    now = await house_of(interaction).keeper.versions.rollback(
        scope.family, scope.key, f"rolled back by {interaction.user.id}"
    )
    say = words_for(interaction)
    seconds = f"{time.monotonic() - begun:.1f}"
    await interaction.followup.send(
        say("model.rolled_back", version=now.name, seconds=seconds), ephemeral=True
    )


for _command in (list_, card, promote, rollback):
    _command.autocomplete("style")(own_styles)


@card.autocomplete("version")
@promote.autocomplete("version")
@forgiving
async def _version(interaction: Interaction, typed: str) -> list[Choice[str]]:
    await require_style_admin(interaction)
    chosen = vars(interaction.namespace)  # by the names that Discord shows
    scope = await _scope(interaction, chosen.get("model"), chosen.get("style"), moving=False)
    found = await scope.versions(house_of(interaction))
    return [Choice(name=v.name, value=v.name) for v in found if typed in v.name][:CHOICES]


COMMANDS = (model,)
