"""What the engine's essays are like, whatever they are asked to be about."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from models.contract import EssayDelta
from models.essay.engine import EssayEngine
from models.essay.lexicon import words_of
from models.essay.sentence import SentenceCandidate
from tests.models.essay import tiny
from tests.models.essay.listener import request, write
from training.essays.textstats import CopyIndex

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.mark.parametrize("words", [50, 100, 250])
def test_has_the_length_asked_for(make: Callable[..., EssayEngine], words: int) -> None:
    [listener] = write(make(), request(words=words, seed=2))
    assert abs(listener.done.words - words) <= 0.05 * words
    assert listener.done.text[-1] in '.!?"'


OPENINGS = {
    "whole": "People like cats often. They watch rivers daily.",
    "unfinished": "People like cats often, but many",
    "paragraphs": "People like cats often.\n\nMany watch rivers. We think that",
    "odd": "He didn't see it at 5 o'clock, Straße 12 and élan",
    "breathless": "and then people like cats and then they " * 8 + "and then",
}


@pytest.mark.parametrize("kind", OPENINGS)
def test_goes_on_from_an_opening(make: Callable[..., EssayEngine], kind: str) -> None:
    opening = OPENINGS[kind]
    asked = request(words=120).model_copy(update={"opening": opening})
    [listener] = write(make(), asked)
    done = listener.done
    deltas = [e.text for e in listener.events if isinstance(e, EssayDelta)]
    assert deltas[0] == opening and "".join(deltas) == done.text
    assert done.text.startswith(opening) and len(deltas) > 2
    assert not done.text[len(opening)].isalnum()  # its last word stays as it is
    assert done.words == len(done.text.split()) and abs(done.words - 120) <= 6
    assert done.text[-1] in '.!?"'
    assert len(done.plan.paragraphs) == len(done.text.split("\n\n"))


def test_what_follows_depends_on_the_opening(make: Callable[..., EssayEngine]) -> None:
    engine = make()
    texts = []
    for opening in ("People like dogs often.", "People draw trains gladly.", None, "😀"):
        asked = request(words=80).model_copy(update={"opening": opening})
        text = write(engine, asked)[0].done.text
        texts.append(text.removeprefix(opening or ""))
    assert texts[0] != texts[1]
    assert texts[2] == texts[3]  # there were no words in it
    assert texts[0] not in texts[2]


def test_never_repeats_a_phrase_or_a_sentence(make: Callable[..., EssayEngine]) -> None:
    [listener] = write(make(), request(words=200, seed=3))
    words = words_of(listener.done.text)
    grams = Counter(tuple(words[i : i + 4]) for i in range(len(words) - 3))
    assert max(grams.values()) == 1
    sentences = re.split(r"(?<=[.!?])\s+", listener.done.text)
    assert len(set(sentences)) == len(sentences)


def test_no_more_than_eight_words_are_copied_where_a_version_says_so(
    tmp_path: Path, make: Callable[..., EssayEngine]
) -> None:
    engine = make()
    (known,) = write(engine, request(words=120))  # the model writes this by itself
    text, how = known.done.text, {"candidates": 3, "plan_candidates": 2}
    free = tiny.publish(tmp_path, "free", tiny.trained(), read=[text], **how)
    bound = tiny.publish(tmp_path, "bound", tiny.trained(), read=[text], longest_copy=8, **how)
    again = []
    for version in (free, bound):
        engine.load(version)
        again += write(engine, request(words=120))
    assert again[0].done.text == text
    assert 4 < CopyIndex([text]).longest(again[1].done.text) <= 8


ODD = {
    "emoji": "😂🚀🚀",
    "one word": "cats",
    "one letter": "a",
    "question": "Why do people need rivers?",
    "misspelt": "the goverment and the enviroment",
    "German": "Warum ist die Umwelt für uns wichtig und nicht egal?",
    "Chinese": "环境保护",
    "insult": "you are an idiot",
    "noise": "xqzt 0000 ///",
    "control": "\x00\x07 \n",
    "long": "cats " * 100,
    "special token": "<text> <par> </s>",
}

NOTED = {"misspelt", "German", "Chinese", "noise", "control", "long", "one letter", "insult"}


@pytest.mark.parametrize("kind", ODD)
def test_any_topic_gives_an_essay(make: Callable[..., EssayEngine], kind: str) -> None:
    [listener] = write(make(), request(ODD[kind][:500], words=60))
    done = listener.done
    assert done.plan.title and abs(done.words - 60) <= 3
    assert "<" not in done.text
    assert (done.note is not None) == (kind in NOTED), done.note


def test_a_sentence_that_cannot_begin_is_begun_again(
    make: Callable[..., EssayEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    right = SentenceCandidate.accepts

    def picky(candidate: SentenceCandidate, token: int) -> bool:
        return (bool(candidate.tokens) or not candidate._openers) and right(candidate, token)

    monkeypatch.setattr(SentenceCandidate, "accepts", picky)
    [listener] = write(make(), request(words=80))
    assert abs(listener.done.words - 80) <= 4


def test_the_strictest_guidance_still_finds_words(tmp_path: Path) -> None:
    version = tiny.publish(
        tmp_path, "strict", tiny.trained(), candidates=2, plan_candidates=2, plausible=0.9,
        guidance=2.0, min_p=0.5,
    )  # fmt: skip
    engine = EssayEngine(device="cpu", slots=2)
    engine.load(version)
    engine.start()
    try:
        [listener] = write(engine, request(words=80))
    finally:
        engine.stop()
    assert abs(listener.done.words - 80) <= 4
