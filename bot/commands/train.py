"""``/train``: start, watch and stop the training of the models, for those who run the bot."""

from __future__ import annotations

import discord
from discord import app_commands

from bot.commands.common import (
    Interaction,
    Refusal,
    house_of,
    is_operator,
    text,
    words_for,
    words_here,
)
from bot.commands.essay import Choice
from bot.commands.run_card import RunCards, embed, picture
from bot.commands.settings import Refused
from bot.runs import MINUTES_MAX, MINUTES_MIN, RunRefused
from bot.sentences import Sentence
from bot.store.shapes import Run
from models.contract import Family

__all__ = ["COMMANDS", "RunCards"]

_FAMILIES = [Choice(name=text(f"train.{family}"), value=family.value) for family in Family]
#: Runs that one answer shows: Discord takes ten embeds.
SHOWN = 6


class Train(app_commands.Group):
    """The group; retraining changes the model of every server, so no server's admins count."""

    async def interaction_check(self, interaction: Interaction, /) -> bool:
        """Let only those in who run this bot, as the command runs."""
        if not is_operator(interaction):
            raise Refused("reply.owner_only")
        return True


train = Train(
    name=text("command.train.name"),
    description=text("command.train.description"),
    default_permissions=discord.Permissions(manage_guild=True),
    allowed_installs=app_commands.AppInstallationType(guild=True),
    allowed_contexts=app_commands.AppCommandContext(guild=True, dm_channel=True),
)


@train.command(
    name=text("command.train.start.name"), description=text("command.train.start.description")
)
@app_commands.rename(
    family=text("command.train.start.family.name"),
    minutes=text("command.train.start.minutes.name"),
)
@app_commands.describe(
    family=text("command.train.start.family.description"),
    minutes=text("command.train.start.minutes.description"),
)
@app_commands.choices(family=_FAMILIES)
async def start(
    interaction: Interaction,
    family: str,
    minutes: app_commands.Range[int, MINUTES_MIN, MINUTES_MAX],
) -> None:
    """Queue a run; its card is the answer."""
    house = house_of(interaction)
    say = await words_here(interaction)
    try:
        run = await house.keeper.start(
            Family(family),
            minutes,
            by=interaction.user.id,
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id,
            locale=say.locale,
        )
    except RunRefused as no:
        raise _refusal(no) from no
    sent = await interaction.response.send_message(embed=embed(say, run))
    await house.store.runs.set_message(run.id, interaction.channel_id, sent.message_id)
    # A run that ended before its message was known has not been shown yet.
    now = await house.store.runs.get(run.id)
    if now is not None and now.finished_at is not None:
        await house.keeper.show_end(now)


@train.command(
    name=text("command.train.status.name"), description=text("command.train.status.description")
)
async def status(interaction: Interaction) -> None:
    """Show what runs and waits, and the last run of each family."""
    house = house_of(interaction)
    say = words_for(interaction)
    runs = await house.store.runs.open()
    for family in Family:
        if not any(run.family == family.value for run in runs):
            runs += await house.store.runs.history(family.value, limit=1)
    if not runs:
        raise Refusal("train.nothing")
    shown = runs[:SHOWN]
    files = [file for run in shown for file in picture(house.keeper.curve(run))]
    try:
        await interaction.response.send_message(
            embeds=[embed(say, run, house.keeper.last_lines(run)) for run in shown],
            files=files,
            ephemeral=True,
        )
    finally:
        for file in files:  # discord.py closes those of messages, not those of first answers
            file.close()


@train.command(
    name=text("command.train.stop.name"), description=text("command.train.stop.description")
)
@app_commands.rename(family=text("command.train.stop.family.name"))
@app_commands.describe(family=text("command.train.stop.family.description"))
@app_commands.choices(family=_FAMILIES)
async def stop(interaction: Interaction, family: str | None = None) -> None:
    """Stop the runs of a family, or of all."""
    keeper = house_of(interaction).keeper
    families = [Family(family)] if family is not None else list(Family)
    stopped: list[Run] = [run for one in families for run in await keeper.stop(one)]
    if not stopped:
        raise Refusal("train.no_run")
    say = words_for(interaction)
    await interaction.response.send_message(
        embeds=[embed(say, run) for run in stopped], ephemeral=True
    )


def _refusal(no: RunRefused) -> Refusal:
    """Make what the keeper says sayable in every language."""
    sentence = no.sentence
    if not isinstance(sentence, Sentence):
        raise no
    return Refusal(f"said.{sentence.key}", **sentence.values)


COMMANDS = (train,)
