"""Settings for the tests of the worker."""

from __future__ import annotations

import pytest

from bot.settings import Settings


@pytest.fixture
def quick(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings under which nothing takes long."""
    monkeypatch.setattr("bot.worker.RETRY_SECONDS", 0.02)
    monkeypatch.setattr("bot.worker.POLL_SECONDS", 0.02)
    monkeypatch.setattr("bot.announcer.PAUSE_SECONDS", 0.01)
    return settings.model_copy(
        update={"workers": 2, "heartbeat_seconds": 0.05, "stale_seconds": 2.0}
    )
