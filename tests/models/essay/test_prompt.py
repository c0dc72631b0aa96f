from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.essay.prompt import (
    BAG,
    LENGTHS,
    REMAINING,
    SPECIAL_TOKENS,
    Condition,
    Prompter,
    Wish,
    clean_topic,
    condition_arrays,
    length_bucket,
    remaining_bucket,
    role_of,
    style_index,
)


class Letters:
    """One token a letter, after the special ones; capitals are rarer than small letters."""

    def encode(self, text: str, /, *, add_special_tokens: bool = True) -> list[int]:
        del add_special_tokens
        return [len(SPECIAL_TOKENS) + (ord(c) - 97) % 200 for c in text.strip()]

    def convert_tokens_to_ids(self, tokens: str, /) -> int:
        return SPECIAL_TOKENS.index(tokens)


@pytest.fixture(scope="module")
def prompter() -> Prompter:
    return Prompter(Letters())


def names(prompter: Prompter, ids: list[int]) -> str:
    specials = dict(enumerate(SPECIAL_TOKENS))
    return "".join(specials.get(i) or chr(i - len(SPECIAL_TOKENS) + 97) for i in ids)


def test_prefix_says_everything_in_order(prompter: Prompter) -> None:
    wish = Wish("Red tea", 400, "argument", 5, (("cup", "leaf"), ("pot",)))
    assert names(prompter, prompter.prefix(wish)) == (
        "<style_argument><mark_5><len_7><topic>redtea<plan>cupleaf<sep>pot<text>"
    )


def test_prefix_without_a_plan_and_with_an_open_one(prompter: Prompter) -> None:
    wish = Wish("tea", 50)
    assert names(prompter, prompter.prefix(wish)).endswith("<topic>tea<text>")
    assert names(prompter, prompter.prefix(wish, open_plan=True)).endswith("<topic>tea<plan>")


def test_a_plan_survives_being_written_and_read(prompter: Prompter) -> None:
    plan = (("cup",), ("pot",))
    ids = [*prompter.plan_ids(plan)[1:], prompter.ids["<text>"], 90]
    assert prompter.parse_plan(ids, lambda p: names(prompter, p)) == plan


def test_condition_of_a_paragraph(prompter: Prompter) -> None:
    wish = Wish("tea", 400, "speech", 4, (("cup",), ("pot",), ("leaf",)))
    before = prompter.condition(wish)
    assert (before.keywords, before.role) == ((), 0)
    inside = prompter.condition(wish, paragraph=1, remaining=30)
    assert inside.keywords == prompter.bag(["pot"])
    assert (inside.style, inside.mark, inside.role) == (5, 4, 2)
    assert inside.remaining == remaining_bucket(30)
    assert inside.without_content() == Condition((), (), 5, 4, 2, remaining_bucket(30))


def test_arrays_are_padded(prompter: Prompter) -> None:
    rows = condition_arrays([Condition((1,) * 40, (2,)), Condition()])
    assert rows.topic == [[1] * BAG, [0] * BAG]
    assert rows.keywords[0] == [2] + [0] * (BAG - 1)


def test_roles() -> None:
    assert [role_of(p, 4) for p in range(4)] == [1, 2, 2, 3]
    assert [role_of(p, 2) for p in range(2)] == [0, 0]


def test_buckets_grow_and_stay_in_range() -> None:
    lengths = [length_bucket(w) for w in range(0, 5000)]
    left = [remaining_bucket(w) for w in range(0, 5000)]
    assert lengths == sorted(lengths) and (lengths[0], lengths[-1]) == (0, LENGTHS - 1)
    assert left == sorted(left) and (left[0], left[-1]) == (1, REMAINING - 1)


def test_an_unknown_style_is_ones_own() -> None:
    assert style_index("Mrs Miller") == style_index("own")
    assert style_index("none") == 0


@pytest.mark.parametrize(
    ("typed", "clean"),
    [
        (
            "  Cafe\u0301 “culture” – today  ",
            'Café "culture" - today'.replace('"culture"', '"culture"'),
        ),
        ("🎉🎉", ""),
        ("what\nis\x00 art??", "what is art"),
        ("ｆｕｌｌ", "full"),
    ],
)
def test_topics_are_cleaned(typed: str, clean: str) -> None:
    assert clean_topic(typed) == clean


@given(st.text(max_size=600))
def test_any_topic_gives_a_prefix(text: str) -> None:
    topic = clean_topic(text)
    assert len(topic) <= 500
    assert "\n" not in topic
    prompter = Prompter(Letters())
    assert len(prompter.prefix(Wish(topic, 200))) < 50
