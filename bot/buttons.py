"""The buttons under a card. They remember nothing but their custom id, so they outlive restarts."""

from __future__ import annotations

import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Self

import discord

from bot import cards
from bot.commands.common import (
    Interaction,
    Refusal,
    find_request,
    house_of,
    may_manage,
    whisper,
    words_for,
    words_here,
)
from bot.commands.edit import show_edit
from bot.commands.errors import guarded
from bot.commands.file_button import hand_over
from bot.commands.submit import kept_sample, submit
from bot.own_styles import style_of
from bot.parameters import BeatParameters
from bot.store.shapes import Request
from bot.store.states import State
from models.contract import BeatTake, EssayDone

#: How many relatives of a beat the button draws from: short enough a number to read on a card.
VARIATIONS = 999

Button = discord.ui.Button[discord.ui.View]


class SafeButton(discord.ui.DynamicItem[Button], template=r"gw-base"):
    """A button that always answers: discord.py itself would log an error and stay silent.

    Subclasses give a template and ``press``; the matched groups are in ``parts``.
    """

    def __init__(self, item: Button, parts: Mapping[str, str | None]) -> None:
        super().__init__(item)
        self.parts = parts

    @classmethod
    async def from_custom_id(
        cls, interaction: Interaction, item: discord.ui.Item[Any], match: re.Match[str], /
    ) -> Self:
        """Make the button anew from its message; must not fail, so it looks up nothing."""
        assert isinstance(item, discord.ui.Button)
        return cls(item, match.groupdict())

    async def callback(self, interaction: Interaction) -> None:
        """Do what the button says, or say in one sentence why not."""
        await guarded(interaction, self.press)

    async def press(self, interaction: Interaction) -> None:
        """Do what the button says."""
        raise NotImplementedError


class ResultButton(SafeButton, template=cards.BUTTON_ID):
    """A button under the card of a request."""

    async def press(self, interaction: Interaction) -> None:
        """Find the request, if the person may see it, and act."""
        act, number = self.parts["act"], self.parts["id"]
        handler = _ACTS.get(act or "")
        if handler is None or number is None:
            raise Refusal("reply.unknown_command")
        request = await find_request(interaction, int(number))
        await handler(interaction, request, self.parts["arg"])


async def _again(interaction: Interaction, request: Request, _: str | None) -> None:
    values = request.parameters.model_dump(mode="json", exclude={"variation"})
    sample = kept_sample(interaction, request)
    await submit(interaction, request.kind, values, parent_id=request.id, sample=sample)


async def _vary(interaction: Interaction, request: Request, _: str | None) -> None:
    """Play a near relative: the same seed, moved a little in the space of the model."""
    take, asked = request.outcome, request.parameters
    if not isinstance(take, BeatTake) or not isinstance(asked, BeatParameters):
        raise Refusal("reply.unavailable_yet")
    values = {
        "style": take.style,
        "version": asked.version,
        "bpm": take.bpm,
        "bars": take.bars,
        "key": take.key,
        "energy": asked.energy,
        "format": asked.format.value,
        "seed": request.seed,
        "variation": _another(asked.variation),
    }
    sample = kept_sample(interaction, request)
    await submit(interaction, "beat", values, parent_id=request.id, sample=sample)


def _another(variation: int) -> int:
    """Draw a variation that is neither the song itself nor the one at hand."""
    drawn = 1 + secrets.randbelow(VARIATIONS - 1)
    return drawn if drawn != variation else VARIATIONS


async def _edit(interaction: Interaction, request: Request, _: str | None) -> None:
    await show_edit(interaction, request)


async def _rate(interaction: Interaction, request: Request, value: int) -> None:
    if request.outcome is None:
        raise Refusal("reply.unavailable_yet")
    store = house_of(interaction).store
    await store.ratings.rate(request.id, interaction.user.id, value, request.model_version)
    await whisper(interaction, words_for(interaction)("reply.rated"))


async def _up(interaction: Interaction, request: Request, _: str | None) -> None:
    await _rate(interaction, request, 1)


async def _down(interaction: Interaction, request: Request, _: str | None) -> None:
    await _rate(interaction, request, -1)


async def _learn(interaction: Interaction, request: Request, _: str | None) -> None:
    """Let the style learn from this, or take that back; only its author can, and an admin must."""
    if request.user_id != interaction.user.id:
        raise Refusal("learn.not_yours")
    store, say = house_of(interaction).store, words_for(interaction)
    style_id = style_of(request.parameters)
    style = await store.styles.get(style_id) if style_id is not None else None
    if style is None or style.deleted_at is not None or style.guild_id != request.guild_id:
        raise Refusal("learn.elsewhere")
    if await store.offers.make(request.id, style.id, request.user_id):
        await whisper(interaction, say("learn.offered"))
    elif await store.offers.withdraw(request.id):
        await whisper(interaction, say("learn.withdrawn"))
    else:
        raise Refusal("reply.over")


async def _delete(interaction: Interaction, request: Request, _: str | None) -> None:
    """Take the message away; the result itself stays with its owner."""
    if not may_manage(interaction, request):
        raise Refusal("reply.not_yours")
    if not request.is_final:
        raise Refusal("reply.still_open")
    await interaction.response.defer()
    # Of a button's interaction, the original response is the message it stands on.
    await interaction.delete_original_response()


async def _cancel(interaction: Interaction, request: Request, _: str | None) -> None:
    if not may_manage(interaction, request):
        raise Refusal("reply.not_yours")
    await interaction.response.defer()
    after = await house_of(interaction).worker.cancel(request.id)
    if after is None:
        await _show_end(interaction, request.id)
        raise Refusal("reply.over")
    if after.state is not State.CANCELLED:
        await whisper(interaction, words_for(interaction)("reply.cancelling"))


async def _show_end(interaction: Interaction, request_id: int) -> None:
    """Let a card say how it ended: a crash may have come between the end and the last word."""
    ended = await house_of(interaction).store.requests.get(request_id)
    if ended is None or not ended.is_final or ended.outcome is not None:
        return
    say = await words_here(interaction)
    card = cards.ended(say, ended, ended.state, ended.error or say("card.cancelled"))
    await interaction.edit_original_response(embed=card.embed, view=card.view)


async def _page(interaction: Interaction, request: Request, arg: str | None) -> None:
    """Turn a page: for its owner on the card itself, for others where only they see it."""
    done, number = request.outcome, int(arg or 0)
    if not isinstance(done, EssayDone):
        raise Refusal("reply.unavailable_yet")
    if interaction.user.id == request.user_id:
        say = await words_here(interaction)
        card = cards.essay(say, request, done, (), room=0, page=number)
        await interaction.response.edit_message(embed=card.embed, view=card.view)
        return
    say = words_for(interaction)
    embed = cards.essay(say, request, done, (), room=0, page=number).embed
    last = len(cards.essay_pages(done))
    view = cards.view_of(cards.page_buttons(say, request.id, min(number, last - 1), last))
    message = interaction.message
    if message is not None and message.flags.ephemeral:
        await interaction.response.edit_message(embed=embed, view=view)
    else:
        await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


_ACTS: Mapping[str, Callable[[Interaction, Request, str | None], Awaitable[None]]] = {
    "again": _again,
    "vary": _vary,
    "edit": _edit,
    "file": hand_over,
    "up": _up,
    "down": _down,
    "learn": _learn,
    "delete": _delete,
    "cancel": _cancel,
    "page": _page,
}
