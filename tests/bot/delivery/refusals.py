"""What Discord answers when it does not want something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import discord


@dataclass
class _Response:
    status: int
    reason: str = "no"


def refusal(code: int, status: int = 400) -> discord.HTTPException:
    answer: Any = _Response(status)
    return discord.HTTPException(answer, {"code": code, "message": "no"})
