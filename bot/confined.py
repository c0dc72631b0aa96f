"""What strangers send is looked at in a process of its own, under limits and without secrets."""

from __future__ import annotations

import asyncio
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path

_ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Ended:
    """How a process ended: its exit code, below zero for a signal, and what it said."""

    code: int
    output: bytes


async def ask(module: str, *arguments: str, data: bytes, seconds: float) -> Ended:
    """Give data to a module's own process and wait for its end; raise TimeoutError.

    It gets none of this process's environment, where secrets are.
    """
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        module,
        *arguments,
        cwd=_ROOT,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env={"PATH": os.environ.get("PATH", ""), "PYTHONUTF8": "1"},
    )
    try:
        async with asyncio.timeout(seconds):
            output, _ = await process.communicate(data)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    return Ended(process.returncode or 0, output)


def limit(*, memory: int, seconds: float) -> None:
    """Limit this process: bytes of memory, seconds of the processor, and no files."""
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (int(seconds), int(seconds)))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
