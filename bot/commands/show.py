"""``/show``: bring back any result one may see, wherever its buttons or message went."""

from __future__ import annotations

import asyncio
from typing import Any

from discord import app_commands

from bot import cards
from bot.cards import Card
from bot.commands.common import (
    Choice,
    Interaction,
    Refusal,
    find_request,
    house_of,
    upload_room,
    whisper,
    words_for,
    words_here,
)
from bot.commands.menu import command, options
from bot.commands.submit import kept_sample, submit
from bot.commands.suggestions import forgiving
from bot.delivery import Maker, descend
from bot.files import Shelf, existing
from bot.filters import blocked, typed, written
from bot.frontend import Artifact, Undeliverable
from bot.limits import CHOICE_NAME, CHOICES, clip
from bot.parameters import FAMILY
from bot.sentences import Sentence
from bot.store.shapes import Request
from bot.store.states import State
from models.contract import EssayDone

#: Newest requests that are looked through for what somebody types.
LOOKED_THROUGH = 200


@command("show")
@options("show", "number")
async def show(interaction: Interaction, number: app_commands.Range[int, 1, 2**53 - 1]) -> None:
    """Show a result again."""
    request = await find_request(interaction, number)
    say = words_for(interaction)
    outcome = request.outcome
    if request.state is State.REFUSED or (outcome is None and request.is_final):
        card = cards.ended(say, request, request.state, request.error or say("card.cancelled"))
        await interaction.response.send_message(embed=card.embed, ephemeral=True)
        return
    if outcome is None or not request.is_final:
        # Its own card still lives, and is edited from elsewhere: here only say so.
        raise Refusal("reply.unavailable_yet")
    here = await house_of(interaction).store.guilds.get(interaction.guild_id)
    if await blocked(here, *typed(request.parameters), *written(outcome)):
        # It may come from a direct message, or from before the server chose its filters.
        await whisper(interaction, say.say(Sentence("filtered_output")))
        return
    files = existing(await house_of(interaction).store.artifacts.of(request.id))
    lacking = not files and not isinstance(outcome, EssayDone)
    if lacking and await _can_be_again(interaction, request):
        values, sample = _the_same(request, outcome), kept_sample(interaction, request)
        await submit(interaction, request.kind, values, parent_id=request.id, sample=sample)
        return
    await interaction.response.defer(thinking=True)
    if not files and isinstance(outcome, EssayDone):
        shelf = Shelf(house_of(interaction).settings.artifacts_dir)
        files = [await shelf.add(request.id, outcome, "docx")]
    await _send(interaction, request, outcome, files)


async def _can_be_again(interaction: Interaction, request: Request) -> bool:
    """Say whether the version that made it is still the one that makes."""
    house, alias = house_of(interaction), request.parameters.version
    if alias is None:
        model = house.styles.model(request.kind)
        return model is not None and model.version == request.model_version
    family = FAMILY[request.kind].value  # a version of a server's own style
    aliases = await asyncio.to_thread(house.registry.aliases, family)
    return aliases.get(alias) == request.model_version


def _the_same(request: Request, outcome: Any) -> dict[str, object]:
    """Ask for the very same; a style nobody chose by its name, for the usual one may differ now."""
    asked = request.parameters.model_dump(mode="json")
    return {**asked, "style": asked["style"] or outcome.style, "seed": request.seed}


async def _send(
    interaction: Interaction, request: Request, outcome: Any, files: list[Artifact]
) -> None:
    say = await words_here(interaction)

    def make(room: int) -> Card:
        card = cards.result(say, request, outcome, files, room=room)
        if files:
            return card
        return cards.without_files(say, request, card, "card.gone_model")

    async def send(maker: Maker, room: int) -> int | None:
        card = maker(room)
        message = await interaction.edit_original_response(
            embed=card.embed, attachments=card.open_files(), view=card.view
        )
        return message.id

    try:
        message_id = await descend(say, request, make, send, room=upload_room(interaction))
    except Undeliverable as nowhere:
        await interaction.edit_original_response(content=cards.plain(say.say(nowhere.sentence)))
        return
    if request.state is State.EXPIRED:
        requests = house_of(interaction).store.requests
        await requests.revive(request.id, interaction.channel_id, message_id)


@show.autocomplete("number")
@forgiving
async def _number(interaction: Interaction, typed: int | str) -> list[Choice[int]]:
    say = words_for(interaction)
    page = await house_of(interaction).store.requests.history(
        interaction.user.id, guild_id=interaction.guild_id, size=LOOKED_THROUGH
    )
    named = {one.id: f"#{one.id} {cards.headline(say, one)}" for one in page.requests}
    wanted = str(typed or "").casefold()
    return [
        Choice(name=clip(name, CHOICE_NAME), value=number)
        for number, name in named.items()
        if wanted in name.casefold()
    ][:CHOICES]


COMMANDS: tuple[Any, ...] = (show,)
