from __future__ import annotations

import asyncio
import time

import pytest

from bot.patterns import Soundness, examine


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        (r"sp+a{1,3}m|(?:b[a4]d){2}.{0,200}\p{Lu}", Soundness.SOUND),
        ("(", Soundness.BROKEN),
        ("a{3,1}", Soundness.BROKEN),
        (r"(?:(?:a?){1000}){1000}b", Soundness.COSTLY),
        (r"(?:(?:(?:x{1000}){1000}){1000}){1000}", Soundness.COSTLY),
    ],
)
async def test_a_pattern_is_tried_where_it_can_do_no_harm(pattern: str, found: Soundness) -> None:
    longest, done = 0.0, asyncio.create_task(examine(pattern))
    while not done.done():
        began = time.thread_time()
        await asyncio.sleep(0.01)
        longest = max(longest, time.thread_time() - began)
    assert await done is found
    assert longest < 0.5  # seconds of the processor that the loop was busy with it
