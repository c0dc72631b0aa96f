"""SIGKILL at random moments: no request is lost, none is answered in two ways."""

from __future__ import annotations

import asyncio
import multiprocessing
import random
from collections import defaultdict
from pathlib import Path

from bot.store import FINAL, State, Store
from tests.bot.store.rows import essay
from tests.bot.victim import work

KILLS = 5
REQUESTS = 16
USERS = 6


async def test_killed_at_any_moment_each_request_ends_once(
    store: Store, database_url: str, tmp_path: Path
) -> None:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["tests.bot.victim"])
    draw, wall = random.Random(5), tmp_path / "wall"
    made = [await store.requests.create(essay(1 + n % USERS)) for n in range(REQUESTS)]

    async def left() -> int:
        rows = [await store.requests.get(request.id) for request in made]
        return sum(row is not None and not row.is_final for row in rows)

    kills = 0
    async with asyncio.timeout(180):
        while await left():
            child = context.Process(target=work, args=(database_url, str(tmp_path), str(wall)))
            child.start()
            if kills < KILLS:
                before = wall.stat().st_size if wall.exists() else 0
                while (wall.stat().st_size if wall.exists() else 0) == before:
                    await asyncio.sleep(0.005)  # it has begun to work
                await asyncio.sleep(draw.uniform(0, 0.3))
                kills += 1
            else:
                while await left():
                    await asyncio.sleep(0.1)
            child.kill()
            await asyncio.to_thread(child.join)
            child.close()

    shown: dict[int, set[str]] = defaultdict(set)
    for line in wall.read_text().splitlines():
        number, text = line.split(" ", 1)
        shown[int(number)].add(text)
    for request in made:
        row = await store.requests.get(request.id)
        assert row is not None and row.state in (State.DONE, State.FAILED)
        finals = [e for e in await store.requests.events(request.id) if e.new in FINAL]
        assert len(finals) == 1
        # Posted again after a crash, it was the same again: an edit that changes nothing.
        assert len(shown[request.id]) == 1, shown[request.id]
        assert ("failed" in shown[request.id]) == (row.state is State.FAILED)
