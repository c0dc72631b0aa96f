from __future__ import annotations

from collections.abc import Callable

import pytest

from models.contract import AlbumRequest, EssayPlan
from models.titles import name_tracks

REQUEST = AlbumRequest(request_id="1", title="Night Drive", tracks=6, seed=7)
WORDS = (
    ("Night", "Drive", "ride"),
    ("tight", "minutes", "seconds"),
    ("clock", "morning", "back"),
    ("yards", "door", "xqzzy"),
    ("trip", "quarters", "hour"),
)


class Writer:
    """Thinks of the same words each time."""

    def __init__(self, *groups: tuple[str, ...]) -> None:
        self.groups = groups
        self.topics: list[str] = []

    def outline(self, topic: str, seed: int, cancelled: Callable[[], bool]) -> EssayPlan | None:
        self.topics.append(topic)
        return EssayPlan(title=topic, paragraphs=self.groups) if self.groups else None


def name(request: AlbumRequest, writer: Writer | None, style: str = "hiphop") -> tuple[str, ...]:
    return name_tracks(request, style, lambda: False, writer=writer)


def test_names_are_made_of_the_writers_words_and_the_titles() -> None:
    writer = Writer(*WORDS)
    names = name(REQUEST.model_copy(update={"tracks": 3}), writer)
    known = {w.capitalize() for group in WORDS for w in group} | {"Almost", "Still", "Again"}
    used = {part for n in names for part in n.replace(",", "").split()} - {"and", "to"}
    assert used <= known and not used & {"Xqzzy", "Back"}
    assert writer.topics == ["Night Drive", "Night Drive hip hop"]


@pytest.mark.parametrize("count", [3, 8, 12])
@pytest.mark.parametrize("groups", [WORDS, ()])
def test_names_are_short_different_and_seeded(
    count: int, groups: tuple[tuple[str, ...], ...]
) -> None:
    request = REQUEST.model_copy(update={"tracks": count})
    names = name(request, Writer(*groups))
    assert len(set(names)) == len(names) == count
    assert all(1 <= len(n.split()) <= 4 for n in names)
    assert names == name(request, Writer(*groups))
    assert names != name(request.model_copy(update={"seed": 8}), Writer(*groups))


def test_without_a_writer_there_are_names_too() -> None:
    names = name(REQUEST, None)
    assert len(set(names)) == 6
    assert names == name(REQUEST, None)


def test_a_title_nobody_can_read_is_asked_about_by_its_style() -> None:
    writer = Writer(*WORDS)
    name(REQUEST.model_copy(update={"title": "夜のドライブ"}), writer, "latin_reggae")
    assert writer.topics == ["latin reggae"]
