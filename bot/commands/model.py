"""``/model``: the versions of the models and styles: list, card, promote, roll back."""

from __future__ import annotations

import asyncio
import time

import discord
from discord import app_commands

from bot.commands import model_view
from bot.commands.common import (
    Interaction,
    Refusal,
    house_of,
    is_style_admin,
    suggest_own_styles,
    text,
    words_for,
)
from bot.commands.essay import Choice
from bot.commands.model_view import Scope, scope_of
from bot.commands.run_access import AdminGroup, refusal
from bot.limits import CHOICES
from bot.versions import CANDIDATE, LIVE, VersionRefused
from models.contract import Family
from models.registry import DamagedVersion

_FAMILIES = [Choice(name=text(f"train.{family}"), value=family.value) for family in Family]


model = AdminGroup(
    name=text("command.model.name"),
    description=text("command.model.description"),
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_installs=app_commands.AppInstallationType(guild=True),
    allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
)


async def _scope(
    interaction: Interaction, family: str | None, style: str | None, *, moving: bool
) -> Scope:
    if (family is None) == (style is None):
        raise Refusal("train.which")
    return await scope_of(interaction, Family(family or Family.ESSAY), style, moving=moving)


@model.command(
    name=text("command.model.list.name"), description=text("command.model.list.description")
)
@app_commands.rename(
    style=text("command.train.start.style.name"), family=text("command.train.start.family.name")
)
@app_commands.describe(
    style=text("command.style.style.description"),
    family=text("command.train.start.family.description"),
)
@app_commands.choices(family=_FAMILIES)
async def list_(
    interaction: Interaction, style: str | None = None, family: str | None = None
) -> None:
    """List the versions of a style, or of the model that all share."""
    scope = await _scope(interaction, family, style, moving=False)
    embed = await model_view.listed(words_for(interaction), house_of(interaction), scope)
    await interaction.response.send_message(embed=embed, ephemeral=True)


@model.command(
    name=text("command.model.card.name"), description=text("command.model.card.description")
)
@app_commands.rename(
    style=text("command.train.start.style.name"),
    family=text("command.train.start.family.name"),
    version=text("command.model.version.name"),
)
@app_commands.describe(
    style=text("command.style.style.description"),
    family=text("command.train.start.family.description"),
    version=text("command.model.version.description"),
)
@app_commands.choices(family=_FAMILIES)
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
    try:
        await interaction.response.send_message(embed=embed, files=files, ephemeral=True)
    finally:
        for file in files:
            file.close()


@model.command(
    name=text("command.model.promote.name"), description=text("command.model.promote.description")
)
@app_commands.rename(
    style=text("command.train.start.style.name"),
    family=text("command.train.start.family.name"),
    version=text("command.model.version.name"),
)
@app_commands.describe(
    style=text("command.style.style.description"),
    family=text("command.train.start.family.description"),
    version=text("command.model.promote.version.description"),
)
@app_commands.choices(family=_FAMILIES)
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


@model.command(
    name=text("command.model.rollback.name"), description=text("command.model.rollback.description")
)
@app_commands.rename(
    style=text("command.train.start.style.name"), family=text("command.train.start.family.name")
)
@app_commands.describe(
    style=text("command.style.style.description"),
    family=text("command.train.start.family.description"),
)
@app_commands.choices(family=_FAMILIES)
async def rollback(
    interaction: Interaction, style: str | None = None, family: str | None = None
) -> None:
    """Make the version before the live one live again, at once."""
    scope = await _scope(interaction, family, style, moving=True)
    await interaction.response.defer(ephemeral=True, thinking=True)
    begun = time.monotonic()
    try:
        now = await house_of(interaction).keeper.versions.rollback(
            scope.family, scope.key, f"rolled back by {interaction.user.id}"
        )
    except VersionRefused as no:
        raise refusal(no) from no
    say = words_for(interaction)
    seconds = f"{time.monotonic() - begun:.1f}"
    await interaction.followup.send(
        say("model.rolled_back", version=now.name, seconds=seconds), ephemeral=True
    )


@list_.autocomplete("style")
@card.autocomplete("style")
@promote.autocomplete("style")
@rollback.autocomplete("style")
async def _style(interaction: Interaction, typed: str) -> list[Choice[str]]:
    return await suggest_own_styles(interaction, typed) if await is_style_admin(interaction) else []


@card.autocomplete("version")
@promote.autocomplete("version")
async def _version(interaction: Interaction, typed: str) -> list[Choice[str]]:
    if not await is_style_admin(interaction):
        return []
    chosen = interaction.namespace
    scope = await _scope(
        interaction, getattr(chosen, "family", None), getattr(chosen, "style", None), moving=False
    )
    found = await scope.versions(house_of(interaction))
    return [Choice(name=v.name, value=v.name) for v in found if typed in v.name][:CHOICES]


COMMANDS = (model,)
