from __future__ import annotations

import subprocess
import sys

import pytest
from pydantic import ValidationError

from models.contract import (
    BARS_MAX,
    EVENTS,
    KEYS,
    SEED_LIMIT,
    WORDS_MAX,
    WORDS_MIN,
    BeatRequest,
    EssayRequest,
)


def essay(**changes: object) -> EssayRequest:
    return EssayRequest.model_validate({"request_id": "1", "topic": "rivers", "seed": 7} | changes)


@pytest.mark.parametrize(
    "change",
    [
        {"topic": ""},
        {"topic": "x" * 501},
        {"words": WORDS_MIN - 1},
        {"words": WORDS_MAX + 1},
        {"seed": -1},
        {"seed": SEED_LIMIT},
        {"unknown": 1},
    ],
)
def test_an_essay_outside_the_limits_is_no_request(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        essay(**change)


@pytest.mark.parametrize("change", [{"bpm": 59}, {"bars": BARS_MAX + 1}, {"format": "aiff"}])
def test_a_beat_outside_the_limits_is_no_request(change: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        BeatRequest.model_validate({"request_id": "1", "seed": 7} | change)


def test_shapes_cannot_be_changed_and_survive_the_wire() -> None:
    request = essay(words=800, style="plain")
    with pytest.raises(ValidationError):
        request.words = 5
    assert EssayRequest.model_validate_json(request.model_dump_json()) == request


def test_each_shape_has_one_event_and_keys_are_distinct() -> None:
    assert len(set(EVENTS.values())) == len(EVENTS)
    assert len(set(KEYS)) == 24


def test_the_contract_and_the_client_load_without_torch_or_discord() -> None:
    code = (
        "import sys, models.client, models.registry; print({'torch', 'discord'} & {*sys.modules})"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
