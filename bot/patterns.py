"""Whether a pattern of a server can be used: it is compiled first in a process of its own.

Few signs can stand for a million (``(?:(?:a?){1000}){1000}``): compiling them takes minutes and all
memory there is. ``python -m bot.patterns`` tries one under limits; how long it may search is the
business of ``bot.filters``.
"""

from __future__ import annotations

import sys
import time
from enum import IntEnum

import regex

from bot import confined

#: Seconds of the processor that compiling may take: a server may have a hundred patterns.
COMPILE_SECONDS = 0.1
MEMORY_LIMIT = 512_000_000
#: How long the process may take altogether, on a busy machine too.
PATIENCE = 20.0


class Soundness(IntEnum):
    """What is found out about a pattern, as an exit code."""

    SOUND = 0
    BROKEN = 3
    COSTLY = 4


async def examine(pattern: str) -> Soundness:
    """Try a pattern where it can do no harm."""
    try:
        ended = await confined.ask("bot.patterns", data=pattern.encode(), seconds=PATIENCE)
    except TimeoutError:
        return Soundness.COSTLY
    try:
        return Soundness(ended.code)
    except ValueError:  # it ran into a limit
        return Soundness.COSTLY


def compiled(pattern: str) -> Soundness:
    """Compile a pattern here and now."""
    began = time.process_time()
    try:
        regex.compile(pattern, regex.IGNORECASE)
    except (MemoryError, RecursionError):
        return Soundness.COSTLY
    except regex.error:
        return Soundness.BROKEN
    return Soundness.SOUND if time.process_time() - began < COMPILE_SECONDS else Soundness.COSTLY


if __name__ == "__main__":
    confined.limit(memory=MEMORY_LIMIT, seconds=2)
    sys.exit(compiled(sys.stdin.buffer.read().decode()))
