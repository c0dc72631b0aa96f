"""Files that the command line names, read as those from Discord are."""

from __future__ import annotations

from pathlib import Path

import typer

from bot import samples, uploads
from bot.endings import act_until_stopped, plain, wrong
from bot.openings import cleaned
from bot.samples import Sample
from bot.uploads import UploadError


class Unusable(Exception):
    """A file cannot be used; the message is one plain sentence."""


def sample(path: Path) -> Sample:
    """Look at a file to play around, in a process of its own; raise Unusable."""
    try:
        samples.check(path.name, path.stat().st_size)
        return act_until_stopped(samples.read_sample(path.name, path.read_bytes()))
    except UploadError as error:
        raise Unusable(str(error.sentence)) from error
    except OSError as error:
        raise Unusable(plain(error)) from error


def opening(given: str) -> str:
    """Take a text as it is, or out of the file that ``@`` stands before; raise Unusable."""
    if not given.startswith("@"):
        return cleaned(given)
    path = Path(given.removeprefix("@"))
    try:
        text = act_until_stopped(uploads.read_upload(path.name, path.read_bytes()))
    except UploadError as error:
        raise Unusable(str(error.sentence)) from error
    except OSError as error:
        raise Unusable(f"{path} cannot be read: {error.strerror}.") from error
    return cleaned(text)


def topics(path: Path) -> list[str]:
    """Read a topic from each line that is not empty."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise wrong(f"{path} is not a text in UTF-8.") from error
    lines = [line.strip() for line in text.splitlines()]
    found = [line for line in lines if line]
    if not found:
        raise typer.BadParameter(f"{path} has no topic in it.")
    return found
