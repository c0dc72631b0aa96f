from __future__ import annotations

import threading
import time

import pytest

from bot.filters import PATTERN_SECONDS, Filter, PatternError, blocked, filter_of, fold, shows
from bot.store import GuildSettings


@pytest.mark.parametrize(
    "text", ["naïve", "NAI\u0308VE", "ｎａｉｖｅ", "na\u200bive", "𝐧𝐚𝐢𝐯𝐞", "a (naive) one"]
)
def test_a_word_is_found_in_every_dress(text: str) -> None:
    assert Filter(words=("Naive",)).blocks(text)


@pytest.mark.parametrize("text", ["naivety", "unnaive", "na ive", "", None])
def test_only_whole_words_are_blocked(text: str | None) -> None:
    assert not Filter(words=("naive",)).blocks(text)


def test_phrases_are_found_across_punctuation() -> None:
    blocker = Filter(words=("very bad",))
    assert blocker.blocks("A very, BAD thing") and not blocker.blocks("very nice, bad")


@pytest.mark.parametrize(
    ("word", "blocked", "free"),
    [
        (
            "c++",
            ["C++", "I write c++.", "(c++)", "ｃ＋＋", "c++11"],
            ["c", "c+", "abc++", "vitamin c"],
        ),
        ("C#", ["c#", "in C# or F#", "c#!"], ["c", "music#", "C major"]),
        (":)", [":)", "fine:)", ": ) :)", "a :) b"], [":", ":(", "a: (b)", ": )"]),
        ("$100", ["for $100!", "US$100"], ["$1000", "100", "$ 100"]),
        (".net", ["in .NET 8", "asp.net"], ["net", "fishing net", ".network"]),
        ("🍆", ["so 🍆🍆", "🍆"], ["🍅"]),
        ("<3  u", ["i <3 u", "<3\nU"], ["<3", "<3 us"]),
        ("bad!", ["bad", "so bad."], ["badly"]),
        ("“very bad”", ["very, bad"], ["very"]),
    ],
)
def test_words_with_symbols_match_as_they_are_written(
    word: str, blocked: list[str], free: list[str]
) -> None:
    blocker = Filter(words=(word,))
    assert [text for text in blocked if not blocker.blocks(text)] == []
    assert [text for text in free if blocker.blocks(text)] == []


def test_a_word_of_which_nothing_is_seen_blocks_nothing() -> None:
    for word in ("\u200b", " \u0301 ", ""):
        assert not shows(word)
        assert not Filter(words=(word,)).blocks("anything \u200b at all")
    assert shows("c++") and shows(":)") and shows("naïve")


def test_patterns_match_what_is_seen() -> None:
    blocker = Filter(patterns=(r"b[a4]d+\b",))
    assert blocker.blocks("fine", "so BÄDDD") and not blocker.blocks("badge")


def test_a_pattern_may_be_written_with_accents() -> None:
    blocker = Filter(patterns=(r"fa[çc]ades?", r"stra[ß]e"))
    for text in ("Façade", "fac\u0327ade", "FACADES", "the Straße"):
        assert blocker.blocks(text), text
    assert not blocker.blocks("fade") and not blocker.blocks("strasse")


def test_a_text_that_exhausts_a_pattern_does_not_pass() -> None:
    started = time.process_time()  # patterns are given time of the processor
    assert Filter(patterns=(r"(a|aa|aaa)+$(?<=b)x",)).blocks("a" * 4000 + "!")
    assert time.process_time() - started < 2


def test_all_patterns_of_a_guild_share_their_time(monkeypatch: pytest.MonkeyPatch) -> None:
    given: list[float] = []

    def slow(_: object, __: str, seconds: float) -> bool:
        given.append(seconds)
        time.sleep(0.02)
        return False

    monkeypatch.setattr("bot.filters._matches", slow)
    assert not Filter(patterns=("a", "b")).blocks("text", "another one")
    assert given[0] <= PATTERN_SECONDS and given[3] < given[0] - 0.05


async def test_nobody_else_waits_while_patterns_are_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[threading.Thread] = []

    def watched(*_: object) -> bool:
        seen.append(threading.current_thread())
        return True

    monkeypatch.setattr("bot.filters._matches", watched)
    assert await blocked(GuildSettings(blocked_patterns=("a",)), "text")
    assert seen and threading.main_thread() not in seen


def test_a_broken_pattern_is_named_when_it_is_set() -> None:
    with pytest.raises(PatternError):
        Filter(patterns=("(",))


def test_a_guild_without_lists_blocks_nothing() -> None:
    assert not filter_of(GuildSettings()).blocks("anything at all")
    assert fold("ẞtraße") == "sstrasse"
