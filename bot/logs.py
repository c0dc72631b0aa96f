"""Logs for people or machines, on standard error, without tokens and without what people typed."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Sequence

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

HIDDEN = "[hidden]"
#: What people typed, and keys to their conversations: only for whoever debugs.
_PRIVATE = frozenset({"topic", "opening", "prompt", "text", "values", "token", "interaction_token"})
_SECRETS: Sequence[tuple[re.Pattern[str], str]] = (
    # Discord's library writes whole addresses when it is slowed down.
    (re.compile(r"(/(?:webhooks|interactions)/\d+/)[\w.-]+"), rf"\1{HIDDEN}"),
    (re.compile(r"\b[\w-]{23,28}\.[\w-]{6,7}\.[\w-]{27,}"), HIDDEN),
    (re.compile(r"(postgres(?:ql)?(?:\+\w+)?://[^:/@\s]*:)[^@\s]+(@)"), rf"\1{HIDDEN}\2"),
)
#: Libraries whose ordinary chatter is of no use to an operator.
_LOUD = ("httpx", "httpcore", "alembic", "discord.gateway", "aiosqlite", "asyncio", "matplotlib")


def set_up_logs(level: str = "info", *, as_json: bool = False) -> None:
    """Send our own and the libraries' logs to standard error, in one form."""
    shared: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *shared,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=False,
    )
    renderer: Processor = (
        structlog.processors.JSONRenderer()
        if as_json
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                hide,
                renderer,
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level.upper())
    for name in _LOUD:
        logging.getLogger(name).setLevel(max(logging.WARNING, root.level))


def hide(_: WrappedLogger, __: str, event: EventDict) -> EventDict:
    """Hide secrets always, and what people typed unless debugging."""
    for key, value in event.items():
        if key in _PRIVATE and event.get("level") != "debug":
            event[key] = HIDDEN
        elif isinstance(value, str):
            event[key] = scrub(value)
    return event


def scrub(text: str) -> str:
    """Take tokens and passwords out of a text."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text
