from __future__ import annotations

import pytest

from models.essay.associations import associations
from models.essay.grammar import Mask, mask_stack
from models.essay.lexicon import Lexicon, Speller
from models.essay.plan import (
    PlanCandidate,
    fallback_plan,
    judge_plan,
    mend_plan,
    paragraph_count,
    paragraph_words,
)
from models.essay.prompt import SPECIAL_TOKENS
from models.essay.sampling import Luck
from tests.models.essay import tiny

SEP, TEXT = SPECIAL_TOKENS.index("<sep>"), SPECIAL_TOKENS.index("<text>")


@pytest.fixture(scope="module")
def lexicon() -> Lexicon:
    return Lexicon(tiny.tokenizer(), "()[]<>")


def ids(lexicon: Lexicon, word: str) -> list[int]:
    return lexicon.encode(f" {word}")


def fill(lexicon: Lexicon, *paragraphs: str, topic: str = "cats") -> PlanCandidate:
    made = PlanCandidate(lexicon, Speller(), len(paragraphs), ids(lexicon, topic))
    for number, line in enumerate(paragraphs):
        for word in line.split():
            for token in ids(lexicon, word):
                made.take(token, -1.0, 0.0)
        made.take(TEXT if number == len(paragraphs) - 1 else SEP, -1.0, 0.0)
    return made


@pytest.mark.parametrize(
    ("words", "paragraphs"), [(50, 1), (100, 2), (200, 3), (400, 4), (800, 7), (1200, 10)]
)
def test_paragraphs_suit_the_length(words: int, paragraphs: int) -> None:
    assert paragraph_count(words) == paragraphs


def test_shares_add_up_to_the_whole() -> None:
    left, shares = 800, []
    for paragraph in range(7):
        shares.append(paragraph_words(left, paragraph, 7))
        left -= shares[-1]
    assert left == 0
    assert shares[0] < shares[1] > shares[-1] > 60


def test_the_grammar_leads_to_one_group_of_keywords_a_paragraph(lexicon: Lexicon) -> None:
    made = PlanCandidate(lexicon, Speller(), 2, [])
    assert made.mask == Mask.PLAN + 1  # a word must come first
    for word in ("cats", "dogs"):
        for token in ids(lexicon, word):
            made.take(token, 0.0, 0.0)
    assert (made.mask - Mask.PLAN) & 4 and not (made.mask - Mask.PLAN) & 8
    made.take(SEP, 0.0, 0.0)
    for word in ("rivers", "books", "trains", "games"):
        for token in ids(lexicon, word):
            made.take(token, 0.0, 0.0)
    assert not (made.mask - Mask.PLAN) & 1  # four are enough
    assert (made.mask - Mask.PLAN) & 8 and not (made.mask - Mask.PLAN) & 4
    made.take(TEXT, 0.0, 0.0)
    assert made.done and made.ended
    assert made.keywords() == (("cats", "dogs"), ("rivers", "books", "trains", "games"))


def test_keywords_come_once_but_the_end_may_return_to_the_topic(lexicon: Lexicon) -> None:
    made = PlanCandidate(lexicon, Speller(), 2, ids(lexicon, "cats"))
    for word in ("cats", "dogs"):
        for token in ids(lexicon, word):
            made.take(token, 0.0, 0.0)
    cats, dogs = ids(lexicon, "cats")[0], ids(lexicon, "dogs")[0]
    assert {cats, dogs} <= set(made.forbidden())
    made.take(SEP, 0.0, 0.0)
    assert dogs in made.forbidden() and cats not in made.forbidden()


def test_an_outline_given_up_is_no_outline(lexicon: Lexicon) -> None:
    made = PlanCandidate(lexicon, Speller(), 2, [])
    for token in ids(lexicon, "cats"):
        made.take(token, 0.0, 0.0)
    made.give_up()
    assert made.done and not made.ended
    assert judge_plan(made, "cats", associations()) < -50


def test_mending_puts_the_topics_field_where_an_outline_strays(lexicon: Lexicon) -> None:
    plan = (("trains", "because"), ("dogs", "songs"), ("games", "lakes"))
    directions = associations().table(lexicon)
    mended = mend_plan(plan, "cats", lexicon, directions, Luck(3))
    assert mended == mend_plan(plan, "cats", lexicon, directions, Luck(3))
    assert mended[0][0] == "cats" == mended[2][0] and "dogs" in mended[1]
    assert not {"because", "trains"} & {word for words in mended for word in words[:1]}
    assert all(2 <= len(words) <= 4 for words in mended)
    assert mend_plan(plan, "skibidi", lexicon, directions, Luck(3)) == plan


def test_masks_let_plans_hold_words_only(lexicon: Lexicon) -> None:
    stack = mask_stack(lexicon, len(lexicon.texts) + 3)
    words = [n for n, v in enumerate(stack[Mask.PLAN + 1].tolist()) if v == 0]
    assert words and all(lexicon.texts[n].strip().isalpha() for n in words)
    closing = [n for n, v in enumerate(stack[Mask.CLOSING].tolist()) if v == 0]
    assert [lexicon.texts[n] for n in closing] == ['"']
    assert stack[Mask.PROSE][: len(SPECIAL_TOKENS)].isinf().all()
    assert stack[:, -3:].isinf().all()


def test_the_better_outline_wins(lexicon: Lexicon) -> None:
    known = associations()

    def rate(*paragraphs: str) -> float:
        return judge_plan(fill(lexicon, *paragraphs), "cats", known)

    assert rate("cats dogs", "cats rivers") > rate("trains lakes", "games songs")

    assert rate("cats dogs", "cats rivers") > rate("cats dogs", "cats because")
    assert judge_plan(PlanCandidate(lexicon, Speller(), 2, []), "cats", known) < -50


def test_a_keyword_is_a_known_word_or_the_topics(lexicon: Lexicon) -> None:
    made = PlanCandidate(lexicon, Speller(["skibidi"]), 1, [])
    made.take(lexicon.encode(" skibidi")[0], 0.0, 0.0)
    assert not made.accepts(TEXT)
    for token in lexicon.encode(" skibidi")[1:]:
        assert made.accepts(token)
        made.take(token, 0.0, 0.0)
    assert made.accepts(TEXT)


def test_the_fallback_uses_the_topics_own_words() -> None:
    assert fallback_plan("space travel", 2) == (("space", "travel"), ("travel", "space"))
    assert fallback_plan("xqzt", 1) == (("xqzt",),)
