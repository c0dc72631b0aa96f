"""How many cores a thread's tensors are computed on."""

from __future__ import annotations

import threading

import torch


def keep_to_one() -> None:
    """Compute this thread's tensors on one core, other threads' as before.

    Small networks lose by being shared out: on busy cores each operation waits for the slowest.
    """
    others = torch.get_num_threads()
    torch.set_num_threads(1)
    # A thread that begins later takes the number that was set last, whoever set it.
    last = threading.Thread(target=torch.set_num_threads, args=(others,))
    last.start()
    last.join()
