"""Memory given back to the system, which the C library would keep after every beat."""

from __future__ import annotations

import ctypes
from functools import cache

#: Names in malloc.h of glibc.
M_ARENA_MAX = -8
#: Every thread may have a heap of its own, each as large as its largest beat; these share.
ARENAS = 2


def share_heaps() -> bool:
    """Let all threads share a few heaps, to be called at the start; False where there is no say."""
    mallopt = _function("mallopt")
    return mallopt is not None and mallopt(M_ARENA_MAX, ARENAS) == 1


def give_back() -> bool:
    """Return what is free inside of the heaps; False where nothing was, or nothing can be."""
    trim = _function("malloc_trim")
    return trim is not None and trim(0) == 1


@cache
def _function(name: str) -> ctypes._NamedFuncPointer | None:
    """Find a function of the C library, if it is one that has it."""
    try:
        return getattr(ctypes.CDLL(None), name, None)
    except (OSError, TypeError):  # not every system lets a process look into itself
        return None
