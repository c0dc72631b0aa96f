from __future__ import annotations

import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from bot.logs import HIDDEN, scrub, set_up_logs

TOKEN = "MTk4NjIyNDgzNDcxOTI1MjQ4.Cl2FMQ.ZnCjm1XVW7vRze4b7Cq4se7kKWs"


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()


def lines(captured: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    out, err = captured.readouterr()
    assert out == ""
    return [json.loads(line) for line in err.splitlines()]


def test_machines_get_one_object_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("info", as_json=True)
    structlog.get_logger("x").info("done", request=5)
    logging.getLogger("discord.client").warning("slow %s", "down")
    structlog.get_logger("x").debug("not shown")
    first, second = lines(capsys)
    assert (first["event"], first["request"], first["level"]) == ("done", 5, "info")
    assert (second["event"], second["logger"]) == ("slow down", "discord.client")


def test_what_people_typed_is_only_for_debugging(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("debug", as_json=True)
    log = structlog.get_logger()
    log.info("asked", topic="my secret", interaction_token="abc")
    log.debug("asked", topic="my secret")
    shown, debugged = lines(capsys)
    assert (shown["topic"], shown["interaction_token"]) == (HIDDEN, HIDDEN)
    assert debugged["topic"] == "my secret"


def test_tokens_never_get_out_even_in_tracebacks(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("debug", as_json=True)
    address = "https://discord.com/api/v10/webhooks/123/aW50ZXJ.action-token/messages/@original"
    try:
        raise RuntimeError(f"We are being rate limited. PATCH {address}")
    except RuntimeError:
        structlog.get_logger().exception("failed")
    logging.getLogger("discord.http").warning("login with %s", TOKEN)
    text = json.dumps(lines(capsys))
    assert "action-token" not in text and TOKEN not in text and "RuntimeError" in text


def test_scrubbing_leaves_the_rest() -> None:
    assert (
        scrub("postgresql+asyncpg://me:pass@host/db") == f"postgresql+asyncpg://me:{HIDDEN}@host/db"
    )
    assert scrub("a normal.sentence.with dots") == "a normal.sentence.with dots"


def test_people_get_plain_lines(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs("info")
    structlog.get_logger().info("request done", request=5)
    _, err = capsys.readouterr()
    assert "request done" in err and "request=5" in err
