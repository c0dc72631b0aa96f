"""``python -m bot``: the command line, which Ctrl-C ends without a word at any moment."""

from __future__ import annotations

import io
import signal
import sys
from types import FrameType


def main() -> None:
    """Do what the command line says."""
    signal.signal(signal.SIGINT, _leave)
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without quotation marks, say
    from bot.cli import app  # takes a second, in which somebody may change their mind

    app()


def _leave(number: int, _: FrameType | None) -> None:
    sys.exit(128 + number)


if __name__ == "__main__":
    main()
