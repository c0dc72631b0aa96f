"""Buttons, views, files and text that stays plain."""

from __future__ import annotations

from pathlib import Path

import discord
from hypothesis import example, given
from hypothesis import strategies as st

from bot import cards
from bot.cards import Card
from bot.words import words
from tests.bot.asked import artifact, essay_request

SAY = words("en")
MB = 2**20


@given(st.text("ab *_`~|<@#>[]()\\\n", max_size=80))
@example("[*bold* and ||hidden||](link)")
def test_nothing_typed_stays_markup(text: str) -> None:
    plain = cards.plain(text)
    bare = plain.replace("\\\\", "")
    for sign in "*_`~|<":
        assert bare.count(sign) == bare.count(f"\\{sign}")


def test_nobody_is_mentioned_by_what_was_typed() -> None:
    assert "@everyone" not in cards.plain("@everyone") and "@here" not in cards.plain("@here")
    assert cards.plain("<@12> <#3> <t:1:R>") == "\\<@12> \\<#3> \\<t:1:R>"


async def test_views_are_forgotten_by_discordpy() -> None:
    view = cards.started(SAY, essay_request()).view
    assert view is not None and view.is_finished()


async def test_files_are_opened_anew_each_time(tmp_path: Path) -> None:
    card = Card(discord.Embed(), files=(artifact(tmp_path, "mid"),))
    first, second = card.open_files(), card.open_files()
    assert first[0] is not second[0] and first[0].filename == "beat-12.mid"
    for file in (*first, *second):
        file.close()


def test_sizes_are_written_for_people() -> None:
    assert [cards.size(n) for n in (10, 2048, 5 * MB)] == ["1 kB", "2 kB", "5.0 MB"]


def test_a_bar_fills_up() -> None:
    assert [cards.bar(done, 4) for done in (0, 0.5, 1)] == ["▱▱▱▱ 0 %", "▰▰▱▱ 50 %", "▰▰▰▰ 100 %"]


async def test_a_row_marks_what_cannot_be_taken_back() -> None:
    acts = [("gwx:sure:3", "button.forget_sure", "🗑️"), ("gwx:keep", "button.keep", None)]
    view = cards.row_of(SAY, acts)
    (row,) = view.to_components()
    assert [one["custom_id"] for one in row["components"]] == ["gwx:sure:3", "gwx:keep"]
    red, grey = (discord.ButtonStyle.danger.value, discord.ButtonStyle.secondary.value)
    assert [one["style"] for one in row["components"]] == [red, grey]
