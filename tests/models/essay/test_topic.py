from __future__ import annotations

import pytest

from models.essay.spelling import nearest_word
from models.essay.topic import (
    FALLBACK_INSULT,
    FALLBACK_SCRIPT,
    FALLBACK_WORDS,
    read_topic,
)


@pytest.mark.parametrize(
    ("typed", "title", "subject"),
    [
        ("car free cities", "Car Free Cities", "car free cities"),
        ("write me an essay about the history of jazz", "History of Jazz", "jazz"),
        ("Essay on homework", "Homework", "homework"),
        ("Must dogs wear uniforms?", "Must dogs wear uniforms?", "dogs wear uniforms"),
        ("AI", "AI", "AI"),
        ("skibidi toilet", "Skibidi Toilet", "skibidi toilet"),
        ("500 word essay on the history of Rome please", "History of Rome", "Rome"),
        ("time", "Time", "time"),
        ("Articles of Confederation", "Articles of Confederation", "Articles Confederation"),
        ("🚀", "Rocket", "rocket"),
        ("❤️", "Heart", "heart"),
        ("🌍", "Earth", "earth"),
        ("⬛", "Large Square", "large square"),
        ("why do people call others stupid?", "Why do people call others stupid?",
         "call stupid"),
        ("café culture", "Café Culture", "café culture"),
    ],
)  # fmt: skip
def test_reads_plain_topics_without_a_note(typed: str, title: str, subject: str) -> None:
    topic = read_topic(typed)
    assert (topic.title, topic.subject, topic.note) == (title, subject, None)


@pytest.mark.parametrize(
    ("typed", "subject"),
    [
        ("The causes of the First World War", "World War"),
        ("cats versus dogs", "cats dogs"),
        ("pros and cons of homework", "homework"),
        ("The main advantages and disadvantages of zoos", "zoos"),
        ("history", "history"),
        ("ww2", "Second World War"),
    ],
)
def test_the_matter_is_told_from_what_is_asked_about_it(typed: str, subject: str) -> None:
    assert read_topic(typed).subject == subject


@pytest.mark.parametrize(
    "typed",
    ["Romeo and Juliet", "nelson mandela", "Jane Austen", "the Pythagorean theorem", "iphones",
     "why Zbigniew left", "esports", "purr"],
)  # fmt: skip
def test_names_and_young_words_stay_as_they_are(typed: str) -> None:
    assert "mean" not in (read_topic(typed).note or "")


@pytest.mark.parametrize("typed", ["BTS", "ChatGPT"])
def test_a_name_that_nobody_knows_is_kept(typed: str) -> None:
    topic = read_topic(typed)
    assert topic.subject == typed and topic.note is not None and typed in topic.note


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("How plants grow", "How Plants Grow"),
        ("how do plants grow", "How do plants grow?"),
        ("how much sleep do we need", "How much sleep do we need?"),
        ("Why I want to be a nurse", "Why I Want to Be a Nurse"),
        ("when to use commas", "When to Use Commas"),
        ("what makes a good friend", "What makes a good friend?"),
        ("what I learned from my dog", "What I Learned from My Dog"),
        ("which phone is best", "Which phone is best?"),
        ("climate change is a hoax", "Climate Change Is a Hoax"),
    ],
)
def test_only_questions_get_a_question_mark(typed: str, title: str) -> None:
    assert read_topic(typed).title == title


@pytest.mark.parametrize(
    ("typed", "word"),
    [
        ("Warum ist die Umwelt wichtig und nicht egal", "German"),
        ("La importancia de la educación en el mundo", "Spanish"),
        ("Pourquoi les chats et les chiens ne sont pas amis", "French"),
        ("환경 보호", "languages"),
        ("Это моя собака", "languages"),
    ],
)
def test_another_language_is_said(typed: str, word: str) -> None:
    topic = read_topic(typed)
    assert topic.note is not None and word in topic.note
    assert topic.subject


def test_unreadable_scripts_fall_back() -> None:
    assert read_topic("环境保护").subject == FALLBACK_SCRIPT
    assert read_topic("环境保护").title == "环境保护"


@pytest.mark.parametrize(
    "typed",
    ["you are an idiot", "U SUCK", "fuck you", "my dumb ugly teacher", "I hate black people",
     "write an essay about how stupid you are"],
)  # fmt: skip
def test_an_insult_becomes_an_essay_on_kindness(typed: str) -> None:
    topic = read_topic(typed)
    assert topic.subject == FALLBACK_INSULT and typed.lower() not in topic.title.lower()
    assert topic.note is not None and "kindness" in topic.note


@pytest.mark.parametrize(
    "typed", ["Dumb waiters in old houses", "Scunthorpe", "I hate homework", "Do you hate losing?"]
)
def test_a_rude_word_alone_is_no_insult(typed: str) -> None:
    assert read_topic(typed).subject != FALLBACK_INSULT


def test_a_word_nobody_knows_is_said() -> None:
    topic = read_topic("Klimawandel")
    assert topic.subject == "Klimawandel"
    assert topic.note is not None and "Klimawandel" in topic.note


@pytest.mark.parametrize(
    "typed", ["the the the", "xqzt", "42", "???", "\x00\x07", "a", "////", "🇩🇪", "asdfghjkl"]
)
def test_noise_falls_back_and_says_so(typed: str) -> None:
    topic = read_topic(typed)
    assert topic.subject == FALLBACK_WORDS and topic.note and topic.title


@pytest.mark.parametrize(
    ("slip", "meant"),
    [("goverment", "government"), ("enviroment", "environment"), ("recieve", "receive"),
     ("definately", "definitely"), ("mispelled", "misspelled")],
)  # fmt: skip
def test_slips_are_corrected_and_said(slip: str, meant: str) -> None:
    topic = read_topic(f"{slip} today")
    assert meant in topic.subject
    assert topic.note is not None and slip in topic.note and meant in topic.note


@pytest.mark.parametrize("name", ["tiktok", "messi", "fortnite", "kubernetes", "skibidi"])
def test_names_are_no_slips(name: str) -> None:
    assert nearest_word(name) is None
    assert read_topic(name).subject == name


def test_a_long_topic_is_boiled_down() -> None:
    typed = (
        "In this essay, I would like you to discuss how modern smartphones and social media have "
        "changed the way in which teenagers talk with their parents, and whether smartphones are "
        "good or bad for families in the long run, giving examples from your own life."
    )
    topic = read_topic(typed)
    assert len(topic.title) <= 90 and topic.title.startswith("In this essay")
    assert len(topic.subject.split()) <= 6
    assert "smartphones" in topic.subject and "teenagers" in topic.subject
    assert "essay" not in topic.subject and topic.note


def test_the_longest_nonsense_is_quick() -> None:
    import time

    begun = time.perf_counter()
    read_topic("".join(chr(97 + n * 7 % 26) + " " * (n % 9 == 0) for n in range(500)))
    assert time.perf_counter() - begun < 2
