from __future__ import annotations

import pytest

from models.essay.lexicon import Lexicon, Speller
from models.essay.naming import FORCE, PUSH, Naming
from models.essay.sampling import PhraseBook
from models.essay.sentence import Room, SentenceCandidate
from tests.models.essay import tiny

ROOMY = Room(left=300, slack=20, closing=False, longest=40)


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(tiny.tokenizer(), "()[]<>")


def candidate(lexicon: Lexicon, naming: Naming, *, unnamed: bool = True) -> SentenceCandidate:
    speller = Speller(["photosynthesis", "albert", "einstein"])
    return SentenceCandidate(
        lexicon, speller, PhraseBook(), ROOMY, 200, naming=naming, unnamed=unnamed
    )


def say(made: SentenceCandidate, lexicon: Lexicon, text: str) -> None:
    for token in lexicon.encode(text):
        made.take(token, -1.0, 0.0)


def test_a_word_in_pieces_is_held_out_where_a_noun_may_stand(lexicon: Lexicon) -> None:
    naming = Naming("photosynthesis", "Photosynthesis", lexicon)
    first, second, *_ = lexicon.encode(" photosynthesis")
    made = candidate(lexicon, naming)
    assert lexicon.encode(" Photosynthesis")[0] in made.favoured()
    say(made, lexicon, " We like")
    assert made.favoured()[first] == PUSH, "after 'like'"
    say(made, lexicon, " the rivers")
    assert not made.favoured(), "no noun follows 'rivers'"
    say(made, lexicon, " of")
    made.take(first, -5.0, 0.0)
    assert made.favoured() == {second: FORCE}, "once begun it is spelled to its end"
    say(made, lexicon, lexicon.decode(lexicon.encode(" photosynthesis")[1:]))
    say(made, lexicon, " and")
    assert not made.favoured(), "it is named now"


def test_nothing_is_held_out_where_the_topic_was_named_or_is_one_token(lexicon: Lexicon) -> None:
    hard = Naming("photosynthesis", "Photosynthesis", lexicon)
    assert not candidate(lexicon, hard, unnamed=False).favoured()
    assert len(lexicon.encode(" cats")) == 1
    assert not candidate(lexicon, Naming("cats", "Cats", lexicon)).favoured()


def test_a_name_goes_on_as_in_the_topic(lexicon: Lexicon) -> None:
    naming = Naming("Albert Einstein", "Albert Einstein", lexicon)
    assert naming.continues("albert", "Ein", whole=False)
    assert naming.continues("albert", "Einstein", whole=True)
    assert not naming.continues("albert", "Ein", whole=True)
    assert not naming.continues("albert", "Energy", whole=False)
    assert naming.continues("albert", "said", whole=True)
    assert naming.continues("we", "I", whole=True)


def test_a_sentence_refuses_another_surname(lexicon: Lexicon) -> None:
    naming = Naming("Albert Einstein", "Albert Einstein", lexicon)
    made = candidate(lexicon, naming)
    *blank, other = lexicon.encode(" B")
    own = lexicon.encode(" E")[-1]
    say(made, lexicon, f" Albert{lexicon.decode(blank)}")
    assert not made.accepts(other)
    assert made.accepts(own)


def test_words_that_do_not_stand_together_are_no_name(lexicon: Lexicon) -> None:
    naming = Naming("Romeo Juliet", "Romeo and Juliet", lexicon)
    assert naming.continues("romeo", "Paris", whole=True)


def test_the_topics_own_word_grows_into_no_other(lexicon: Lexicon) -> None:
    naming = Naming("cats", "Cats", lexicon)
    assert naming.grows("cats", "s") and not naming.grows("cats", "kill")
    assert naming.grows("dogs", "kill"), "not of the topic"
    made = candidate(lexicon, naming)
    say(made, lexicon, " We like cats")
    assert not made.accepts(lexicon.encode("k")[-1])
