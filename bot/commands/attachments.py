"""Files that people attach to a command, brought here."""

from __future__ import annotations

import asyncio
from pathlib import PurePosixPath

import aiohttp
import discord

from bot.sentences import Sentence
from bot.uploads import UploadError, shown_name

#: How long a file may take to come from Discord.
DOWNLOAD_SECONDS = 60.0


def own_name(attachment: discord.Attachment) -> str:
    """Name a file as its owner did: Discord makes Essay_40.txt of “Essay (40).txt”."""
    if not attachment.title:
        return attachment.filename
    return attachment.title + PurePosixPath(attachment.filename).suffix


async def fetched(attachment: discord.Attachment) -> bytes:
    """Bring an attachment's bytes; raise UploadError."""
    name = shown_name(own_name(attachment))
    try:
        async with asyncio.timeout(DOWNLOAD_SECONDS):
            return await attachment.read()
    except TimeoutError:
        raise UploadError(Sentence("upload_slow", name=name)) from None
    except (discord.HTTPException, aiohttp.ClientError, OSError) as error:
        raise UploadError(Sentence("upload_unfetched", name=name)) from error
