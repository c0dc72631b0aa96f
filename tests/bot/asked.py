"""Requests and results as the cards get them, without a database."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from bot.parameters import BeatParameters, EssayParameters
from bot.store import Artifact, Request, State
from models.contract import AudioFormat, BeatTake, EssayDone, EssayPlan

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def essay_request(topic: str = "the sea", **more: Any) -> Request:
    request = Request(
        id=12,
        kind="essay",
        parameters=EssayParameters(topic=topic, words=400, style="general"),
        seed=7,
        origin="discord",
        user_id=1,
        guild_id=2,
        channel_id=3,
        message_id=4,
        state=State.RUNNING,
        created_at=NOW,
    )
    return replace(request, **more)


def beat_request(**more: Any) -> Request:
    parameters = BeatParameters(style="lofi", bpm=84, key="A minor")
    return replace(essay_request(), kind="beat", parameters=parameters, **more)


def essay_done(text: str = "One. Two.", **more: Any) -> EssayDone:
    values: dict[str, Any] = {
        "text": text,
        "plan": EssayPlan(title="On the sea", paragraphs=()),
        "words": len(text.split()),
        "seed": 7,
        "style": "general",
        "model_version": "essay-1",
        "tokens": 10,
        "seconds": 1.0,
    }
    return EssayDone(**(values | more))


def beat_take(**more: Any) -> BeatTake:
    values: dict[str, Any] = {
        "style": "lofi",
        "bpm": 84,
        "bars": 16,
        "key": "Bb minor",
        "seed": 7,
        "model_version": "music-1",
        "sections": ("intro", "verse", "verse", "solo"),
        "duration": 45.71,
        "format": AudioFormat.MP3,
        "audio": None,
        "midi": "",
        "picture": "",
        "seconds": 1.0,
    }
    return BeatTake(**(values | more))


def artifact(folder: Path, kind: str, size: int = 10, stem: str = "beat-12") -> Artifact:
    path = folder / f"{stem}.{kind}"
    path.write_bytes(b"x" * size)
    return Artifact(kind, path, path.name, "0" * 64, size)
