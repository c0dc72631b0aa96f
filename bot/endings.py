"""How a command ends: in order, with an exit code, and with one sentence for what is wrong."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import typer

from bot.console import SetUpError
from bot.logs import set_up_logs
from bot.sentences import TOKEN_HELP
from bot.service_process import ServiceFailed
from bot.settings import Settings, SettingsError, load_settings
from bot.store import StoreError

FINE, FAILED, WRONG = 0, 1, 2
STOPS = (signal.SIGINT, signal.SIGTERM)
T = TypeVar("T")


def wrong(sentence: str) -> typer.Exit:
    """Say that what was given or set up cannot be used; return the end of the command."""
    typer.echo(sentence, err=True)
    return typer.Exit(WRONG)


def settings_or_end() -> Settings:
    """Read the settings, and log as they say."""
    try:
        settings = load_settings()
    except SettingsError as error:
        raise wrong(str(error)) from error
    set_up_logs(settings.log_level, as_json=settings.log_json)
    return settings


def need_token(settings: Settings) -> None:
    """End with help where there is no token."""
    try:
        missing = settings.token() is None
    except SettingsError as error:
        raise wrong(str(error)) from error
    if missing:
        raise wrong(TOKEN_HELP)


def guarded(
    act: Callable[[Settings], Coroutine[Any, Any, int]], settings: Settings | None = None
) -> None:
    """Act, and end with the code it returns; a missing set-up is a sentence."""
    if settings is None:
        settings = settings_or_end()
        if "log_level" not in settings.model_fields_set:
            set_up_logs("warning", as_json=settings.log_json)  # a terminal is not a log
    try:
        code = act_until_stopped(act(settings))
    except (SettingsError, SetUpError, StoreError, ServiceFailed) as error:
        raise wrong(str(error)) from error
    except BrokenPipeError as error:  # “| head -1” has read enough
        _let_go_of_stdout()
        raise typer.Exit(128 + signal.SIGPIPE) from error
    except OSError as error:
        raise wrong(plain(error)) from error
    if code != FINE:
        raise typer.Exit(code)


def act_until_stopped(work: Coroutine[Any, Any, T]) -> T:
    """Run to the end; Ctrl-C or SIGTERM cancel it, so that it closes what it has opened.

    A second one cancels the closing, too.
    """
    before = signal.getsignal(signal.SIGINT)
    try:
        return asyncio.run(_heeding(work))
    finally:
        signal.signal(signal.SIGINT, before)  # the end of a loop does not put it back


async def _heeding(work: Coroutine[Any, Any, T]) -> T:
    loop, acting = asyncio.get_running_loop(), asyncio.ensure_future(work)
    heard: list[int] = []

    def stop(number: int) -> None:
        heard.append(number)
        acting.cancel()

    for number in STOPS:
        loop.add_signal_handler(number, stop, number)
    await asyncio.wait({acting})
    if not heard:
        return acting.result()
    if not acting.cancelled():
        acting.exception()  # who stops a command does not ask how it took that
    raise typer.Exit(128 + heard[0])


def _let_go_of_stdout() -> None:
    """Write what is left to nowhere, or Python would complain about it as it ends."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)


def plain(error: OSError) -> str:
    """Say what the system refused, without its number."""
    if error.strerror is None:
        return str(error)
    return f"{error.filename}: {error.strerror}." if error.filename else f"{error.strerror}."
