"""The buttons of training runs: start, stop, resume, compare, and those of versions."""

from __future__ import annotations

import discord

from bot import cards
from bot.buttons import SafeButton
from bot.commands.common import (
    Interaction,
    Refusal,
    house_of,
    require_style_admin,
    whisper,
    words_for,
    words_here,
)
from bot.commands.model_view import comparison, promote_row, scope_of
from bot.commands.run_access import Order, find_run, order
from bot.commands.run_card import face
from bot.store.shapes import Run
from bot.words import Words
from models.contract import Family


def confirm_row(say: Words, asked: Order) -> discord.ui.View:
    """Make the buttons under the question whether a run may start."""
    style = asked.style.id if asked.style is not None else 0
    place = f"{asked.family.value}:{style}"
    return cards.view_of(
        [
            discord.ui.Button(
                label=say("train.start_button"),
                custom_id=f"gwt:go:{place}:{asked.minutes}:{asked.preset}",
                emoji="🏋️",
                style=discord.ButtonStyle.primary,
            ),
            discord.ui.Button(label=say("button.cancel"), custom_id=f"gwt:no:{place}"),
        ]
    )


class RunButton(
    SafeButton,
    template=r"gwt:(?P<act>[a-z]+):(?P<family>essay|music):(?P<id>\d{1,18})"
    r"(?::(?P<minutes>\d{1,4}):(?P<preset>cpu|gpu|tiny))?",
):
    """A button under a run, or under the question whether one may start."""

    async def press(self, interaction: Interaction) -> None:
        """Check again who presses it, and act."""
        await require_style_admin(interaction)
        number = int(self.parts["id"] or 0)
        match self.parts["act"]:
            case "go":
                await self._go(interaction, number)
            case "no":
                say = await words_here(interaction)
                await interaction.response.edit_message(
                    content=say("train.not_started"), embed=None, view=None
                )
            case "stop":
                await _stop(interaction, await find_run(interaction, number))
            case "resume":
                await resume_here(interaction, await find_run(interaction, number))
            case "compare":
                await _compare(interaction, await find_run(interaction, number))
            case _:
                raise Refusal("reply.unknown_command")

    async def _go(self, interaction: Interaction, style_id: int) -> None:
        family, minutes = self.parts["family"], int(self.parts["minutes"] or 0)
        preset = self.parts["preset"] or "cpu"
        style = f"s{style_id}" if style_id else None
        asked = await order(interaction, style, None if style_id else family, minutes, preset)
        house, say = house_of(interaction), await words_here(interaction)
        assert interaction.message is not None
        run = await house.keeper.start(
            asked.family,
            asked.minutes,
            by=interaction.user.id,
            style=asked.style,
            preset=asked.preset,
            guild_id=interaction.guild_id,
            channel_id=interaction.channel_id,
            message_id=interaction.message.id,
            locale=say.locale,
        )
        card = await face(house, say, run, None)
        await interaction.response.edit_message(content=None, embed=card.embed, view=card.view)
        await _remember(interaction, run, interaction.message.id)


class VersionButton(
    SafeButton,
    template=r"gwv:(?P<act>promote):(?P<family>essay|music):(?P<style>\d{1,18})"
    r":(?P<version>[a-z0-9][a-z0-9._-]{0,63})",
):
    """The button that makes a candidate live."""

    async def press(self, interaction: Interaction) -> None:
        """Check again who presses it; verify, move, load."""
        family = Family(str(self.parts["family"]))
        number = int(self.parts["style"] or 0)
        scope = await scope_of(interaction, family, f"s{number}" if number else None)
        name = str(self.parts["version"])
        if not await scope.has(interaction, name):
            raise Refusal("model.unknown", version=name)
        await interaction.response.defer()
        versions = house_of(interaction).keeper.versions
        await versions.promote(family, scope.key, name, f"promoted by {interaction.user.id}")
        say = words_for(interaction)
        await interaction.edit_original_response(
            content=say("model.promoted", version=name), view=None
        )


async def resume_here(interaction: Interaction, run: Run) -> None:
    """Go on with a run; its new card is the answer."""
    house, say = house_of(interaction), await words_here(interaction)
    again = await house.keeper.resume(
        run, by=interaction.user.id, channel_id=interaction.channel_id, locale=say.locale
    )
    card = await face(house, say, again, None)
    sent = await interaction.response.send_message(embed=card.embed, view=card.view)
    await _remember(interaction, again, sent.message_id)


async def _remember(interaction: Interaction, run: Run, message_id: int | None) -> None:
    """Keep which message shows a run; one that ended before has not been shown yet."""
    house = house_of(interaction)
    await house.store.runs.set_message(run.id, interaction.channel_id, message_id)
    now = await house.store.runs.get(run.id)
    if now is not None and now.finished_at is not None:
        await house.keeper.show_end(now)


async def _stop(interaction: Interaction, run: Run) -> None:
    stopped = await house_of(interaction).keeper.stop(Family(run.family), run.id)
    if not stopped:
        raise Refusal("reply.over")
    await whisper(interaction, words_for(interaction)("reply.cancelling"))


async def _compare(interaction: Interaction, run: Run) -> None:
    """Show the figures of a refused version beside those of the live one."""
    if run.version is None:
        raise Refusal("reply.unavailable_yet")
    say = words_for(interaction)
    embed = await comparison(say, house_of(interaction), run)
    view = promote_row(say, run.family, run.style_id, run.version)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)
