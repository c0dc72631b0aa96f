"""What keeps the event loop prompt: no long look for garbage, and short turns for threads."""

from __future__ import annotations

import gc
import sys

#: How long a thread may hold the interpreter while the event loop waits for it, in seconds.
TURN = 0.001


def settle() -> None:
    """Set all that start-up has made aside, to be called once, before people are answered.

    Modules and tables stay for ever; to look through them again and again for garbage would stop
    everything for up to a second on a busy machine. A document written in a thread takes the
    interpreter from the loop at each of its steps, so the turns are short.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(TURN)
