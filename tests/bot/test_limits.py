from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot import limits
from bot.limits import OverLimit

PROSE = st.text(st.sampled_from("abc déß .!?\n"), max_size=600)


@given(PROSE, st.integers(8, 80))
def test_pages_fit_and_lose_no_letter(text: str, limit: int) -> None:
    pages = limits.pages(text, limit)
    assert all(0 < len(page) <= limit for page in pages) or pages == [""]
    assert "".join("".join(pages).split()) == "".join(text.split())


@given(st.lists(st.text("abcdef", min_size=1, max_size=7), min_size=1), st.integers(8, 40))
def test_pages_never_cut_inside_a_word(words: list[str], limit: int) -> None:
    pages = limits.pages(" ".join(words), limit)
    assert " ".join(pages).split() == words


def test_pages_prefer_paragraphs_then_sentences() -> None:
    text = "One two. Three four.\n\nFive six. Seven eight nine."
    assert limits.pages(text, 30) == ["One two. Three four.", "Five six. Seven eight nine."]
    assert limits.pages(text, 16) == [
        "One two.",
        "Three four.",
        "Five six.",
        "Seven eight",
        "nine.",
    ]


@given(st.text(max_size=300), st.integers(3, 60))
def test_clip_and_tail_fit(text: str, limit: int) -> None:
    assert len(limits.clip(text, limit)) <= limit
    assert len(limits.tail(text, limit)) <= limit


def test_clip_ends_at_a_word() -> None:
    assert limits.clip("a quiet evening at home", 16) == "a quiet evening…"
    assert limits.clip("short", 16) == "short"


def test_tail_begins_at_a_word() -> None:
    assert limits.tail("a quiet evening at the old home", 20) == "… at the old home"


def test_files_fit_one_by_one_and_together() -> None:
    mb = 2**20
    assert limits.fit_files([11 * mb, 9 * mb], 10 * mb) == [False, True]
    assert limits.fit_files([10 * mb] * 3, 10 * mb) == [True, True, False]
    assert limits.fit_files([1] * 11, 10) == [True] * 10 + [False]


def embed(**parts: Any) -> dict[str, Any]:
    return {"embeds": [parts]}


def row(*items: dict[str, Any]) -> dict[str, Any]:
    return {"components": [{"type": 1, "components": list(items)}]}


@pytest.mark.parametrize(
    "payload",
    [
        {"content": "x" * 2001},
        embed(description="x" * 4097),
        embed(title="x" * 257),
        embed(fields=[{"name": "n", "value": "v"}] * 26),
        embed(fields=[{"name": "n", "value": ""}]),
        {"embeds": [{"description": "x" * 3001}] * 2},
        {"embeds": [{"title": "x"}] * 11},
        {"attachments": [{}] * 11},
        {"nonce": "x" * 26},
        row({"type": 2, "label": "x" * 81}),
        row({"type": 2, "custom_id": "x" * 101}),
        row(*[{"type": 2}] * 6),
        row({"type": 2, "custom_id": "a"}, {"type": 2, "custom_id": "a"}),
        row({"type": 3, "options": [{"label": "a", "value": "a"}] * 26}),
        {"components": [{"type": 2}]},
        {"components": [{"type": 1, "components": []}] * 6},
    ],
)
def test_messages_over_a_limit_are_refused(payload: dict[str, Any]) -> None:
    with pytest.raises(OverLimit):
        limits.check_message(payload)


def test_a_message_at_every_limit_passes() -> None:
    limits.check_message(
        {
            "content": "x" * 2000,
            "nonce": "x" * 25,
            **embed(title="x" * 256, description="x" * 4096, footer={"text": "x" * 1648}),
            **row(*[{"type": 2, "label": "x" * 80, "custom_id": str(n)} for n in range(5)]),
        }
    )


@pytest.mark.parametrize(
    "command",
    [
        {"name": "x" * 33, "description": "d"},
        {"name": "Upper", "description": "d"},
        {"name": "two words", "description": "d"},
        {"name": "a", "description": "x" * 101},
        {"name": "a", "description": "d", "description_localizations": {"de": "x" * 101}},
        {"name": "a", "description": "d", "options": [{"name": "o", "description": "d"}] * 26},
        {
            "name": "a",
            "description": "d",
            "options": [
                {"name": "o", "description": "d", "choices": [{"name": "c", "value": "v"}] * 26}
            ],
        },
        {
            "name": "a",
            "description": "d",
            "options": [
                {"name": "o", "description": "d", "choices": [{"name": "c" * 101, "value": 1}]}
            ],
        },
    ],
)
def test_commands_over_a_limit_are_refused(command: dict[str, Any]) -> None:
    with pytest.raises(OverLimit):
        limits.check_commands([command])


def test_commands_may_not_share_a_name_but_a_menu_may_have_capitals() -> None:
    menu = {"type": 3, "name": "Essay about this"}
    limits.check_commands([menu, {"name": "a", "description": "d"}])
    with pytest.raises(OverLimit):
        limits.check_commands([menu, menu])


@pytest.mark.parametrize(
    "modal",
    [
        {"title": "x" * 46},
        {"title": "t", "components": [{}] * 6},
        {"title": "t", "components": [{"type": 1, "components": [{"label": "x" * 46}]}]},
        {"title": "t", "components": [{"type": 18, "label": "x" * 46, "component": {}}]},
        {"title": "t", "components": [{"type": 1, "components": [{"value": "x" * 4001}]}]},
    ],
)
def test_modals_over_a_limit_are_refused(modal: dict[str, Any]) -> None:
    with pytest.raises(OverLimit):
        limits.check_modal(modal)
