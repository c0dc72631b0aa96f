from __future__ import annotations

import time

import pytest

from bot.openings import TOPIC_ROOM, cleaned, topic_of


@pytest.mark.parametrize(
    ("said", "text"),
    [
        ("The  sea\tis wide.", "The sea is wide."),
        (
            "One line\nand the next.\n\n\nAnother paragraph.",
            "One line and the next.\n\nAnother paragraph.",
        ),
        ("**bold _and ~~old~~_** ||secret||", "bold and old secret"),
        ("# Title\n> a quote\n- a point\n-# small", "Title a quote a point small"),
        ("`code` and\n```py\nmore\n```", "code and more"),
        ("[here](https://a.b/c) and <https://a.b> <t:1:R> <a:wave:12>!", "here and !"),
        ("***all** of* __it__ ___here___, *a **b** c* and _x_", "all of it here, a b c and x"),
        ("**not closed, 2 * 3, a_b_ and __init", "**not closed, 2 * 3, a_b_ and __init"),
        ("snake_case_name stays, 2 * 3 * 4 too", "snake_case_name stays, 2 * 3 * 4 too"),
        ("@\u200beveryone \u202ehidden\u0000", "@everyone hidden"),
        ("Cafe\u0301", "Café"),
        (" \n\u200b ", ""),
    ],
)
def test_a_message_is_reduced_to_its_words(said: str, text: str) -> None:
    assert cleaned(said) == text
    assert cleaned(text) == text


@pytest.mark.parametrize(
    "mark", ["__a ", "*a ", " _a", "~~a ", "||a ", "[", "[a](", "`", "<", "a_ "]
)
def test_a_message_full_of_marks_does_not_stop_the_loop(mark: str) -> None:
    begun = time.process_time()
    cleaned(mark * (4000 // len(mark)))
    assert time.process_time() - begun < 0.1


@pytest.mark.parametrize(
    ("text", "topic"),
    [
        ("Yes. The tide is out today. It will return.", "The tide is out today"),
        ("“Why is the sea blue?” Nobody knows it.", "“Why is the sea blue?”"),
        ("No. Yes.", "No. Yes"),
        ("12:30 ☂ …", ""),
        ("", ""),
    ],
)
def test_the_first_telling_sentence_is_the_topic(text: str, topic: str) -> None:
    assert topic_of(text) == topic


def test_a_long_sentence_is_cut_between_words() -> None:
    topic = topic_of("sea wind " * 40)
    assert len(topic) <= TOPIC_ROOM and topic.split()[-1] in ("sea", "wind")
