"""Who makes way for whom on a busy machine: answers to people come first, training comes last."""

from __future__ import annotations

import os
import sys
from contextlib import suppress
from pathlib import Path

import psutil

#: By how much the models make way for the bot, which needs little but needs it at once.
SERVICE = 5
#: Records wait behind beats (10); nobody waits for a training run while it goes on.
TRAINING = 15
#: Nothing is nicer than this.
NICEST = 19


def make_way(pid: int, by: int) -> None:
    """Let a child that has just been started go behind this process; harmless when it has ended."""
    with suppress(psutil.Error):
        child = psutil.Process(pid)
        niceness = min(NICEST, psutil.Process().nice() + by)
        if child.nice() < niceness:
            child.nice(niceness)
        if sys.platform == "linux" and os.getsid(pid) == pid:
            _make_session_way(pid, niceness)


def _make_session_way(pid: int, niceness: int) -> None:
    """Put a child's whole session behind: where the kernel groups sessions, it compares only these.

    The child has to lead its session, or the bot's own would be put behind with it.
    """
    with suppress(OSError):
        Path(f"/proc/{pid}/autogroup").write_text(str(niceness), encoding="ascii")
