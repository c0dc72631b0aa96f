"""What the button of a result's files hands over: those on disk, or one more that is made now."""

from __future__ import annotations

import io
from collections.abc import Collection

import discord

from bot import cards
from bot.commands.common import Interaction, Refusal, house_of, upload_room, whisper, words_for
from bot.extras import EXTRAS, TooLarge
from bot.files import Shelf, existing
from bot.sentences import Sentence
from bot.store.shapes import SAMPLE, Artifact, Request
from models.client import GenerationBusy, GenerationError, GenerationRefused
from models.contract import BeatTake, EssayDone

#: What every essay can be had as.
DOCUMENTS = frozenset({"docx", "pdf", "md"})


async def hand_over(interaction: Interaction, request: Request, kind: str | None) -> None:
    """Hand over every file of a result that fits, or one that is made now; only for the person."""
    if kind is not None:
        await _extra(interaction, request, kind)
        return
    say = words_for(interaction)
    # Reading files may take a moment: say first that they are coming.
    await interaction.response.defer(ephemeral=True, thinking=True)
    files = await _files_of(interaction, request)
    if not files:
        raise Refusal("card.gone", id=request.id)
    room = upload_room(interaction)
    fitting, _ = cards.choose(files, room)
    if not fitting:
        smallest = min(file.size for file in files)
        raise Refusal("reply.file_large", size=cards.size(smallest), limit=cards.size(room))
    others = _others(request, {file.kind for file in files})
    await interaction.followup.send(
        say("reply.files_more" if others else "reply.files", id=request.id),
        files=[discord.File(file.path, filename=file.name) for file in fitting],
        view=cards.view_of(
            cards.button("file", request.id, say(f"choice.{kind}"), arg=kind) for kind in others
        ),
        ephemeral=True,
    )


def _others(request: Request, there: Collection[str]) -> list[str]:
    """List what can be made of a beat beside the files that are there."""
    if not isinstance(request.outcome, BeatTake):
        return []
    return [kind for kind in EXTRAS if kind not in there]


async def _extra(interaction: Interaction, request: Request, kind: str) -> None:
    """Have one more file of a beat made, and hand it over."""
    if kind not in EXTRAS or not isinstance(request.outcome, BeatTake):
        raise Refusal("reply.unavailable_yet")
    say, room = words_for(interaction), upload_room(interaction)
    await interaction.response.defer(ephemeral=True, thinking=True)
    try:
        extra = await house_of(interaction).extras.file(request, kind, room)
    except TooLarge as error:
        size, limit = cards.size(error.size), cards.size(room)
        raise Refusal("reply.file_large", size=size, limit=limit) from error
    except GenerationBusy as error:
        raise Refusal("reply.slow_down", seconds=max(1, round(error.retry_after))) from error
    except GenerationRefused as error:
        await whisper(interaction, cards.plain(say.say(error.sentence)))
        return
    except GenerationError:
        await whisper(interaction, cards.plain(say.say(Sentence("unavailable"))))
        return
    await interaction.followup.send(
        say("reply.file_one", name=cards.plain(extra.name)),
        file=discord.File(io.BytesIO(extra.data), filename=extra.name),
        ephemeral=True,
    )


async def _files_of(interaction: Interaction, request: Request) -> list[Artifact]:
    """List the files on disk; documents that are missing are made from the text."""
    house = house_of(interaction)
    kept = await house.store.artifacts.of(request.id)
    files = existing(file for file in kept if file.kind != SAMPLE)
    if isinstance(request.outcome, EssayDone):
        shelf = Shelf(house.settings.artifacts_dir)
        for kind in DOCUMENTS - {file.kind for file in files}:
            files.append(await shelf.add(request.id, request.outcome, kind))
    return files
