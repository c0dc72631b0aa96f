"""The one way a request enters from Discord, whether typed, pressed or filled in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

import aiohttp
import discord
import structlog
from discord.utils import utcnow

from bot import cards, metrics
from bot.admission import Admitted, Refused
from bot.asking import Ask
from bot.cards import Card
from bot.commands.common import Interaction, Refusal, house_of, upload_room, whisper, words_for
from bot.files import Shelf
from bot.parameters import BeatParameters, Kind
from bot.samples import Sample
from bot.sentences import Sentence
from bot.store.shapes import SAMPLE, Request
from bot.uploads import UploadError
from bot.verdicts import Verdict, judge
from bot.words import base, words

log = structlog.get_logger(__name__)

#: Admission is local and quick; should it be slow once, people see at least that we have heard.
ADMISSION_SECONDS = 0.7
#: Where only the interaction's token can answer, what takes longer would arrive too late.
TOKEN_ONLY_SECONDS = 12 * 60

#: Brings the file that a beat is played around; raises UploadError.
Fetch = Callable[[], Awaitable[Sample]]

#: Each holds a file in memory, and has a process look at it.
_FETCHES = asyncio.Semaphore(4)

#: After these nobody knows whether Discord has heard us.
UNSURE = (aiohttp.ClientError, OSError)


async def submit(
    interaction: Interaction,
    kind: Kind,
    values: Mapping[str, object],
    *,
    parent_id: int | None = None,
    sample: Fetch | None = None,
) -> None:
    """Ask admission; answer with the status card or with one sentence only the person sees."""
    house = house_of(interaction)
    if house.closing:
        raise Refusal("reply.stopping")
    entering = _admit(interaction, kind, values, parent_id, sample)
    # A file from a person takes longer and is more often wrong: that is for their eyes only.
    answer = await _admit_in_time(entering, interaction, hidden=sample is not None)
    if isinstance(answer, Refused):
        metrics.REFUSED.labels(answer.sentence.key).inc()
        await _refuse(interaction, cards.plain(words_for(interaction).say(answer.sentence)))
        return
    request = answer.request
    eta = answer.outlook.eta
    if eta is not None and eta > TOKEN_ONLY_SECONDS and not _is_at_home(interaction):
        await _withdraw(interaction, request)
        raise Refusal("reply.too_long_here")
    interaction.extras["request"] = request.id
    log.info("admitted", request=request.id, kind=kind, user=request.user_id)
    card = cards.queued(words(request.locale), request, answer.outlook.place, answer.outlook.eta)
    try:
        message_id = await _acknowledge(interaction, card)
    except BaseException:
        await _withdraw(interaction, request)
        raise
    metrics.ADMITTED.labels(kind).inc()
    metrics.ACKNOWLEDGED.observe((utcnow() - interaction.created_at).total_seconds())
    house.front.acknowledged(request.id, message_id)
    await house.store.requests.set_message(request.id, interaction.channel_id, message_id)
    house.worker.kick()


def kept_sample(interaction: Interaction, request: Request) -> Fetch | None:
    """Give the sample of an earlier request, where it has one, to another."""
    asked, house = request.parameters, house_of(interaction)
    if not isinstance(asked, BeatParameters) or asked.sample is None:
        return None
    name = asked.sample

    async def fetch() -> Sample:
        kept = await house.store.artifacts.get(request.id, SAMPLE)
        data = await Shelf(house.settings.artifacts_dir).read(kept) if kept is not None else None
        if kept is None or data is None:
            raise UploadError(Sentence("sample_gone"))
        return Sample(name, kept.path.suffix.removeprefix("."), data)

    return fetch


async def _admit_in_time(
    entering: Coroutine[Any, Any, Admitted | Refused], interaction: Interaction, *, hidden: bool
) -> Admitted | Refused:
    admission = asyncio.create_task(entering)
    done, _ = await asyncio.wait({admission}, timeout=ADMISSION_SECONDS)
    if done:
        return await admission
    try:
        interaction.extras["hidden"] = hidden
        await interaction.response.defer(ephemeral=hidden, thinking=True)
    except UNSURE as error:
        log.warning("deferral unsure", error=type(error).__name__)
    except BaseException as error:
        if isinstance(error, discord.HTTPException) and _may_have_arrived(error):
            return await admission
        if isinstance(answer := await admission, Admitted):
            await _withdraw(interaction, answer.request)
        raise
    return await admission


async def _admit(
    interaction: Interaction,
    kind: Kind,
    values: Mapping[str, object],
    parent_id: int | None,
    fetch: Fetch | None,
) -> Admitted | Refused:
    house = house_of(interaction)
    chosen = await house.store.guilds.get(interaction.guild_id)
    channel = interaction.channel
    ask = Ask(
        kind=kind,
        parameters=values,
        user_id=interaction.user.id,
        guild_id=interaction.guild_id,
        channel_id=interaction.channel_id,
        parent_channel_id=channel.parent_id if isinstance(channel, discord.Thread) else None,
        interaction_token=interaction.token,
        token_expires_at=interaction.expires_at,
        upload_limit=upload_room(interaction),
        locale=base(chosen.locale or str(interaction.locale)),
        parent_id=parent_id,
    )
    if fetch is None:
        return await house.admission.admit(ask)
    # Nothing is fetched, and no process begun, for what may not enter anyway.
    refusal = await house.admission.refusal(ask)
    if refusal is not None:
        return Refused(refusal)
    try:
        async with _FETCHES:
            sample = await fetch()
    except UploadError as error:
        return Refused(error.sentence)
    return await house.admission.admit(replace(ask, sample=sample))


async def _acknowledge(interaction: Interaction, card: Card) -> int | None:
    """Send the status card as the answer itself; return its message's id."""
    assert card.view is not None
    if interaction.extras.get("hidden"):
        # What was deferred stays hidden; only what follows its end can be everybody's.
        await interaction.edit_original_response(
            content=words_for(interaction)("reply.sample_read")
        )
        posted = await interaction.followup.send(embed=card.embed, view=card.view, wait=True)
        return posted.id
    if interaction.response.is_done():
        message = await interaction.edit_original_response(embed=card.embed, view=card.view)
        return message.id
    try:
        sent = await interaction.response.send_message(embed=card.embed, view=card.view)
        return sent.message_id
    except (discord.HTTPException, *UNSURE) as error:
        if isinstance(error, discord.HTTPException) and not _may_have_arrived(error):
            raise
        log.warning("acknowledgement unsure", error=type(error).__name__)
        unsure = error
    # Our answer may have arrived although we did not hear so: then the message is there.
    try:
        message = await interaction.edit_original_response(embed=card.embed, view=card.view)
    except discord.NotFound:
        raise unsure from None
    return message.id


def _is_taken(error: discord.HTTPException) -> bool:
    return judge(error.code, error.status) is Verdict.TAKEN


def _may_have_arrived(error: discord.HTTPException) -> bool:
    """Say whether an answer may be there though Discord said no; with 5xx nobody knows."""
    return _is_taken(error) or error.status >= 500


def _is_at_home(interaction: Interaction) -> bool:
    """Say whether the bot itself can write here after the token's end."""
    if interaction.guild_id is not None:
        return interaction.client.get_guild(interaction.guild_id) is not None
    return interaction.context.dm_channel


async def _refuse(interaction: Interaction, sentence: str) -> None:
    if not interaction.response.is_done():
        try:
            await whisper(interaction, sentence)
            return
        except discord.HTTPException as error:
            if not _is_taken(error):
                raise
    # Whether everybody sees the answer was settled when it was deferred.
    await interaction.edit_original_response(content=sentence)


async def _withdraw(interaction: Interaction, request: Request) -> None:
    """Take back a request that never got a card: nobody would wait for it."""
    house = house_of(interaction)
    log.warning("withdrawn", request=request.id)
    house.front.withdrawn(request.id)
    await house.worker.cancel(request.id)
