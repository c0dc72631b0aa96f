"""``/privacy``: what is kept about a person, all of it to take away, and all of it to delete."""

from __future__ import annotations

import asyncio
import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from typing import Any

import discord

from bot import cards, limits
from bot.buttons import SafeButton
from bot.commands.common import Interaction, Refusal, house_of, upload_room, words_for
from bot.commands.menu import command
from bot.commands.mine import fitting
from bot.files import Shelf, existing
from bot.store import Deed, Store
from bot.store.shapes import Artifact, Forgotten, Offer, Rating, Request
from bot.words import Words

#: How long somebody who is to be forgotten waits for what is being delivered, in seconds.
PATIENCE = 10.0


@command("privacy")
async def privacy(interaction: Interaction) -> None:
    """Say what is kept, and offer to export or delete it."""
    say = words_for(interaction)
    kept = await house_of(interaction).store.requests.history(interaction.user.id, size=1)
    embed = discord.Embed(
        title=say("privacy.title"),
        description=f"{say('privacy.text')}\n\n{say.count('privacy.count', kept.total)}",
        colour=cards.GREY,
    )
    acts = [("gwp:export", "button.export", "📦"), ("gwp:forget", "button.forget", "🗑️")]
    view = cards.row_of(say, acts)
    await interaction.response.send_message(embed=embed, view=view, ephemeral=True)


class PrivacyButton(SafeButton, template=r"gwp:(?P<act>export|forget|sure|keep)"):
    """A button of ``/privacy``; it works on whoever presses it, and on nobody else."""

    async def press(self, interaction: Interaction) -> None:
        """Export, ask whether to delete, delete, or keep."""
        say = words_for(interaction)
        match self.parts["act"]:
            case "export":
                await _export(interaction, say)
            case "forget":
                acts = [("gwp:sure", "button.forget_sure", "🗑️"), ("gwp:keep", "button.keep", None)]
                view = cards.row_of(say, acts)
                await interaction.response.edit_message(
                    content=say("privacy.sure"), embed=None, view=view
                )
            case "sure":
                await _forget(interaction, say)
            case _:
                await interaction.response.edit_message(
                    content=say("privacy.kept"), embed=None, view=None
                )


async def _export(interaction: Interaction, say: Words) -> None:
    await interaction.response.defer(ephemeral=True, thinking=True)
    records, files = await _everything(interaction)
    store, user = house_of(interaction).store, interaction.user.id
    ratings = await store.ratings.by(user)
    offers = await store.offers.by(user)
    counted = await store.requests.forgotten(user)
    deeds = await store.deeds.of(user)
    texts = {
        "requests.json": _json(records),
        "ratings.json": _json([_rating(r) for r in ratings]),
        "offers.json": _json([_offer(o) for o in offers]),
        "counted.json": _json([_counted(c) for c in counted]),
        "admin.json": _json([_deed(d) for d in deeds]),
    }
    room = min(upload_room(interaction), limits.UPLOAD_FILES)
    taken = fitting(files, room - sum(len(text.encode()) for text in texts.values()))
    data = await asyncio.to_thread(archive, texts, taken)
    if len(data) > room:
        raise Refusal("reply.file_large", size=cards.size(len(data)), limit=cards.size(room))
    sentence = say("privacy.exported")
    if len(taken) < len(files):
        total = sum(file.size for file in files)
        sentence = say("privacy.export_large", size=cards.size(total))
    file = discord.File(io.BytesIO(data), filename="my-data.zip")
    await interaction.followup.send(sentence, file=file, ephemeral=True)


async def _everything(interaction: Interaction) -> tuple[list[dict[str, Any]], list[Artifact]]:
    """Gather all that is kept about the person, from every place."""
    store = house_of(interaction).store
    records: list[dict[str, Any]] = []
    files: list[Artifact] = []
    page = 0
    while True:
        found = await store.requests.history(interaction.user.id, page=page, size=100)
        for request in found.requests:
            own = existing(await store.artifacts.of(request.id))
            records.append(record(request, own))
            files += own
        page += 1
        if page * 100 >= found.total:
            return records, files


def record(request: Request, files: Sequence[Artifact]) -> dict[str, Any]:
    """Write one request for its owner; the token is a key, not their data, and stays here."""
    outcome = request.outcome
    return {
        "id": request.id,
        "kind": request.kind,
        "state": request.state.value,
        "asked": request.parameters.model_dump(mode="json"),
        "seed": request.seed,
        "model_version": request.model_version,
        "result": outcome.model_dump(mode="json") if outcome is not None else None,
        "user_id": str(request.user_id),
        "guild_id": str(request.guild_id) if request.guild_id else None,
        "channel_id": str(request.channel_id) if request.channel_id else None,
        "message_id": str(request.message_id) if request.message_id else None,
        "language": request.locale,
        "created_at": request.created_at.isoformat(),
        "finished_at": request.finished_at.isoformat() if request.finished_at else None,
        "files": [file.name for file in files],
    }


def _rating(rating: Rating) -> dict[str, Any]:
    return {"id": rating.request_id, "value": rating.value, "at": rating.at.isoformat()}


def _offer(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.request_id,
        "at": offer.offered_at.isoformat(),
        "accepted": offer.accepted,
    }


def _counted(forgotten: Forgotten) -> dict[str, Any]:
    return {
        "guild_id": str(forgotten.guild_id) if forgotten.guild_id else None,
        "requests": forgotten.cost,
        "last_asked_at": forgotten.last_asked_at.isoformat(),
    }


def _deed(deed: Deed) -> dict[str, Any]:
    return {
        "what": deed.what,
        "id": str(deed.id),
        "guild_id": str(deed.guild_id) if deed.guild_id else None,
        "at": deed.at.isoformat() if deed.at else None,
    }


def archive(texts: Mapping[str, str], files: Sequence[Artifact]) -> bytes:
    """Put the records and files into a zip."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as packed:
        for name, text in texts.items():
            packed.writestr(name, text)
        for file in files:
            packed.write(file.path, f"files/{file.name}")
    return buffer.getvalue()


def _json(records: Sequence[dict[str, Any]]) -> str:
    return json.dumps(records, ensure_ascii=False, indent=1)


async def _forget(interaction: Interaction, say: Words) -> None:
    """Cancel what is open, then delete every row and file of the person.

    The count of the day outlives them for the rest of it, or the quotas would hold for nobody.
    """
    house, user = house_of(interaction), interaction.user.id
    await interaction.response.defer()
    for request in await house.store.requests.unfinished("discord", user):
        await house.worker.cancel(request.id)
    await _until_over(house.store, user)
    await house.corpus.forget(user)
    numbers = await house.store.requests.forget(user)
    house.front.forgotten(numbers)
    await house.store.ratings.forget(user)
    await house.store.deeds.forget(user)
    shelf = Shelf(house.settings.artifacts_dir)
    for number in numbers:
        await asyncio.to_thread(shelf.clear, number)
    sentence = say.count("privacy.forgotten", len(numbers))
    if left := await house.store.requests.unfinished("discord", user):
        sentence += " " + say.count("privacy.leaving", len(left))
    await interaction.edit_original_response(content=sentence, embed=None, view=None)


async def _until_over(store: Store, user: int) -> None:
    """Wait a little for what is being stopped or delivered: it would outlive its deletion."""
    now = asyncio.get_running_loop().time
    end = now() + PATIENCE
    while now() < end and await store.requests.unfinished("discord", user):
        await asyncio.sleep(0.1)


COMMANDS: tuple[Any, ...] = (privacy,)
