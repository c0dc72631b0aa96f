"""The whole bot, connected to a Discord on a loopback port; measures how late its loop runs."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import sys
from pathlib import Path

import discord
import yarl

from bot.app import run
from bot.logs import set_up_logs
from bot.settings import load_settings

#: How often the loop's lateness is measured, in seconds.
EVERY = 0.02


async def measure(lags: list[tuple[float, float]]) -> None:
    """Note when each short sleep ends, in monotonic seconds, and by how much it is late."""
    loop = asyncio.get_running_loop()
    while True:
        due = loop.time() + EVERY
        await asyncio.sleep(EVERY)
        lags.append((round(due, 4), round(max(0.0, loop.time() - due), 5)))


async def serve(lag: Path) -> int:
    """Run the bot until it is told to stop, then leave what was measured."""
    settings = load_settings()
    set_up_logs(settings.log_level, as_json=settings.log_json)
    lags: list[tuple[float, float]] = []
    measuring = asyncio.create_task(measure(lags))
    try:
        return await run(settings)
    finally:
        measuring.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await measuring
        lag.write_text(json.dumps(lags))


def main() -> None:
    """Point discord.py to the loopback port, and run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--lag", type=Path, required=True)
    args = parser.parse_args()
    discord.http.Route.BASE = f"http://127.0.0.1:{args.port}/api/v10"
    gateway = yarl.URL(f"ws://127.0.0.1:{args.port}/gateway/")
    discord.gateway.DiscordWebSocket.DEFAULT_GATEWAY = gateway
    sys.exit(asyncio.run(serve(args.lag)))


if __name__ == "__main__":
    main()
